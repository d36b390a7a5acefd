//! What of a secret is written to its file, and how.

mod dotenv;

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::document::Document;
use crate::reference::Field;

/// What of a secret is written to its file, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Format {
    /// The secret's data as a JSON object.
    Data,
    /// A line `NAME='value'` for each field.
    Dotenv,
    /// One field, byte for byte.
    Raw(Field),
    /// Vault's whole answer, as vault-lambda-extension writes it.
    Response,
    /// What this template makes of it.
    Template(PathBuf),
}

impl Format {
    /// Reads a format; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None => match text {
                "data" => Some(Self::Data),
                "dotenv" => Some(Self::Dotenv),
                "response" => Some(Self::Response),
                _ => None,
            },
            Some(("raw", field)) if !field.is_empty() => Some(Self::Raw(Field::parse(field))),
            Some(("template", file)) if !file.is_empty() => Some(Self::Template(file.into())),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data => f.write_str("data"),
            Self::Dotenv => f.write_str("dotenv"),
            Self::Raw(field) => write!(f, "raw:{field}"),
            Self::Response => f.write_str("response"),
            Self::Template(file) => write!(f, "template:{}", file.display()),
        }
    }
}

/// Why a secret cannot be written in a format.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum FormatError {
    /// The format wants a field that the secret does not have.
    #[error("the secret has no field {field}; it has {present}")]
    NoField {
        /// The field.
        field: String,
        /// The names of those it has.
        present: String,
    },
    /// There is no secret, and the format has no way to say so.
    #[error("there is no secret to write")]
    NoSecret,
    /// A field's name can stand in no dotenv file.
    #[error(
        "the name of field {field:?} cannot stand in a dotenv file: only letters, digits, _, . and - can"
    )]
    Name {
        /// The field.
        field: String,
    },
    /// A field's value would be read differently by different readers of dotenv files.
    #[error(
        "the value of field {field} has {what}, which readers of dotenv files do not agree about: use data, raw or a template"
    )]
    Value {
        /// The field.
        field: String,
        /// What it has.
        what: &'static str,
    },
}

/// A secret in a format that needs nothing but the secret; `None` for templates.
///
/// # Errors
/// [`FormatError`], naming the field but no value.
pub fn written(
    format: &Format,
    document: &Document,
) -> Result<Option<Zeroizing<Vec<u8>>>, FormatError> {
    let bytes = match format {
        Format::Data => document.secret_to_json().ok_or(FormatError::NoSecret)?,
        Format::Dotenv => dotenv::written(document.secret().ok_or(FormatError::NoSecret)?)?,
        Format::Raw(field) => {
            let text = document.text(field).ok_or_else(|| no_field(document, field))?;
            Zeroizing::new(text.as_bytes().to_vec())
        }
        Format::Response => document.to_json(),
        Format::Template(_) => return Ok(None),
    };
    Ok(Some(bytes))
}

/// Says that a secret does not have a field, and which it has.
pub fn no_field(document: &Document, field: &Field) -> FormatError {
    let names: Vec<_> = document.field_names().collect();
    let mut present = names.iter().copied().take(MOST_NAMES).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        present.push_str("none");
    } else if names.len() > MOST_NAMES {
        present.push_str(&format!(" and {} more", names.len() - MOST_NAMES));
    }
    FormatError::NoField { field: field.to_string(), present }
}

/// Names of fields that a message lists.
const MOST_NAMES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_as_they_are_shown() {
        for text in ["data", "dotenv", "response", "raw:a.b", "raw:*", "template:/var/task/a:b.j2"]
        {
            assert_eq!(Format::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "json", "raw", "raw:", "template:", "data:x", "Data"] {
            assert_eq!(Format::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_secret_is_written_as_its_format_says() {
        let body = br#"{"request_id":"r","data":{"data":{"b":"x\ny","a":{"c":1}},"metadata":{"version":1}}}"#;
        let document = Document::parse(body).unwrap();
        let check = |format: &str, expect: &str| {
            let bytes = written(&Format::parse(format).unwrap(), &document).unwrap().unwrap();
            assert_eq!(std::str::from_utf8(&bytes).unwrap(), expect, "{format}");
        };
        check("data", "{\n  \"a\": {\n    \"c\": 1\n  },\n  \"b\": \"x\\ny\"\n}");
        check("raw:b", "x\ny");
        check("raw:a.c", "1");
        check("dotenv", "a='{\"c\":1}'\nb='x\ny'\n");
        let missing = written(&Format::parse("raw:z").unwrap(), &document).unwrap_err().to_string();
        assert_eq!(missing, "the secret has no field z; it has a, b");
    }
}
