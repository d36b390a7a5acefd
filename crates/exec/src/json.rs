//! Writes the wrapper's two kinds of JSON objects. They hold strings and an empty list, which needs no library.

use std::fmt::Write as _;

/// An object of strings and of values that are JSON already.
#[derive(Debug, Default)]
pub(crate) struct Object(String);

impl Object {
    /// Adds a string.
    pub(crate) fn string(mut self, name: &str, value: &str) -> Self {
        self.begin(name);
        push_string(&mut self.0, value);
        self
    }

    /// Adds what is JSON already.
    pub(crate) fn raw(mut self, name: &str, value: &str) -> Self {
        self.begin(name);
        self.0.push_str(value);
        self
    }

    /// The whole object.
    pub(crate) fn end(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }

    fn begin(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_string(&mut self.0, name);
        self.0.push(':');
    }
}

/// <https://www.rfc-editor.org/rfc/rfc8259#section-7>
fn push_string(json: &mut String, value: &str) {
    json.push('"');
    for character in value.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\0'..='\u{1f}' => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            character => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_object_holds_what_was_added() {
        let object = Object::default().string("a", "b").raw("c", "[]").end();
        assert_eq!(object, r#"{"a":"b","c":[]}"#);
        assert_eq!(Object::default().end(), "{}");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again(name in "\\PC*|[\0-\u{7f}]{0,40}", value in any::<String>()) {
            let object = Object::default().string(&name, &value).end();
            let read: Value = serde_json::from_str(&object).unwrap();
            prop_assert_eq!(read, json!({ name: value }));
            prop_assert!(object.bytes().all(|byte| byte >= b' '), "one line");
        }
    }
}
