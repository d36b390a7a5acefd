//! Answers of Vault and what is written of them: whatever Vault answers, and whatever is asked of it.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use strongroom_core::document::Document;
use strongroom_core::format::{Format, written};
use strongroom_core::reference::Field;

/// Few names, so that the ways to fields cross: one has the dots of another's way.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[ab]",
        2 => "[ab]\\.[ab]",
        1 => Just(String::new()),
        1 => any::<String>(),
    ]
}

/// Any JSON; numbers with digits that no float has.
fn value() -> impl Strategy<Value = Value> {
    let number =
        prop_oneof![any::<i64>().prop_map(|n| n.to_string()), "-?[1-9][0-9]{0,30}\\.[0-9]{1,9}"];
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => number.prop_map(|digits| serde_json::from_str(&digits).unwrap()),
        6 => any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            fields_of(inner).prop_map(Value::from),
        ]
    })
}

fn fields_of(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    btree_map(name(), values, 0..4).prop_map(|fields| fields.into_iter().collect())
}

/// A secret in the answer of a KV v2 engine, or of any other.
fn answer(secret: &Map<String, Value>, is_versioned: bool) -> Document {
    let data = match is_versioned {
        true => json!({ "data": secret, "metadata": { "version": 3 } }),
        false => json!(secret),
    };
    Document::parse(json!({ "data": data, "warnings": null }).to_string().as_bytes()).unwrap()
}

/// Each format that needs no file.
fn formats(field: &str) -> [Format; 4] {
    [Format::Data, Format::Dotenv, Format::Raw(Field::parse(field)), Format::Response]
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

proptest! {
    #[test]
    fn bytes_of_whatever_kind_are_read_or_refused(body in vec(any::<u8>(), 0..64)) {
        drop(Document::parse(&body));
    }

    #[test]
    fn whatever_vault_answers_can_be_asked_for_anything(
        top in fields_of(value()),
        data in value(),
        field in name(),
    ) {
        let mut top = top;
        top.insert("data".to_owned(), data);
        let document = Document::parse(Value::from(top).to_string().as_bytes()).unwrap();
        let has_secret = document.secret().is_some();
        for format in formats(&field) {
            let outcome = written(&format, &document);
            // Vault's whole answer can always be written, and nothing else where there is no secret.
            prop_assert!(outcome.is_err() || has_secret || format == Format::Response);
            prop_assert!(outcome.is_ok() || format != Format::Response);
        }
        prop_assert!(has_secret || document.text(&Field::parse(&field)).is_none());
        let _ = (document.lease(), document.version(), document.warnings().count());
    }

    #[test]
    fn what_is_written_as_json_is_the_secret(secret in fields_of(value()), is_versioned: bool) {
        let document = answer(&secret, is_versioned);
        // The data of another engine may look as if it were of KV v2.
        prop_assume!(is_versioned || !secret.contains_key("metadata"));
        let expect = Value::from(secret);
        let data = written(&Format::Data, &document).unwrap().unwrap();
        prop_assert_eq!(&json_of(&data), &expect);
        let all = document.text(&Field::All).unwrap();
        prop_assert_eq!(&json_of(all.as_bytes()), &expect);
        let response = json_of(&written(&Format::Response, &document).unwrap().unwrap());
        let held = if is_versioned { &response["data"]["data"] } else { &response["data"] };
        prop_assert_eq!(held, &expect);
    }

    #[test]
    fn a_field_is_written_as_it_is_read(
        secret in fields_of(value()),
        is_versioned: bool,
        field in name(),
    ) {
        let document = answer(&secret, is_versioned);
        let field = Field::Named(field);
        let text = document.text(&field);
        let raw = written(&Format::Raw(field.clone()), &document).ok().flatten();
        prop_assert_eq!(raw.as_deref().map(Vec::as_slice), text.as_ref().map(|text| text.as_bytes()));
        // A field of that very name comes before any way that its dots lead.
        if let (Field::Named(name), Some(text)) = (&field, text) {
            match secret.get(name) {
                Some(Value::String(value)) => prop_assert_eq!(text.as_str(), value),
                Some(value) => prop_assert_eq!(&json_of(text.as_bytes()), value),
                None => prop_assert!(name.contains('.'), "{} is not there", name),
            }
        }
    }

    #[test]
    fn the_way_to_an_inner_field_is_its_names_with_dots(
        names in vec("[a-c]{1,2}", 1..5),
        value in any::<String>(),
    ) {
        let inner = names.iter().rev().fold(json!(value), |inner, name| json!({ name: inner }));
        let document = answer(inner.as_object().unwrap(), true);
        let text = document.text(&Field::Named(names.join(".")));
        prop_assert_eq!(text.as_ref().map(|text| text.as_str()), Some(value.as_str()));
    }

    #[test]
    fn no_error_holds_a_value(secret in fields_of("[A-Z]{12}[\\\\'\r]{0,2}".prop_map(Value::from)), field in name()) {
        let document = answer(&secret, true);
        for format in formats(&field) {
            let Err(error) = written(&format, &document) else { continue };
            for value in secret.values().filter_map(|value| value.as_str()?.get(..12)) {
                prop_assert!(!error.to_string().contains(value), "{error}");
                prop_assert!(!format!("{error:?}").contains(value), "{error:?}");
            }
        }
        prop_assert_eq!(format!("{document:?}"), "Document");
    }

    #[test]
    fn a_format_is_shown_as_it_is_read(text in "(data|dotenv|response|raw|template)(:[ -~]{0,9})?|[ -~]{0,12}") {
        if let Some(format) = Format::parse(&text) {
            prop_assert_eq!(format.to_string(), text);
        }
    }
}
