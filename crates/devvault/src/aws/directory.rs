//! The users, roles, keys and sessions of one AWS account.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::policy::{self, Asking, Document, Trust, Verdict};
use super::sigv4::{self, Credentials};
use crate::random;

pub(super) struct Directory {
    pub(super) account: String,
    keys: HashMap<String, Key>,
    roles: BTreeMap<String, Role>,
    users: BTreeMap<String, User>,
}

struct User {
    created: Timestamp,
    id: String,
    policies: BTreeMap<String, Document>,
}

struct Role {
    created: Timestamp,
    id: String,
    policies: BTreeMap<String, Document>,
    trust: Document,
    trust_text: String,
}

struct Key {
    expires: Option<Timestamp>,
    principal: Principal,
    secret: SecretString,
    token: Option<SecretString>,
}

/// Who holds a key.
#[derive(Clone, Debug)]
pub(super) enum Principal {
    Session { name: String, role: String },
    User(String),
}

/// A role or a user, as IAM describes it.
pub(super) struct Described {
    pub(super) arn: String,
    pub(super) created: Timestamp,
    pub(super) id: String,
    pub(super) name: String,
    /// Of a role: its trust policy.
    pub(super) trust: Option<String>,
}

/// A key that has been found, with what verifies a request made with it.
pub(super) struct KeyHeld {
    pub(super) is_expired: bool,
    pub(super) principal: Principal,
    pub(super) secret: SecretString,
    token: Option<SecretString>,
}

impl KeyHeld {
    /// A session's request must carry the session's token, and a user's none.
    pub(super) fn token_is(&self, given: Option<&str>) -> bool {
        self.token.as_ref().map(|token| token.expose_secret()) == given
    }
}

impl Directory {
    pub(super) fn new(account: String) -> Self {
        Self { account, keys: HashMap::new(), roles: BTreeMap::new(), users: BTreeMap::new() }
    }

    pub(super) fn create_user(&mut self, name: &str, now: Timestamp) {
        let user = User { created: now, id: random::aws_id("AIDA"), policies: BTreeMap::new() };
        self.users.insert(name.to_owned(), user);
    }

    pub(super) fn create_role(
        &mut self,
        name: &str,
        trust: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let role = Role {
            created: now,
            id: random::aws_id("AROA"),
            policies: BTreeMap::new(),
            trust: Document::parse(trust)?,
            trust_text: trust.to_owned(),
        };
        self.roles.insert(name.to_owned(), role);
        Ok(())
    }

    pub(super) fn delete_role(&mut self, name: &str) {
        self.roles.remove(name);
    }

    /// The inline policies of a user; `None` if there is no such user.
    pub(super) fn user_policies(&mut self, name: &str) -> Option<&mut BTreeMap<String, Document>> {
        self.users.get_mut(name).map(|user| &mut user.policies)
    }

    pub(super) fn role_policies(&mut self, name: &str) -> Option<&mut BTreeMap<String, Document>> {
        self.roles.get_mut(name).map(|role| &mut role.policies)
    }

    pub(super) fn create_access_key(&mut self, user: &str) -> Option<Credentials> {
        self.users.get(user)?;
        Some(self.insert_key("AKIA", Principal::User(user.to_owned()), None))
    }

    pub(super) fn delete_access_key(&mut self, id: &str) {
        self.keys.remove(id);
    }

    /// Keys of a session of an existing role, with no question of trust.
    pub(super) fn open_session(
        &mut self,
        role: &str,
        name: &str,
        seconds: i64,
        now: Timestamp,
    ) -> (Credentials, Timestamp) {
        let until =
            now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        let principal = Principal::Session { name: name.to_owned(), role: role.to_owned() };
        (self.insert_key("ASIA", principal, Some(until)), until)
    }

    fn insert_key(
        &mut self,
        prefix: &str,
        principal: Principal,
        expires: Option<Timestamp>,
    ) -> Credentials {
        let credentials = Credentials {
            access_key_id: random::aws_id(prefix),
            secret_access_key: random::secret(40),
            session_token: expires.map(|_| sigv4::session_token()),
        };
        let key = Key {
            expires,
            principal,
            secret: credentials.secret_access_key.clone(),
            token: credentials.session_token.clone(),
        };
        self.keys.insert(credentials.access_key_id.clone(), key);
        credentials
    }

    pub(super) fn key(&self, id: &str, now: Timestamp) -> Option<KeyHeld> {
        let key = self.keys.get(id)?;
        Some(KeyHeld {
            is_expired: key.expires.is_some_and(|expires| expires <= now),
            principal: key.principal.clone(),
            secret: key.secret.clone(),
            token: key.token.clone(),
        })
    }

    pub(super) fn role(&self, name: &str) -> Option<Described> {
        let role = self.roles.get(name)?;
        Some(Described {
            arn: self.role_arn(name),
            created: role.created,
            id: role.id.clone(),
            name: name.to_owned(),
            trust: Some(role.trust_text.clone()),
        })
    }

    pub(super) fn user(&self, name: &str) -> Option<Described> {
        let user = self.users.get(name)?;
        Some(Described {
            arn: self.user_arn(name),
            created: user.created,
            id: user.id.clone(),
            name: name.to_owned(),
            trust: None,
        })
    }

    /// The ARN that `GetCallerIdentity` reports, and its unique id.
    pub(super) fn identity(&self, principal: &Principal) -> (String, String) {
        match principal {
            Principal::User(name) => {
                let id = self.users.get(name).map_or("", |user| &user.id);
                (self.user_arn(name), id.to_owned())
            }
            Principal::Session { name, role } => {
                let id = self.roles.get(role).map_or("", |role| &role.id);
                let account = &self.account;
                (
                    format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
                    format!("{id}:{name}"),
                )
            }
        }
    }

    /// Whether the inline policies of `principal` let it do this.
    pub(super) fn allows(&self, principal: &Principal, action: &str, resource: &str) -> bool {
        self.verdict(principal, action, resource) == Verdict::Allowed
    }

    fn verdict(&self, principal: &Principal, action: &str, resource: &str) -> Verdict {
        let policies = match principal {
            Principal::User(name) => self.users.get(name).map(|user| &user.policies),
            Principal::Session { role, .. } => self.roles.get(role).map(|role| &role.policies),
        };
        policy::decide(policies.into_iter().flat_map(BTreeMap::values), action, resource)
    }

    /// Whether `principal` may assume the role: the trust policy, then, if it leaves that
    /// to the account, the principal's own; a denial there always counts.
    pub(super) fn may_assume(
        &self,
        principal: &Principal,
        role: &str,
        external_id: Option<&str>,
    ) -> bool {
        let Some(found) = self.roles.get(role) else { return false };
        let mut arns = vec![self.identity(principal).0];
        if let Principal::Session { role, .. } = principal {
            arns.push(self.role_arn(role));
        }
        let asking = Asking::Caller { account: &self.account, arns: &arns };
        let own = self.verdict(principal, "sts:AssumeRole", &self.role_arn(role));
        match found.trust.trust(&asking, external_id) {
            Trust::Direct => own != Verdict::Denied,
            Trust::IfAccountAllows => own == Verdict::Allowed,
            Trust::Refused => false,
        }
    }

    pub(super) fn service_may_assume(&self, service: &str, role: &str) -> bool {
        let trust = self.roles.get(role).map(|role| &role.trust);
        trust.is_some_and(|trust| trust.trust(&Asking::Service(service), None) == Trust::Direct)
    }

    pub(super) fn role_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:role/{name}", self.account)
    }

    pub(super) fn user_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:user/{name}", self.account)
    }
}
