//! The database engine: a user and a password of their own for everybody who asks, leased.
//! <https://developer.hashicorp.com/vault/api-docs/secret/databases>
//!
//! There is no database behind it: what it is told of one is kept and never connected to, and
//! the users that it names exist nowhere. Static roles and the rotation of root it has not.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal, Secret, ignored, listed};
use super::leases::{Given, Leased, Terms};
use super::request::{ApiRequest, Operation, Params};
use crate::random;

/// The one plugin whose way of naming users is followed.
const PLUGIN: &str = "postgresql-database-plugin";
/// The longest name of a user in PostgreSQL.
const LONGEST_NAME: usize = 63;
const TYPE: &str = "database";

#[derive(Default)]
pub(super) struct Database {
    connections: BTreeMap<String, Connection>,
    roles: BTreeMap<String, Role>,
}

#[derive(Clone, Default)]
struct Connection {
    allowed_roles: Vec<String>,
    /// Everything else that was given, without the password, which nothing here uses.
    details: Map<String, Value>,
    rotation_statements: Vec<String>,
}

#[derive(Clone, Default)]
struct Role {
    connection: String,
    statements: BTreeMap<&'static str, Vec<String>>,
    terms: Terms,
}

/// Of a URL with a password in it. Vault then calls what goes to the database unrecognized, too.
const EXPOSED: &str = "Password found in connection_url, use a templated url to enable root rotation and prevent read access to password information.";
/// What a role may say to the database, and how.
const STATEMENTS: [&str; 4] =
    ["creation_statements", "renew_statements", "revocation_statements", "rollback_statements"];
/// Parameters of a connection that are not for the database.
const OWN: [&str; 6] = [
    "allowed_roles",
    "password_policy",
    "plugin_name",
    "plugin_version",
    "root_rotation_statements",
    "verify_connection",
];

impl Database {
    pub(super) fn exists(&self, path: &str) -> bool {
        match path.split_once('/') {
            Some(("config", name)) => self.connections.contains_key(name),
            Some(("roles", name)) => self.roles.contains_key(name),
            _ => true,
        }
    }

    /// Answers for a caller whose token bears `display_name`.
    pub(super) fn answer(
        &mut self,
        path: &str,
        request: &ApiRequest,
        display_name: &str,
        now: Timestamp,
    ) -> Result<Given, Refusal> {
        let (area, name) = path.split_once('/').unwrap_or((path, ""));
        let params = &request.params;
        Ok(match (area, request.operation) {
            ("config", Operation::List) => Answer::keys(TYPE, keys(&self.connections))?.into(),
            ("roles", Operation::List) => Answer::keys(TYPE, keys(&self.roles))?.into(),
            ("config" | "creds" | "roles", _) if name.is_empty() || name.contains('/') => {
                return Err(Refusal::unsupported_path());
            }
            ("config", Operation::Read) => {
                let connection = self.connections.get(name).ok_or_else(Refusal::not_found)?;
                Answer::data(TYPE, connection.document()).into()
            }
            ("config", Operation::Write) => {
                let connection = self.connections.get(name).cloned().unwrap_or_default();
                let (connection, answer) = connection.written(params)?;
                self.connections.insert(name.to_owned(), connection);
                answer.into()
            }
            ("config", Operation::Delete) => {
                self.connections.remove(name);
                Answer::NoContent.into()
            }
            ("roles", Operation::Read) => {
                let role = self.roles.get(name).ok_or_else(Refusal::not_found)?;
                Answer::data(TYPE, role.document()).into()
            }
            ("roles", Operation::Write) => {
                let role = self.roles.get(name).cloned().unwrap_or_default();
                self.roles.insert(name.to_owned(), role.written(params)?);
                Answer::NoContent.into()
            }
            ("roles", Operation::Delete) => {
                self.roles.remove(name);
                Answer::NoContent.into()
            }
            ("creds", Operation::Read) => Given::Leased(self.user(name, display_name, now)?),
            ("config" | "creds" | "roles", _) => return Err(Refusal::unsupported_operation()),
            _ => return Err(Refusal::unsupported_path()),
        })
    }

    fn user(&self, name: &str, display_name: &str, now: Timestamp) -> Result<Leased, Refusal> {
        let role = self.roles.get(name);
        let role = role.ok_or_else(|| Refusal::invalid(format!("unknown role: {name}")))?;
        let failed = |reason: String| {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, listed(&[reason.as_str()]))
        };
        let connection = self.connection(role).map_err(failed)?;
        if !connection.allows(name) {
            return Err(failed(format!("{name:?} is not an allowed role")));
        }
        let data = json!({
            "password": random::password(),
            "username": username(display_name, name, now),
        });
        Ok(Leased { data, mount_type: TYPE, renewable: true, terms: role.terms })
    }

    /// What holds for a user that was made at `path`, or why that cannot be said any more.
    pub(super) fn terms(&self, path: &str) -> Result<Terms, String> {
        let name = path.strip_prefix("creds/").unwrap_or_default();
        let role = self
            .roles
            .get(name)
            .ok_or_else(|| format!("error during renew: could not find role with name {name:?}"))?;
        self.connection(role).map(|_| role.terms)
    }

    fn connection(&self, role: &Role) -> Result<&Connection, String> {
        let name = &role.connection;
        let connection = self.connections.get(name);
        connection.ok_or_else(|| format!("failed to find entry for connection with name: {name:?}"))
    }
}

impl Connection {
    fn written(mut self, params: &Params) -> Result<(Self, Answer), Refusal> {
        let plugin = params.text("plugin_name")?.unwrap_or_default();
        if plugin.is_empty() && self.details.is_empty() {
            return Err(Refusal::invalid("empty plugin name"));
        }
        if !plugin.is_empty() && plugin != PLUGIN {
            let unknown = format!("plugin not found in the catalog: {plugin}");
            return Err(Refusal::invalid(format!(
                "error creating database object: invalid database version: {}",
                listed(&[unknown.as_str(), unknown.as_str()])
            )));
        }
        if let Some(allowed) = params.list("allowed_roles")? {
            self.allowed_roles = allowed;
        }
        if let Some(statements) = statements(params, "root_rotation_statements")? {
            self.rotation_statements = statements;
        }
        let others = params.fields().iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
        let kept = others.clone().filter(|(name, _)| *name != "password");
        self.details.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
        let url = params.text("connection_url")?.unwrap_or_default();
        if without_password(&url) == url {
            return Ok((self, Answer::NoContent));
        }
        let names: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
        let warnings = vec![EXPOSED.to_owned(), ignored(&names)];
        let answer = Secret { mount_type: TYPE, warnings, ..Secret::default() };
        Ok((self, Answer::Secret(Box::new(answer))))
    }

    /// A role by its name, by the beginning or the end of it, or any.
    fn allows(&self, role: &str) -> bool {
        self.allowed_roles.iter().any(|allowed| {
            match (allowed.strip_prefix('*'), allowed.strip_suffix('*')) {
                (Some(rest), None) => role.ends_with(rest),
                (None, Some(rest)) => role.starts_with(rest),
                (Some(_), Some(_)) => role.contains(allowed.trim_matches('*')),
                (None, None) => allowed == role,
            }
        })
    }

    fn document(&self) -> Value {
        let mut details = self.details.clone();
        if let Some(Value::String(url)) = details.get_mut("connection_url") {
            *url = without_password(url);
        }
        json!({
            "allowed_roles": self.allowed_roles,
            "connection_details": details,
            "password_policy": "",
            "plugin_name": PLUGIN,
            "plugin_version": "",
            "root_credentials_rotate_statements": self.rotation_statements,
        })
    }
}

impl Role {
    fn written(mut self, params: &Params) -> Result<Self, Refusal> {
        if let Some(connection) = params.text("db_name")? {
            self.connection = connection;
        }
        if self.connection.is_empty() {
            return Err(Refusal::invalid("database name is required"));
        }
        if params.text("credential_type")?.is_some_and(|kind| kind != "password") {
            return Err(Refusal::invalid("devvault makes passwords, no other type of credential"));
        }
        for name in STATEMENTS {
            if let Some(given) = statements(params, name)? {
                self.statements.insert(name, given);
            }
        }
        if let Some(seconds) = params.seconds("default_ttl")? {
            self.terms.ttl = seconds;
        }
        if let Some(seconds) = params.seconds("max_ttl")? {
            self.terms.max_ttl = seconds;
        }
        Ok(self)
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "credential_type": "password",
            "db_name": self.connection,
            "default_ttl": self.terms.ttl,
            "max_ttl": self.terms.max_ttl,
        });
        for name in STATEMENTS {
            document[name] = json!(self.statements.get(name).map_or(&[][..], Vec::as_slice));
        }
        document
    }
}

fn keys<T>(entries: &BTreeMap<String, T>) -> Vec<String> {
    entries.keys().cloned().collect()
}

/// A list of statements, or one; commas are part of it.
fn statements(params: &Params, name: &str) -> Result<Option<Vec<String>>, Refusal> {
    match params.value(name) {
        Some(Value::String(one)) => Ok(Some(vec![one.clone()])),
        _ => params.list(name),
    }
}

/// As PostgreSQL's plugin names a user: `v-<display name>-<role>-<random>-<seconds>`.
fn username(display_name: &str, role: &str, now: Timestamp) -> String {
    let short = |text: &str| text.chars().take(8).collect::<String>();
    let (who, role) = (short(display_name), short(role));
    let name = format!("v-{who}-{role}-{}-{}", random::alphanumeric(20), now.as_second());
    name.chars().take(LONGEST_NAME).collect()
}

/// A URL whose password, if it has one, is not shown.
fn without_password(url: &str) -> String {
    let shown = url.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        let (userinfo, _) = authority.rsplit_once('@')?;
        let (user, _) = userinfo.split_once(':')?;
        Some(format!("{scheme}://{user}:xxxxx{}", &rest[userinfo.len()..]))
    });
    shown.unwrap_or_else(|| url.to_owned())
}
