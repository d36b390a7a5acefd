//! The leases of secrets that were made for one reader, and `sys/leases/*`.
//! <https://developer.hashicorp.com/vault/docs/concepts/lease>
//!
//! The leases that Vault keeps of tokens are not here: tokens end by themselves.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal, Secret};
use super::kv1::list;
use super::mounts::{Engine, Mounts};
use super::request::{ApiRequest, Operation, Params};
use super::tokens::{TokenKind, Tokens};
use super::ttl::{self, PastMaximum};
use super::{DEFAULT_TTL, State, timestamp};
use crate::random;

/// How long a secret may be used, in seconds; 0 is the system's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    pub(super) max_ttl: i64,
    pub(super) ttl: i64,
}

/// A secret that was made for the one who asked, and that ends with its lease.
pub(super) struct Leased {
    pub(super) data: Value,
    pub(super) mount_type: &'static str,
    pub(super) renewable: bool,
    pub(super) terms: Terms,
}

/// What an engine gives: an answer, or a secret that is still to be leased.
pub(super) enum Given {
    Answer(Answer),
    Leased(Leased),
}

impl From<Answer> for Given {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

struct Lease {
    expires: Timestamp,
    issued: Timestamp,
    last_renewal: Option<Timestamp>,
    /// The token that asked; with it the lease ends.
    owner: SecretString,
    renewable: bool,
}

/// By identifier, which begins with the path that was asked.
#[derive(Default)]
pub(super) struct Leases(BTreeMap<String, Lease>);

impl Leases {
    /// Leases what an engine gave for a request of `path` by the holder of `owner`.
    pub(super) fn grant(
        &mut self,
        given: Given,
        path: &str,
        owner: &SecretString,
        tokens: &Tokens,
        now: Timestamp,
    ) -> Answer {
        let leased = match given {
            Given::Answer(answer) => return answer,
            Given::Leased(leased) => leased,
        };
        // A new one has all of its life before it.
        let (ttl, warnings) = leased.terms.granted(0, now, now).unwrap_or_default();
        let lease = Lease {
            expires: constrained(ttl::after(now, ttl), owner, tokens, now),
            issued: now,
            last_renewal: None,
            owner: owner.clone(),
            renewable: leased.renewable,
        };
        let id = format!("{path}/{}", random::accessor());
        let secret = Secret {
            data: Some(leased.data),
            lease_duration: lease.expires.duration_since(now).as_secs(),
            lease_id: id.clone(),
            mount_type: leased.mount_type,
            renewable: leased.renewable,
            warnings,
            ..Secret::default()
        };
        self.0.insert(id, lease);
        Answer::Secret(Box::new(secret))
    }

    /// The identifiers of those that have not ended.
    pub(super) fn alive(&self, tokens: &Tokens, now: Timestamp) -> Vec<String> {
        let alive = self.0.iter().filter(|(_, lease)| lease.is_alive(tokens, now));
        alive.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn revoke_below(&mut self, prefix: &str) {
        self.0.retain(|id, _| !id.starts_with(prefix));
    }

    fn find(&mut self, id: &str, tokens: &Tokens, now: Timestamp) -> Option<&mut Lease> {
        self.0.get_mut(id).filter(|lease| lease.is_alive(tokens, now))
    }

    fn renew(
        &mut self,
        id: &str,
        increment: i64,
        mounts: &mut Mounts<Engine>,
        tokens: &Tokens,
        now: Timestamp,
    ) -> Outcome {
        let lease = self.find(id, tokens, now);
        let lease = lease.ok_or_else(|| Refusal::invalid("lease not found"))?;
        if !lease.renewable {
            return Err(Refusal::invalid("lease is not renewable"));
        }
        // The engine's word counts as it is now, not as it was when the secret was made.
        let terms = terms(mounts, id).map_err(|reason| cannot_renew(&reason))?;
        let granted = terms.granted(increment, lease.issued, now);
        let (ttl, warnings) = granted.map_err(|_| cannot_renew(PastMaximum::MESSAGE))?;
        lease.expires = constrained(ttl::after(now, ttl), &lease.owner, tokens, now);
        lease.last_renewal = Some(now);
        Ok(Answer::Secret(Box::new(Secret {
            lease_duration: lease.expires.duration_since(now).as_secs(),
            lease_id: id.to_owned(),
            mount_type: "system",
            renewable: true,
            warnings,
            ..Secret::default()
        })))
    }
}

impl Terms {
    /// The seconds of `increment`, or of the engine if that is 0, as far as the maximum allows.
    fn granted(
        self,
        increment: i64,
        issued: Timestamp,
        now: Timestamp,
    ) -> Result<(i64, Vec<String>), PastMaximum> {
        let wanted = [increment, self.ttl].into_iter().find(|seconds| *seconds > 0);
        let most = if self.max_ttl > 0 { self.max_ttl.min(DEFAULT_TTL) } else { DEFAULT_TTL };
        ttl::granted(wanted.unwrap_or(DEFAULT_TTL), most, issued, now)
    }
}

impl Lease {
    fn is_alive(&self, tokens: &Tokens, now: Timestamp) -> bool {
        now < self.expires && tokens.find(&self.owner, now).is_some()
    }

    fn document(&self, id: &str, now: Timestamp) -> Value {
        // As Vault does: the present moment rounded to a second, the end as it is.
        let half = SignedDuration::from_millis(500);
        let rounded = now.saturating_add(half).unwrap_or(now).as_second();
        let rounded = Timestamp::from_second(rounded).unwrap_or(now);
        json!({
            "expire_time": timestamp(self.expires),
            "id": id,
            "issue_time": timestamp(self.issued),
            "last_renewal": self.last_renewal.map(timestamp),
            "renewable": self.renewable,
            "ttl": self.expires.duration_since(rounded).as_secs(),
        })
    }
}

/// A batch token is no parent that could revoke anything, so its leases end no later than it.
/// <https://developer.hashicorp.com/vault/docs/concepts/tokens#batch-tokens>
fn constrained(
    expires: Timestamp,
    owner: &SecretString,
    tokens: &Tokens,
    now: Timestamp,
) -> Timestamp {
    let batch = tokens.find(owner, now).filter(|token| token.grant.kind == TokenKind::Batch);
    batch.and_then(|token| token.expires).map_or(expires, |end| expires.min(end))
}

/// What the engine that made a lease says of it now.
fn terms(mounts: &mut Mounts<Engine>, id: &str) -> Result<Terms, String> {
    let (path, _) = id.rsplit_once('/').unwrap_or((id, ""));
    match mounts.route(path) {
        Some((mount, below)) => match &mount.engine {
            Engine::Database(database) => database.terms(below),
            _ => Ok(Terms::default()),
        },
        None => Ok(Terms::default()),
    }
}

fn cannot_renew(reason: &str) -> Refusal {
    Refusal::invalid(format!("failed to renew entry: resp: (*logical.Response)(nil) err: {reason}"))
}

/// Answers `sys/leases/<path>` for a permitted caller; `sys/renew` and `sys/revoke` are its older names.
pub(super) fn answer(
    state: &mut State,
    path: &str,
    request: &ApiRequest,
    now: Timestamp,
) -> Outcome {
    let State { leases, mounts, tokens, .. } = state;
    let (action, rest) = path.split_once('/').unwrap_or((path, ""));
    match (action, request.operation) {
        ("renew", Operation::Write) => {
            let increment = request.params.seconds("increment")?.unwrap_or(0);
            leases.renew(&named(rest, &request.params)?, increment, mounts, tokens, now)
        }
        ("revoke", Operation::Write) => {
            leases.0.remove(&named(rest, &request.params)?);
            Ok(Answer::NoContent)
        }
        ("revoke-prefix", Operation::Write) if !rest.is_empty() => {
            leases.revoke_below(&format!("{}/", rest.trim_end_matches('/')));
            Ok(Answer::NoContent)
        }
        ("lookup", Operation::Write) => {
            let id = named(rest, &request.params)?;
            let lease = leases.find(&id, tokens, now);
            let lease = lease.ok_or_else(|| Refusal::invalid("invalid lease"))?;
            Ok(Answer::data("system", lease.document(&id, now)))
        }
        ("lookup", Operation::List) if rest.is_empty() || rest.starts_with("auth/") => {
            Err(Refusal::invalid("devvault does not list the leases of tokens"))
        }
        ("lookup", Operation::List) => {
            Answer::keys("system", list(leases.alive(tokens, now).iter(), rest))
        }
        ("renew" | "revoke" | "revoke-prefix" | "lookup", _) => {
            Err(Refusal::unsupported_operation())
        }
        _ => Err(Refusal::unsupported_path()),
    }
}

/// The lease that the path or the body names.
fn named(rest: &str, params: &Params) -> Result<String, Refusal> {
    let given = params.text("lease_id")?.filter(|id| !id.is_empty());
    let id = given.or_else(|| (!rest.is_empty()).then(|| rest.to_owned()));
    id.ok_or_else(|| Refusal::invalid("lease_id must be specified"))
}
