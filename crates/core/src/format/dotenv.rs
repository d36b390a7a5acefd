//! A secret as lines that python-dotenv, dotenv for Node and, where its names are names of a shell's, shells read alike.
//!
//! They agree about single quotes around what holds neither these nor certain backslashes, and about double quotes
//! around what holds nothing that is special within them. What would be read differently is refused, not guessed.
//! <https://github.com/motdotla/dotenv#rules> <https://github.com/theskumar/python-dotenv#file-format>

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::FormatError;

pub(super) fn written(secret: &Map<String, Value>) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    let mut out = Zeroizing::new(Vec::with_capacity(1024));
    for (field, value) in secret {
        let is_name = !field.is_empty()
            && !field
                .starts_with(|first: char| first.is_ascii_digit() || matches!(first, '.' | '-'))
            && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !is_name {
            return Err(FormatError::Name { field: field.clone() });
        }
        let text = match value {
            Value::Null => Zeroizing::default(),
            Value::String(text) => Zeroizing::new(text.clone()),
            other => Zeroizing::new(other.to_string()),
        };
        let quote =
            quote_for(&text).map_err(|what| FormatError::Value { field: field.clone(), what })?;
        for part in [field.as_bytes(), b"=", quote, text.as_bytes(), quote, b"\n"] {
            out.extend_from_slice(part);
        }
    }
    Ok(out)
}

/// The quote that stands around `text`, or what keeps it from being quoted.
fn quote_for(text: &str) -> Result<&'static [u8], &'static str> {
    if text.contains(['\r', '\0']) {
        return Err("a carriage return or NUL");
    }
    // python-dotenv takes these two for escapes, and a backslash before the end hides the end.
    let has_escape = text.contains(r"\\") || text.contains(r"\'") || text.ends_with('\\');
    if !text.contains('\'') && !has_escape {
        return Ok(b"'");
    }
    if !text.contains(['"', '\\', '$', '`']) {
        return Ok(b"\"");
    }
    Err("a backslash or a single quote beside characters that are special in double quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_so_that_all_readers_agree_or_refused() {
        let check = |value: &str, expect: Option<&str>| {
            let secret = Map::from_iter([("A".to_owned(), Value::from(value))]);
            let found = written(&secret).ok().map(|out| String::from_utf8(out.to_vec()).unwrap());
            assert_eq!(found.as_deref(), expect, "{value}");
        };
        check("", Some("A=''\n"));
        check("a b#c", Some("A='a b#c'\n"));
        check("$x `y` \"z\"", Some("A='$x `y` \"z\"'\n"));
        check(r"C:\new", Some("A='C:\\new'\n"));
        check("it's", Some("A=\"it's\"\n"));
        check("a\nb", Some("A='a\nb'\n"));
        check("it's $5", None);
        check(r"a\", None);
        check(r"a\\b", None);
        check("a\rb", None);
    }

    #[test]
    fn only_names_that_readers_take_are_written() {
        let check = |name: &str, expect: bool| {
            let secret = Map::from_iter([(name.to_owned(), Value::from(1))]);
            assert_eq!(written(&secret).is_ok(), expect, "{name}");
        };
        check("api-key", true);
        check("spring.datasource.url", true);
        check("_A1", true);
        check("1A", false);
        check("a b", false);
        check("a=b", false);
        check("\u{fc}", false);
        check("", false);
    }
}
