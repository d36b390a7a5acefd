//! The tokens that are alive: issue, look up, renew, revoke.
//! <https://developer.hashicorp.com/vault/docs/concepts/tokens>

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::ttl::{self, PastMaximum};
use super::{DEFAULT_TTL, timestamp};
use crate::random;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenKind {
    Batch,
    Service,
}

/// What a new token is to be.
pub(super) struct Grant {
    pub(super) display_name: String,
    pub(super) entity_id: String,
    /// Seconds; 0 is none.
    pub(super) explicit_max_ttl: i64,
    /// A token id that the caller chooses.
    pub(super) id: Option<SecretString>,
    pub(super) kind: TokenKind,
    /// Seconds; 0 is the system's maximum.
    pub(super) max_ttl: i64,
    pub(super) meta: Option<BTreeMap<String, String>>,
    /// 0 is without limit.
    pub(super) num_uses: i64,
    pub(super) parent: Option<SecretString>,
    pub(super) path: String,
    /// Seconds; a periodic token is renewed without end.
    pub(super) period: i64,
    pub(super) policies: Vec<String>,
    pub(super) renewable: bool,
    /// Seconds; 0 is the system's default.
    pub(super) ttl: i64,
}

pub(super) struct Token {
    pub(super) accessor: String,
    pub(super) creation_ttl: i64,
    pub(super) expires: Option<Timestamp>,
    pub(super) grant: Grant,
    pub(super) id: SecretString,
    pub(super) issued: Timestamp,
    last_renewal: Option<Timestamp>,
    /// 0 is without limit.
    uses_left: i64,
}

#[derive(Default)]
pub(super) struct Tokens {
    alive: HashMap<String, Token>,
}

impl Tokens {
    pub(super) fn insert_root(&mut self, id: SecretString, now: Timestamp) {
        let grant = Grant {
            display_name: "root".to_owned(),
            id: Some(id),
            path: "auth/token/root".to_owned(),
            policies: vec!["root".to_owned()],
            renewable: false,
            ..Grant::new(TokenKind::Service)
        };
        let mut token = Token::new(grant, 0, now);
        token.expires = None;
        self.insert(token);
    }

    /// Issues a token and returns its `auth` section with any warnings.
    pub(super) fn issue(&mut self, grant: Grant, now: Timestamp) -> (Value, Vec<String>) {
        let (asked, most) = (grant.initial_ttl(), grant.most());
        // A new one has all of its life before it.
        let (ttl, warnings) = ttl::granted(asked, most, now, now).unwrap_or_default();
        let token = Token::new(grant, ttl, now);
        let auth = token.auth(ttl);
        self.insert(token);
        (auth, warnings)
    }

    fn insert(&mut self, token: Token) {
        // The token itself is the key of the table, as it is what a request brings.
        self.alive.insert(token.id.expose_secret().to_owned(), token);
    }

    pub(super) fn contains(&self, id: &SecretString) -> bool {
        self.alive.contains_key(id.expose_secret())
    }

    pub(super) fn find(&self, id: &SecretString, now: Timestamp) -> Option<&Token> {
        self.alive.get(id.expose_secret()).filter(|token| self.lives(token, now))
    }

    /// Whether a token has not expired, and neither has any that it came from.
    fn lives(&self, token: &Token, now: Timestamp) -> bool {
        let parent = token.grant.parent.as_ref();
        token.is_alive(now) && parent.is_none_or(|parent| self.find(parent, now).is_some())
    }

    pub(super) fn by_accessor(&self, accessor: &str, now: Timestamp) -> Option<&Token> {
        let mut alive = self.alive.values();
        alive.find(|t| !accessor.is_empty() && t.accessor == accessor && self.lives(t, now))
    }

    pub(super) fn accessors(&self, now: Timestamp) -> Vec<String> {
        let alive = self.alive.values().filter(|token| self.lives(token, now));
        let mut accessors: Vec<String> =
            alive.map(|token| token.accessor.clone()).filter(|own| !own.is_empty()).collect();
        accessors.sort();
        accessors
    }

    /// Counts a use, and says whether that was the last one.
    pub(super) fn spend(&mut self, id: &SecretString) -> Spent {
        let Some(token) = self.alive.get_mut(id.expose_secret()) else { return Spent::Remaining };
        match token.uses_left {
            0 => Spent::Remaining,
            1 => {
                // As Vault shows a token during its last request.
                token.uses_left = -1;
                Spent::Last
            }
            more => {
                token.uses_left = more - 1;
                Spent::Remaining
            }
        }
    }

    /// Renews by `increment` seconds, or by the token's own TTL if that is 0.
    pub(super) fn renew(
        &mut self,
        id: &SecretString,
        increment: i64,
        now: Timestamp,
    ) -> Result<(Value, Vec<String>), Refusal> {
        let token = self.alive.get_mut(id.expose_secret());
        let token = token.ok_or_else(|| Refusal::invalid("token not found"))?;
        if token.grant.kind == TokenKind::Batch {
            return Err(Refusal::invalid("batch tokens cannot be renewed"));
        }
        if !token.grant.renewable || token.expires.is_none() {
            return Err(Refusal::invalid("lease is not renewable"));
        }
        let asked = match (token.grant.period, increment) {
            (0, 0) => token.grant.initial_ttl(),
            (0, increment) => increment,
            (period, _) => period,
        };
        let granted = ttl::granted(asked, token.grant.most(), token.issued, now);
        let (ttl, warnings) = granted.map_err(|_| Refusal::invalid(PastMaximum::MESSAGE))?;
        token.expires = Some(ttl::after(now, ttl));
        token.last_renewal = Some(now);
        Ok((token.auth(ttl), warnings))
    }

    /// Ends a token and everything that was issued with it.
    pub(super) fn revoke(&mut self, id: &SecretString) {
        let mut ended = vec![id.expose_secret().to_owned()];
        while let Some(id) = ended.pop() {
            self.alive.remove(&id);
            let children = self.alive.iter().filter(|(_, token)| {
                token.grant.parent.as_ref().is_some_and(|parent| parent.expose_secret() == id)
            });
            ended.extend(children.map(|(id, _)| id.clone()));
        }
    }

    pub(super) fn revoke_all_of(&mut self, path: &str) {
        self.alive.retain(|_, token| !token.grant.path.starts_with(path));
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Spent {
    Last,
    Remaining,
}

impl Grant {
    pub(super) fn new(kind: TokenKind) -> Self {
        Self {
            display_name: "token".to_owned(),
            entity_id: String::new(),
            explicit_max_ttl: 0,
            id: None,
            kind,
            max_ttl: 0,
            meta: None,
            num_uses: 0,
            parent: None,
            path: "auth/token/create".to_owned(),
            period: 0,
            policies: Vec::new(),
            renewable: kind == TokenKind::Service,
            ttl: 0,
        }
    }

    fn initial_ttl(&self) -> i64 {
        match (self.period, self.ttl) {
            (0, 0) => DEFAULT_TTL,
            (0, ttl) => ttl,
            (period, _) => period,
        }
    }

    /// The longest life in seconds.
    fn most(&self) -> i64 {
        let own = [self.max_ttl, self.explicit_max_ttl].into_iter().filter(|limit| *limit > 0);
        let system = if self.period > 0 { i64::MAX } else { DEFAULT_TTL };
        own.min().unwrap_or(system).min(system)
    }
}

impl Token {
    fn new(mut grant: Grant, ttl: i64, now: Timestamp) -> Self {
        let (prefix, accessor) = match grant.kind {
            TokenKind::Batch => ("hvb.", String::new()),
            TokenKind::Service => ("hvs.", random::accessor()),
        };
        let id = grant.id.take().unwrap_or_else(|| random::token(prefix).into());
        Self {
            accessor,
            creation_ttl: ttl,
            expires: Some(ttl::after(now, ttl)),
            id,
            issued: now,
            last_renewal: None,
            uses_left: grant.num_uses,
            grant,
        }
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    pub(super) fn is_root(&self) -> bool {
        self.grant.policies.iter().any(|policy| policy == "root")
    }

    fn kind(&self) -> &'static str {
        match self.grant.kind {
            TokenKind::Batch => "batch",
            TokenKind::Service => "service",
        }
    }

    fn is_renewable(&self) -> bool {
        self.grant.renewable && self.expires.is_some()
    }

    fn auth(&self, lease: i64) -> Value {
        // The answer to a login or a creation: here a token leaves the server.
        json!({
            "client_token": self.id.expose_secret(),
            "accessor": self.accessor,
            "policies": self.grant.policies,
            "token_policies": self.grant.policies,
            "metadata": self.grant.meta,
            "lease_duration": lease,
            "renewable": self.is_renewable(),
            "entity_id": self.grant.entity_id,
            "token_type": self.kind(),
            "orphan": self.grant.parent.is_none(),
            "mfa_requirement": null,
            "num_uses": self.uses_left.max(0),
        })
    }

    /// The answer to a lookup; one by accessor keeps the token itself back.
    pub(super) fn document(&self, shown: IdShown, now: Timestamp) -> Value {
        let ttl = self.expires.map_or(0, |expires| expires.duration_since(now).as_secs().max(0));
        let id = match shown {
            IdShown::Hidden => "",
            IdShown::Plain => self.id.expose_secret(),
        };
        let mut document = json!({
            "accessor": self.accessor,
            "creation_time": self.issued.as_second(),
            "creation_ttl": self.creation_ttl,
            "display_name": self.grant.display_name,
            "entity_id": self.grant.entity_id,
            "expire_time": self.expires.map(timestamp),
            "explicit_max_ttl": self.grant.explicit_max_ttl,
            "id": id,
            "issue_time": timestamp(self.issued),
            "meta": self.grant.meta,
            "num_uses": self.uses_left,
            "orphan": self.grant.parent.is_none(),
            "path": self.grant.path,
            "policies": self.grant.policies,
            "renewable": self.is_renewable(),
            "ttl": ttl,
            "type": self.kind(),
        });
        if let Some(renewed) = self.last_renewal {
            document["last_renewal"] = timestamp(renewed).into();
            document["last_renewal_time"] = renewed.as_second().into();
        }
        if self.grant.period > 0 {
            document["period"] = self.grant.period.into();
        }
        document
    }
}

#[derive(Clone, Copy)]
pub(super) enum IdShown {
    Hidden,
    Plain,
}
