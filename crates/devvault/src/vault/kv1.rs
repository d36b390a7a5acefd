//! The first version of the key-value engine: a path holds one object.
//! <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v1>

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::{Answer, Outcome, Refusal, Secret, ignored};
use super::request::{ApiRequest, Operation, Params};
use super::{DEFAULT_TTL, duration};

#[derive(Default)]
pub(super) struct Kv1(BTreeMap<String, Map<String, Value>>);

impl Kv1 {
    pub(super) fn exists(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub(super) fn answer(&mut self, path: &str, request: &ApiRequest) -> Outcome {
        match request.operation {
            Operation::Read => self.read(path, &request.params),
            Operation::List => Answer::keys("kv", list(self.0.keys(), path)),
            Operation::Write if path.is_empty() => Err(Refusal::invalid("missing path")),
            Operation::Write if request.params.fields().is_empty() => {
                Err(Refusal::invalid("missing data fields"))
            }
            Operation::Write => {
                self.0.insert(path.to_owned(), request.params.fields().clone());
                Ok(Answer::NoContent)
            }
            Operation::Delete => {
                self.0.remove(path);
                Ok(Answer::NoContent)
            }
            Operation::Patch => Err(Refusal::unsupported_operation()),
        }
    }

    fn read(&self, path: &str, params: &Params) -> Outcome {
        let fields = self.0.get(path).ok_or_else(Refusal::not_found)?;
        // A field of this name sets the lease that readers are told.
        let ttl = fields.get("ttl").or_else(|| fields.get("lease"));
        let unknown: Vec<&str> = params.fields().keys().map(String::as_str).collect();
        Ok(Answer::Secret(Box::new(Secret {
            data: Some(Value::Object(fields.clone())),
            lease_duration: ttl
                .and_then(duration::seconds)
                .filter(|ttl| *ttl > 0)
                .unwrap_or(DEFAULT_TTL),
            mount_type: "kv",
            // It has no versions to choose from, and says so here alone.
            warnings: if unknown.is_empty() { Vec::new() } else { vec![ignored(&unknown)] },
            ..Secret::default()
        })))
    }
}

/// The names directly below `prefix`; a name that has others below it ends in a slash.
pub(super) fn list<'a>(keys: impl Iterator<Item = &'a String>, prefix: &str) -> Vec<String> {
    let below = keys.filter_map(|key| key.strip_prefix(prefix)).filter(|rest| !rest.is_empty());
    let mut names: Vec<String> = below
        .map(|rest| match rest.find('/') {
            Some(slash) => rest[..=slash].to_owned(),
            None => rest.to_owned(),
        })
        .collect();
    names.dedup();
    names
}
