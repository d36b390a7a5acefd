//! Judges the file of a leased secret: user and password of one lease, which has not ended.

use std::fs;

use serde_json::Value;
use strongroom_chaos::{Micros, Report};
use strongroom_tests::stage::Environment;

use super::{Kind, LATELY, Oracle};
use crate::leases::{Leases, TTL};
use crate::plan::Trouble;
use crate::world::{LEASED_FILE, Played};

impl Oracle {
    /// Judges what the function read, and what the file holds when the invocation has ended.
    pub(super) fn judge_leased(
        &mut self,
        played: &Played,
        report: &Report,
        environment: &Environment,
        leases: &Leases,
    ) {
        match report.files.get(1) {
            Some(Ok(content)) => {
                self.judge_pair(content, leases);
            }
            Some(Err(error)) => self.judge_missing(error),
            None => {}
        }
        let path = LEASED_FILE.strip_prefix("/tmp/").unwrap_or(LEASED_FILE);
        match fs::read_to_string(environment.host.tmp().join(path)) {
            Ok(content) => {
                if let Some(user) = self.judge_pair(&content, leases) {
                    self.judge_lease(&user, played, leases);
                }
            }
            Err(error) => self.judge_missing(&error.to_string()),
        }
    }

    /// A user and its password are of one lease; returns the user.
    fn judge_pair(&mut self, content: &str, leases: &Leases) -> Option<String> {
        let pair: Value = serde_json::from_str(content).unwrap_or_default();
        let (Some(user), Some(password)) = (pair["username"].as_str(), pair["password"].as_str())
        else {
            self.note(Kind::WrongValue, format!("the file of the database holds {content:?}"));
            return None;
        };
        if let Err(wrong) = leases.check(user, password) {
            self.note(
                Kind::WrongValue,
                format!("the file of the database: {wrong:?} of {content}"),
            );
        }
        Some(user.to_owned())
    }

    /// After an invocation the lease lives, as far as the extension can know, or a line says why not.
    fn judge_lease(&mut self, user: &str, played: &Played, leases: &Leases) {
        if self.known.invoked < self.known.excused_until
            || self.was_troubled(Trouble::OUTAGES, LATELY)
        {
            return;
        }
        let granted = leases.granted(user);
        if granted + TTL * 1_000_000 + self.hidden(played.invoked) < played.invoked {
            let age = (played.invoked - granted) / 1_000_000;
            let text = format!("the file holds {user}, leased {age} s ago for {TTL} s");
            self.note(Kind::WrongValue, text);
        }
        if let Some((revoked, invocations)) = self.known.revoked
            && invocations >= INVOCATIONS_TO_NOTICE
            && leases.made(user) < revoked
        {
            let text = format!(
                "the file holds {user}, whose token was revoked {invocations} invocations ago"
            );
            self.note(Kind::WrongValue, text);
        }
    }

    /// Remembers that every token was revoked, and with it its leases.
    pub(super) fn note_revocation(&mut self, played: &Played, now: Micros) {
        let is_revocation = |trouble: &Trouble| matches!(trouble, Trouble::RevokeTokens { .. });
        if played.effective.iter().any(is_revocation) {
            self.known.revoked = Some((now, 0));
        } else if let Some((_, invocations)) = &mut self.known.revoked {
            *invocations += 1;
        }
    }
}

/// A request of one invocation meets the dead token, and the next invocation reads the secret again.
const INVOCATIONS_TO_NOTICE: u32 = 2;
