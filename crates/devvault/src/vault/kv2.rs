//! The second version of the key-value engine: secrets with versions, soft deletion and check-and-set.
//! <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refusal, Secret as Envelope};
use super::kv1::list;
use super::request::{ApiRequest, Operation, Params};
use super::{duration, timestamp};

/// Versions kept when neither the mount nor the secret says how many.
const DEFAULT_MAX_VERSIONS: u64 = 10;

#[derive(Default)]
pub(super) struct Kv2 {
    settings: Settings,
    secrets: BTreeMap<String, Secret>,
}

/// What may be set for a mount and, stricter, for one secret.
#[derive(Clone, Copy, Default)]
struct Settings {
    cas_required: bool,
    delete_version_after: i64,
    max_versions: u64,
}

struct Secret {
    created: Timestamp,
    custom_metadata: Option<Map<String, Value>>,
    settings: Settings,
    updated: Timestamp,
    versions: BTreeMap<u64, Version>,
}

struct Version {
    created: Timestamp,
    /// A moment ahead is a deletion that `delete_version_after` has planned.
    deleted: Option<Timestamp>,
    destroyed: bool,
    fields: Option<Map<String, Value>>,
}

impl Kv2 {
    pub(super) fn exists(&self, path: &str) -> bool {
        let below = path.split_once('/').map_or("", |(_, below)| below);
        match path.split('/').next() {
            Some("data" | "metadata") => self.secrets.contains_key(below),
            // The rest only ever changes what is there.
            _ => true,
        }
    }

    pub(super) fn answer(&mut self, path: &str, request: &ApiRequest, now: Timestamp) -> Outcome {
        let (area, name) = path.split_once('/').unwrap_or((path, ""));
        let params = &request.params;
        match (area, request.operation) {
            ("config", Operation::Read) if name.is_empty() => {
                Ok(Answer::data("kv", self.settings.document()))
            }
            ("config", Operation::Write) if name.is_empty() => {
                self.settings.update(params)?;
                Ok(Answer::NoContent)
            }
            ("metadata", Operation::List) => Answer::keys("kv", list(self.secrets.keys(), name)),
            ("data" | "delete" | "destroy" | "metadata" | "undelete", operation)
                if !name.is_empty() =>
            {
                self.secret(area, name, operation, params, now)
            }
            (_, operation) => Ok(misdirected(operation)),
        }
    }

    fn secret(
        &mut self,
        area: &str,
        name: &str,
        operation: Operation,
        params: &Params,
        now: Timestamp,
    ) -> Outcome {
        match (area, operation) {
            ("data", Operation::Read) => self.read(name, params, now),
            ("data", Operation::Write) => self.write(name, params, now),
            ("data", Operation::Delete) => {
                Ok(self.change(name, &[self.current(name)], |version| version.delete(now)))
            }
            ("delete", Operation::Write) => {
                Ok(self.change(name, &versions(params)?, |version| version.delete(now)))
            }
            ("undelete", Operation::Write) => {
                Ok(self.change(name, &versions(params)?, Version::undelete))
            }
            ("destroy", Operation::Write) => {
                Ok(self.change(name, &versions(params)?, Version::destroy))
            }
            ("metadata", Operation::Read) => {
                let secret = self.secrets.get(name).ok_or_else(Refusal::not_found)?;
                Ok(Answer::data("kv", secret.metadata()))
            }
            ("metadata", Operation::Write) => self.write_metadata(name, params, now),
            ("metadata", Operation::Delete) => {
                self.secrets.remove(name);
                Ok(Answer::NoContent)
            }
            _ => Err(Refusal::unsupported_operation()),
        }
    }

    fn current(&self, name: &str) -> u64 {
        self.secrets.get(name).map_or(0, Secret::current)
    }

    fn read(&self, name: &str, params: &Params, now: Timestamp) -> Outcome {
        let secret = self.secrets.get(name).ok_or_else(Refusal::not_found)?;
        // No number, 0 and less than 0 are the current version.
        let given = params.text("version")?.is_some_and(|text| !text.is_empty());
        let pinned = if given { params.integer("version")?.unwrap_or(0) } else { 0 };
        let wanted = match u64::try_from(pinned) {
            Ok(0) | Err(_) => secret.current(),
            Ok(wanted) => wanted,
        };
        let version = secret.versions.get(&wanted).ok_or_else(Refusal::not_found)?;
        let gone = version.is_gone(now);
        let fields = version.fields.clone().filter(|_| !gone).map(Value::Object);
        let metadata = version.document(Some((wanted, secret.custom_metadata.as_ref())));
        Ok(Answer::Secret(Box::new(Envelope {
            data: Some(json!({ "data": fields, "metadata": metadata })),
            mount_type: "kv",
            status: if gone { StatusCode::NOT_FOUND } else { StatusCode::OK },
            ..Envelope::default()
        })))
    }

    fn write(&mut self, name: &str, params: &Params, now: Timestamp) -> Outcome {
        let fields = match params.value("data") {
            Some(Value::Object(fields)) => through_floats(fields),
            Some(_) => return Err(Refusal::invalid("data field must be an object")),
            None => return Err(Refusal::invalid("no data provided")),
        };
        let options = match params.value("options") {
            Some(Value::Object(options)) => Params::from_map(options.clone()),
            _ => Params::default(),
        };
        let own = self.secrets.get(name).map(|secret| secret.settings).unwrap_or_default();
        let settings = own.within(self.settings);
        let expected = options.integer("cas")?;
        if expected.is_none() && settings.cas_required {
            return Err(Refusal::invalid("check-and-set parameter required for this call"));
        }
        let current = self.current(name);
        if expected.is_some_and(|expected| u64::try_from(expected) != Ok(current)) {
            return Err(Refusal::invalid(
                "check-and-set parameter did not match the current version",
            ));
        }
        let version = Version::new(fields, settings, now);
        let secret = self.secrets.entry(name.to_owned()).or_insert_with(|| Secret::new(now));
        secret.updated = now;
        secret.versions.insert(current + 1, version);
        secret.prune(settings.max_versions);
        let written = &secret.versions[&(current + 1)];
        let document = written.document(Some((current + 1, secret.custom_metadata.as_ref())));
        Ok(Answer::data("kv", document))
    }

    fn change(&mut self, name: &str, which: &[u64], with: impl Fn(&mut Version)) -> Answer {
        let Some(secret) = self.secrets.get_mut(name) else { return Answer::NoContent };
        for (number, version) in &mut secret.versions {
            if which.contains(number) {
                with(version);
            }
        }
        Answer::NoContent
    }

    fn write_metadata(&mut self, name: &str, params: &Params, now: Timestamp) -> Outcome {
        let custom = match params.value("custom_metadata") {
            Some(Value::Object(fields)) => Some(fields.clone()),
            Some(_) => return Err(Refusal::invalid("custom_metadata must be an object")),
            None => None,
        };
        let secret = self.secrets.entry(name.to_owned()).or_insert_with(|| Secret::new(now));
        secret.settings.update(params)?;
        if custom.is_some() {
            secret.custom_metadata = custom;
        }
        Ok(Answer::NoContent)
    }
}

/// The real engine keeps JSON numbers as 64-bit floats and writes them as Go does.
fn through_floats(fields: &Map<String, Value>) -> Map<String, Value> {
    fields.iter().map(|(name, value)| (name.clone(), through_float(value))).collect()
}

fn through_float(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(through_float).collect()),
        Value::Number(number) => {
            let written = number.as_f64().map(go_float).and_then(|text| text.parse().ok());
            Value::Number(written.unwrap_or_else(|| number.clone()))
        }
        Value::Object(fields) => Value::Object(through_floats(fields)),
        other => other.clone(),
    }
}

/// <https://pkg.go.dev/encoding/json#Marshal>: as ES6 does.
fn go_float(float: f64) -> String {
    let size = float.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{float}");
    }
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent}")
}

/// What the real engine says to a path without `data/` and its like.
fn misdirected(operation: Operation) -> Answer {
    let command = match operation {
        Operation::Delete => "delete",
        Operation::List => "list",
        Operation::Patch => "patch",
        Operation::Read => "get",
        Operation::Write => "put",
    };
    let warning = format!(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv {command}' for this operation."
    );
    Answer::warning("kv", StatusCode::NOT_FOUND, &warning)
}

fn versions(params: &Params) -> Result<Vec<u64>, Refusal> {
    let listed = params.list("versions")?.filter(|listed| !listed.is_empty());
    let listed = listed.ok_or_else(|| Refusal::invalid("No version number provided"))?;
    let numbers = listed.iter().map(|number| number.parse());
    numbers.collect::<Result<_, _>>().map_err(|_| Refusal::invalid("invalid version number"))
}

impl Settings {
    fn update(&mut self, params: &Params) -> Result<(), Refusal> {
        if let Some(required) = params.flag("cas_required")? {
            self.cas_required = required;
        }
        if let Some(after) = params.seconds("delete_version_after")? {
            self.delete_version_after = after;
        }
        if let Some(most) = params.integer("max_versions")? {
            self.max_versions = u64::try_from(most).unwrap_or(0);
        }
        Ok(())
    }

    /// A secret's own settings where it has them, the mount's otherwise.
    fn within(self, mount: Self) -> Self {
        let or = |own, mount| if own == 0 { mount } else { own };
        Self {
            cas_required: self.cas_required || mount.cas_required,
            delete_version_after: match self.delete_version_after {
                0 => mount.delete_version_after,
                own => own,
            },
            max_versions: or(or(self.max_versions, mount.max_versions), DEFAULT_MAX_VERSIONS),
        }
    }

    fn document(self) -> Value {
        json!({
            "cas_required": self.cas_required,
            "delete_version_after": duration::text(self.delete_version_after),
            "max_versions": self.max_versions,
        })
    }
}

impl Secret {
    fn new(now: Timestamp) -> Self {
        Self {
            created: now,
            custom_metadata: None,
            settings: Settings::default(),
            updated: now,
            versions: BTreeMap::new(),
        }
    }

    fn current(&self) -> u64 {
        self.versions.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Zero until a version has been dropped, as the real engine counts it.
    fn oldest(&self) -> u64 {
        self.versions
            .first_key_value()
            .map_or(0, |(number, _)| if *number == 1 { 0 } else { *number })
    }

    fn prune(&mut self, most: u64) {
        while self.versions.len() as u64 > most {
            self.versions.pop_first();
        }
    }

    fn metadata(&self) -> Value {
        let versions: Map<String, Value> = self
            .versions
            .iter()
            .map(|(number, version)| (number.to_string(), version.document(None)))
            .collect();
        let mut document = self.settings.document();
        document["created_time"] = timestamp(self.created).into();
        document["current_version"] = self.current().into();
        document["custom_metadata"] = json!(self.custom_metadata);
        document["oldest_version"] = self.oldest().into();
        document["updated_time"] = timestamp(self.updated).into();
        document["versions"] = versions.into();
        document
    }
}

impl Version {
    fn new(fields: Map<String, Value>, settings: Settings, now: Timestamp) -> Self {
        let after = SignedDuration::from_secs(settings.delete_version_after);
        let deleted = (settings.delete_version_after > 0)
            .then(|| now.saturating_add(after).unwrap_or(Timestamp::MAX));
        Self { created: now, deleted, destroyed: false, fields: Some(fields) }
    }

    fn is_gone(&self, now: Timestamp) -> bool {
        self.destroyed || self.deleted.is_some_and(|deleted| deleted <= now)
    }

    fn delete(&mut self, now: Timestamp) {
        if !self.is_gone(now) {
            self.deleted = Some(now);
        }
    }

    fn undelete(&mut self) {
        if !self.destroyed {
            self.deleted = None;
        }
    }

    fn destroy(&mut self) {
        self.destroyed = true;
        self.fields = None;
    }

    /// The version's metadata; with its number and the secret's custom metadata beside data.
    fn document(&self, beside: Option<(u64, Option<&Map<String, Value>>)>) -> Value {
        let mut document = json!({
            "created_time": timestamp(self.created),
            "deletion_time": self.deleted.map(timestamp).unwrap_or_default(),
            "destroyed": self.destroyed,
        });
        if let Some((number, custom)) = beside {
            document["custom_metadata"] = json!(custom);
            document["version"] = number.into();
        }
        document
    }
}
