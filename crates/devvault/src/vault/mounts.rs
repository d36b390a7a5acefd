//! The secrets engines and auth methods, each at a path that ends in a slash.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::aws_auth::AwsAuth;
use super::database::Database;
use super::kv1::Kv1;
use super::kv2::Kv2;
use super::request::Params;
use super::ssh::Ssh;
use crate::random;

pub(super) struct Mount<E> {
    accessor: String,
    description: String,
    pub(super) engine: E,
    uuid: String,
}

pub(super) enum Engine {
    Database(Database),
    Kv1(Kv1),
    Kv2(Kv2),
    Ssh(Ssh),
    System,
}

pub(super) enum Auth {
    Aws(AwsAuth),
    Token,
}

/// The mounts of one kind, by path.
pub(super) struct Mounts<E>(BTreeMap<String, Mount<E>>);

/// What the two kinds of mount have in common.
pub(super) trait Kind: Sized {
    /// Makes what the parameters of `sys/mounts/<path>` or `sys/auth/<path>` ask for.
    fn from_params(params: &Params) -> Result<Self, Refusal>;
    fn name(&self) -> &'static str;
    fn options(&self) -> Value;
    fn is_built_in(&self) -> bool;
    fn config(&self) -> Value;
}

impl Kind for Engine {
    fn from_params(params: &Params) -> Result<Self, Refusal> {
        let options = match params.value("options") {
            Some(Value::Object(options)) => Params::from_map(options.clone()),
            _ => Params::default(),
        };
        let version = options.text("version")?;
        match (params.text("type")?.as_deref(), version.as_deref()) {
            (Some("kv"), Some("2")) | (Some("kv-v2"), _) => Ok(Self::Kv2(Kv2::default())),
            (Some("kv" | "kv-v1"), None | Some("" | "1")) => Ok(Self::Kv1(Kv1::default())),
            (Some("database"), _) => Ok(Self::Database(Database::default())),
            (Some("ssh"), _) => Ok(Self::Ssh(Ssh::default())),
            (Some("kv"), Some(_)) => Err(Refusal::invalid("unsupported key-value version")),
            (given, _) => Err(unknown_type(given)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Database(_) => "database",
            Self::Kv1(_) | Self::Kv2(_) => "kv",
            Self::Ssh(_) => "ssh",
            Self::System => "system",
        }
    }

    fn options(&self) -> Value {
        match self {
            Self::Database(_) | Self::Kv1(_) | Self::Ssh(_) => json!({}),
            Self::Kv2(_) => json!({ "version": "2" }),
            Self::System => Value::Null,
        }
    }

    fn is_built_in(&self) -> bool {
        matches!(self, Self::System)
    }

    fn config(&self) -> Value {
        json!({ "default_lease_ttl": 0, "force_no_cache": false, "max_lease_ttl": 0 })
    }
}

impl Kind for Auth {
    fn from_params(params: &Params) -> Result<Self, Refusal> {
        match params.text("type")?.as_deref() {
            Some("aws") => Ok(Self::Aws(AwsAuth::default())),
            given => Err(unknown_type(given)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Aws(_) => "aws",
            Self::Token => "token",
        }
    }

    fn options(&self) -> Value {
        match self {
            Self::Aws(_) => json!({}),
            Self::Token => Value::Null,
        }
    }

    fn is_built_in(&self) -> bool {
        matches!(self, Self::Token)
    }

    fn config(&self) -> Value {
        json!({
            "default_lease_ttl": 0,
            "force_no_cache": false,
            "max_lease_ttl": 0,
            "token_type": "default-service",
        })
    }
}

fn unknown_type(given: Option<&str>) -> Refusal {
    match given.unwrap_or("") {
        "" => Refusal::invalid("backend type must be specified as a string"),
        name => Refusal::invalid(format!("plugin not found in the catalog: {name}")),
    }
}

impl<E: Kind> Mounts<E> {
    pub(super) fn with(path: &str, engine: E) -> Self {
        Self([(path.to_owned(), Mount::new(engine, String::new()))].into())
    }

    pub(super) fn create(&mut self, path: &str, params: &Params) -> Result<(), Refusal> {
        let path = with_slash(path);
        if let Some(taken) =
            self.0.keys().find(|taken| path.starts_with(*taken) || taken.starts_with(&path))
        {
            return Err(Refusal::invalid(format!("path is already in use at {taken}")));
        }
        let engine = E::from_params(params)?;
        let description = params.text("description")?.unwrap_or_default();
        self.0.insert(path, Mount::new(engine, description));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<(), Refusal> {
        let path = with_slash(path);
        if self.0.get(&path).is_some_and(|mount| mount.engine.is_built_in()) {
            return Err(Refusal::invalid(format!("cannot unmount {path:?}")));
        }
        self.0.remove(&path);
        Ok(())
    }

    /// The mount that a path lies in or names, and the rest of the path below it.
    pub(super) fn route<'p>(&mut self, path: &'p str) -> Option<(&mut Mount<E>, &'p str)> {
        let is_named = |at: &str| at.strip_suffix('/') == Some(path);
        let mut mounts = self.0.iter_mut().rev();
        let (at, mount) = mounts.find(|(at, _)| path.starts_with(at.as_str()) || is_named(at))?;
        Some((mount, path.get(at.len()..).unwrap_or_default()))
    }

    /// The mount that a path names or lies in, slash or none.
    pub(super) fn containing(&self, path: &str) -> Option<(&str, &Mount<E>)> {
        let path = with_slash(path);
        let mut mounts = self.0.iter().rev();
        mounts.find(|(at, _)| path.starts_with(at.as_str())).map(|(at, mount)| (at.as_str(), mount))
    }

    pub(super) fn at(&self, path: &str) -> Option<&Mount<E>> {
        self.0.get(&with_slash(path))
    }

    /// The listing of `sys/mounts`, of those that `visible` lets through.
    pub(super) fn document(&self, visible: impl Fn(&str) -> bool) -> Value {
        let shown = self.0.iter().filter(|(path, _)| visible(path));
        Value::Object(shown.map(|(path, mount)| (path.clone(), mount.document())).collect())
    }
}

impl<E: Kind> Mount<E> {
    fn new(engine: E, description: String) -> Self {
        let accessor = format!("{}_{}", engine.name(), random::short_id());
        Self { accessor, description, engine, uuid: random::uuid() }
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "accessor": self.accessor,
            "config": self.engine.config(),
            "description": self.description,
            "external_entropy_access": false,
            "local": false,
            "options": self.engine.options(),
            "plugin_version": "",
            "running_plugin_version": "",
            "running_sha256": "",
            "seal_wrap": false,
            "type": self.engine.name(),
            "uuid": self.uuid,
        })
    }

    pub(super) fn document_at(&self, path: &str) -> Value {
        let mut document = self.document();
        document["path"] = path.into();
        document
    }
}

fn with_slash(path: &str) -> String {
    format!("{}/", path.trim_matches('/'))
}

/// The fields of a document that has several parts.
pub(super) fn object(parts: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let fields = parts.into_iter().map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect::<Map<_, _>>())
}
