//! Judges values: each must have been Vault's, whole, and not too long ago.

use std::fs;

use serde_json::Value;
use strongroom_chaos::{Answer, Exchange, Micros, Report};
use strongroom_tests::beds::practice;
use strongroom_tests::stage::Environment;

use super::{Kind, Oracle};
use crate::history::History;
use crate::plan::OnOutage;
use crate::world::{FILE, Played};

impl Oracle {
    /// Judges everything that the function reports.
    pub(super) fn judge_report(
        &mut self,
        played: &Played,
        report: &Report,
        environment: &Environment,
        history: &History,
    ) {
        self.judge_variable(report, history);
        self.judge_file_seen(&report.files[..1], history);
        self.judge_file(played, environment, history);
        for exchange in std::iter::once(&report.read).chain(&report.crowd) {
            self.judge_read(exchange, 0, history);
        }
        let ttl = self.known.settings.map_or(0, |settings| settings.cache_ttl);
        if let Some(cached) = &report.cached {
            self.judge_read(cached, ttl, history);
        }
        if let (Some(value), Some((write, read))) = (&played.write, &report.written) {
            self.judge_own(value, write, read.as_ref());
        }
    }

    /// The variable is what the secret was when the processes started, for ever.
    fn judge_variable(&mut self, report: &Report, history: &History) {
        let seen = report.variables.first().cloned().flatten().unwrap_or_default();
        let Some(number) = History::number(&seen) else {
            return self.note(Kind::WrongValue, format!("the variable holds {seen:?}"));
        };
        if self.known.started != report.started {
            self.known.started = report.started;
            let until = history.simulated(report.started);
            if !history.was_current(number, self.known.generation, until) {
                let text = format!(
                    "the variable holds value {number}, which was not Vault's while it started"
                );
                self.note(Kind::WrongValue, text);
            }
        } else if self.known.variable != Some(number) {
            let text = format!("the variable changed from {:?} to {number}", self.known.variable);
            self.note(Kind::WrongValue, text);
        }
        self.known.variable = Some(number);
    }

    /// What the function read may be as old as the file was, and no older.
    fn judge_file_seen(&mut self, files: &[Result<String, String>], history: &History) {
        for file in files {
            match file.as_deref().map(in_file) {
                Ok(Some(number)) => {
                    if self.known.file.is_some_and(|before| number < before)
                        || number >= history.next()
                    {
                        let before = self.known.file;
                        let text = format!("the file went from value {before:?} to {number}");
                        self.note(Kind::WrongValue, text);
                    }
                }
                Ok(None) => self.note(Kind::WrongValue, format!("a file holds {file:?}")),
                Err(error) => self.judge_missing(error),
            }
        }
    }

    /// After the invocation the file is no older than `STRONGROOM_REFRESH`, or a line says why.
    fn judge_file(&mut self, played: &Played, environment: &Environment, history: &History) {
        let path = FILE.strip_prefix("/tmp/").unwrap_or(FILE);
        let content = match fs::read_to_string(environment.host.tmp().join(path)) {
            Ok(content) => content,
            Err(error) => return self.judge_missing(&error.to_string()),
        };
        let Some(number) = in_file(&content) else {
            return self.note(Kind::WrongValue, format!("the file holds {content:?}"));
        };
        self.known.file = Some(number);
        let refresh = self.known.settings.map_or(0, |settings| settings.refresh);
        let hidden = self.hidden(played.invoked);
        let from = played.invoked.saturating_sub(seconds(refresh) + hidden);
        if !history.was_current(number, from, history.now())
            && !self.is_excused(environment, history)
        {
            let age = history.age(number, played.invoked);
            let text = format!(
                "the file holds value {number} of {age:.3} s ago, though STRONGROOM_REFRESH is {refresh} s, \
                 and no line says why"
            );
            self.note(Kind::WrongValue, text);
        }
    }

    /// Only an environment that started without Vault may lack its file, and says so.
    pub(super) fn judge_missing(&mut self, error: &str) {
        let is_lazy =
            self.known.settings.is_some_and(|settings| settings.on_outage == OnOutage::Lazy);
        if !is_lazy || self.known.invoked >= self.known.excused_until {
            self.note(Kind::WrongValue, format!("the file cannot be read: {error}"));
        }
    }

    /// An answer is what Vault held between question and answer, or at most `ttl` seconds before.
    fn judge_read(&mut self, exchange: &Exchange, ttl: u64, history: &History) {
        let Some(answer) = self.judge_exchange(exchange) else { return };
        let Some(number) = in_answer(&answer.body) else {
            return self.note(Kind::WrongValue, format!("an answer holds {:?}", answer.body));
        };
        let stale_for = match self.known.settings {
            Some(settings) if answer.is_stale && self.may_serve_stale() && ttl > 0 => {
                settings.stale_for
            }
            _ => 0,
        };
        let begun = history.simulated(exchange.begun);
        let hidden = if ttl > 0 { self.hidden(begun) } else { 0 };
        let from = begun.saturating_sub(seconds(ttl + stale_for) + hidden);
        if !history.was_current(number, from, history.simulated(exchange.ended)) {
            let age = history.age(number, begun);
            let text = format!(
                "an answer holds value {number} of {age:.3} s ago, where {} s are allowed",
                ttl + stale_for
            );
            self.note(Kind::WrongValue, text);
        }
    }

    /// What was written is read, whatever came before it; of a write that failed it is not known.
    fn judge_own(&mut self, value: &str, write: &Exchange, read: Option<&Exchange>) {
        let is_written = self.judge_exchange(write).is_some();
        if is_written {
            self.known.own.retain(|own| own.starts_with(LOST));
        }
        let mark = if is_written { "" } else { LOST };
        self.known.own.push(format!("{mark}{value}"));
        let Some(read) = read else { return };
        let answer = match &read.answer {
            // Nothing has ever been written.
            Ok(answer) if answer.status == 404 && !is_written => return,
            _ => self.judge_exchange(read),
        };
        let Some(answer) = answer else { return };
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let seen = body["data"]["data"]["value"].as_str().unwrap_or_default();
        if !self.known.own.iter().any(|own| own.trim_start_matches(LOST) == seen) {
            let text = format!("read {seen:?} where it may be {:?}", self.known.own);
            self.note(Kind::WrongValue, text);
        }
    }

    /// The answer, if it is none that refuses.
    fn judge_exchange<'a>(&mut self, exchange: &'a Exchange) -> Option<&'a Answer> {
        match &exchange.answer {
            Ok(answer) if answer.status < 300 => Some(answer),
            Ok(answer) => {
                self.note_refusal(answer.status, &answer.body);
                None
            }
            Err(error) => {
                self.note(Kind::Unexplained, format!("no answer of the local Vault API: {error}"));
                None
            }
        }
    }
}

/// Marks a text whose write failed: it may have come to Vault all the same, and late.
const LOST: &str = "?";

fn seconds(seconds: u64) -> Micros {
    seconds * 1_000_000
}

/// The number of the value in the file, if it is whole.
fn in_file(content: &str) -> Option<usize> {
    let content: Value = serde_json::from_str(content).ok()?;
    History::number(content[practice::SECRET_KEY].as_str()?)
}

/// The number of the value in an answer, if it is whole.
fn in_answer(body: &str) -> Option<usize> {
    let body: Value = serde_json::from_str(body).ok()?;
    History::number(body["data"]["data"][practice::SECRET_KEY].as_str()?)
}
