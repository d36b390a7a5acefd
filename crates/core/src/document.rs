//! An answer of Vault to a read, and what can be asked of it.

mod written;

use serde_json::{Map, Value};
use zeroize::Zeroize;

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

    /// Whether revoking the token would revoke what was read: the answer has a `lease_id`.
    pub fn is_leased(&self) -> bool {
        self.0.get("lease_id").and_then(Value::as_str).is_some_and(|id| !id.is_empty())
    }

    /// Vault's warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.0
            .get("warnings")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
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
    fn what_is_no_object_is_no_document() {
        for body in ["", "[]", "<html>", "null", "{\"a\""] {
            assert!(Document::parse(body.as_bytes()).is_none(), "{body}");
        }
    }
}
