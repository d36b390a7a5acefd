//! An answer of Vault to a read, and what can be asked of it.

mod written;

use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::reference::Field;

/// An answer of Vault to a read, parsed. It holds secrets: its text is wiped when dropped.
pub struct Document(Map<String, Value>);

impl Document {
    /// Parses the body of an answer; `None` if it is no JSON object.
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().map(Self)
    }

    /// Whether it holds no secret: no data at all, or the KV v2 form of a deleted version
    /// (`data` is null beside its `metadata`).
    pub fn is_without_secret(&self) -> bool {
        match self.0.get("data") {
            None | Some(Value::Null) => self.0.get("wrap_info").is_none_or(Value::is_null),
            Some(Value::Object(data)) => {
                data.contains_key("metadata") && data.get("data").is_some_and(Value::is_null)
            }
            Some(_) => false,
        }
    }

    /// Whether the incumbent would keep it at a 404: it has data or warnings to show.
    pub fn has_data_or_warnings(&self) -> bool {
        let shown = |field| self.0.get(field).is_some_and(|value: &Value| !value.is_null());
        shown("data") || shown("warnings")
    }

    /// The secret itself: the answer's data; of a KV v2 secret, which Vault wraps once more, the inner ones. `None` if
    /// there is no secret.
    /// <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version>
    pub fn secret(&self) -> Option<&Map<String, Value>> {
        let data = self.0.get("data")?.as_object()?;
        let is_versioned = data
            .get("metadata")
            .and_then(Value::as_object)
            .is_some_and(|metadata| metadata.contains_key("version"));
        match data.get("data") {
            Some(inner) if is_versioned => inner.as_object(),
            _ => Some(data),
        }
    }

    /// The version of a KV v2 secret.
    pub fn version(&self) -> Option<u64> {
        self.0.get("data")?.get("metadata")?.get("version")?.as_u64()
    }

    /// What stands in a field of the secret: a text as it is, all else as JSON. `None` if it is not there or null.
    pub fn text(&self, field: &Field) -> Option<Zeroizing<String>> {
        let secret = self.secret()?;
        let value = match field {
            Field::All => return Some(json(secret)),
            Field::Named(name) => named(secret, name)?,
        };
        match value {
            Value::Null => None,
            Value::String(text) => Some(Zeroizing::new(text.clone())),
            other => Some(json(other)),
        }
    }

    /// The fields of the secret, by name.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.secret().into_iter().flat_map(Map::keys).map(String::as_str)
    }

    /// The lease on what was read: its id, its seconds, and whether it can be renewed.
    /// <https://developer.hashicorp.com/vault/docs/concepts/lease>
    pub fn lease(&self) -> Option<(&str, u64, bool)> {
        let id = self.0.get("lease_id").and_then(Value::as_str).filter(|id| !id.is_empty())?;
        let seconds = self.0.get("lease_duration").and_then(Value::as_u64).unwrap_or(0);
        Some((id, seconds, self.0.get("renewable") == Some(&Value::Bool(true))))
    }

    /// Vault's errors.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.texts("errors")
    }

    /// Vault's warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.texts("warnings")
    }

    fn texts(&self, field: &str) -> impl Iterator<Item = &str> {
        let texts = self.0.get(field).and_then(Value::as_array);
        texts.into_iter().flatten().filter_map(Value::as_str)
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Document")
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

/// The value at `name`; if no field has that name, the one that its dots lead to.
fn named<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = fields.get(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(at, _)| {
        let inner = fields.get(&name[..at])?.as_object()?;
        named(inner, &name[at + 1..])
    })
}

/// The value as JSON, without blanks.
fn json(value: &impl serde::Serialize) -> Zeroizing<String> {
    Zeroizing::new(serde_json::to_string(value).expect("a parsed value is written into memory"))
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_secret_is_recognised() {
        let check = |body: &str, expect| {
            assert_eq!(
                Document::parse(body.as_bytes()).unwrap().is_without_secret(),
                expect,
                "{body}"
            );
        };
        check(r#"{"errors":[]}"#, true);
        check(r#"{"data":null}"#, true);
        check(r#"{"data":{"data":null,"metadata":{"version":3}}}"#, true);
        check(r#"{"data":{"data":null}}"#, false);
        check(r#"{"data":{"data":{},"metadata":{}}}"#, false);
        check(r#"{"data":null,"wrap_info":{"token":"t"}}"#, false);
    }

    #[test]
    fn a_field_is_found_by_its_name_or_by_the_way_to_it() {
        let check = |body: &str, field: &str, expect: Option<&str>| {
            let field = if field == "*" { Field::All } else { Field::Named(field.to_owned()) };
            let text = Document::parse(body.as_bytes()).unwrap().text(&field);
            assert_eq!(text.as_ref().map(|text| text.as_str()), expect, "{field} of {body}");
        };
        let versioned = r#"{"data":{"data":{"a":"x","n":1.50,"t":true,"z":null,"o":{"p":{"q":"y"},"r.s":"w"},"o.p":"v"},"metadata":{"version":2}}}"#;
        check(versioned, "a", Some("x"));
        check(versioned, "n", Some("1.50"));
        check(versioned, "t", Some("true"));
        check(versioned, "z", None);
        check(versioned, "b", None);
        check(versioned, "o.p", Some("v"));
        check(versioned, "o.p.q", Some("y"));
        check(versioned, "o.r.s", Some("w"));
        check(versioned, "o", Some(r#"{"p":{"q":"y"},"r.s":"w"}"#));
        check(
            r#"{"data":{"data":{"b":1,"a":"\u00fc"},"metadata":{"version":2}}}"#,
            "*",
            Some("{\"a\":\"\u{fc}\",\"b\":1}"),
        );
        check(r#"{"data":{"username":"u"}}"#, "username", Some("u"));
        check(r#"{"data":{"data":"d","metadata":"m"}}"#, "data", Some("d"));
        check(r#"{"data":{"data":{"x":"d"}}}"#, "data.x", Some("d"));
        check(r#"{"data":{"data":null,"metadata":{"version":2}}}"#, "*", None);
        check(r#"{"data":null}"#, "*", None);
    }

    #[test]
    fn a_lease_is_what_has_an_id() {
        let check = |body: &str, expect| {
            assert_eq!(Document::parse(body.as_bytes()).unwrap().lease(), expect, "{body}");
        };
        check(
            r#"{"lease_id":"a/1","lease_duration":60,"renewable":true}"#,
            Some(("a/1", 60, true)),
        );
        check(r#"{"lease_id":"a/1"}"#, Some(("a/1", 0, false)));
        check(r#"{"lease_id":"","lease_duration":2764800}"#, None);
        check(r#"{"lease_id":null}"#, None);
    }

    #[test]
    fn what_is_no_object_is_no_document() {
        for body in ["", "[]", "<html>", "null", "{\"a\""] {
            assert!(Document::parse(body.as_bytes()).is_none(), "{body}");
        }
    }
}
