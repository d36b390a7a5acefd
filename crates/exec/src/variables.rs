//! The variables of an answer: `NAME=value` and a NUL, again and again. What cannot be set is refused by name; values
//! never stand in an error.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use strongroom_core::wrapper::{Category, LARGEST_VARIABLE as LARGEST};
use thiserror::Error;

use crate::failure::Failure;

/// Why a variable cannot be set.
#[derive(Debug, Eq, Error, PartialEq)]
pub(crate) enum Unusable {
    /// It stands behind a NUL that is not the end of a variable.
    #[error("the value of {0} holds a NUL, which no variable can")]
    HoldsNul(String),
    /// More than the kernel takes in one.
    #[error("{name} has {size} bytes with its name, and no variable can have more than {LARGEST}")]
    TooLarge { name: String, size: usize },
    /// The answer is not made of variables.
    #[error("the extension's answer does not begin with a variable")]
    Unnamed,
    /// The last variable has no end.
    #[error("the extension's answer breaks off within {0}")]
    Unterminated(String),
}

impl From<Unusable> for Failure {
    fn from(unusable: Unusable) -> Self {
        let hint = match unusable {
            Unusable::HoldsNul(_) | Unusable::TooLarge { .. } => {
                "have the secret written to a file, or read it from the local Vault API"
            }
            Unusable::Unnamed | Unusable::Unterminated(_) => {
                "use extension and wrapper of the same layer"
            }
        };
        Self {
            category: Category::SecretUnavailable,
            message: unusable.to_string(),
            hint: Some(hint.to_owned()),
        }
    }
}

/// The variables in `body`, in its order.
///
/// # Errors
/// [`Unusable`], for the first that cannot be set.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<(&OsStr, &OsStr)>, Unusable> {
    let mut variables: Vec<(&OsStr, &OsStr)> = Vec::new();
    for entry in body.split_inclusive(|byte| *byte == 0) {
        let at = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
        // The bytes themselves are not shown: they may be the rest of a secret.
        let Some(at) = at else {
            return Err(match variables.last() {
                Some((previous, _)) => Unusable::HoldsNul(shown(previous.as_bytes())),
                None => Unusable::Unnamed,
            });
        };
        let name = &entry[..at];
        let Some(value) = entry[at + 1..].strip_suffix(b"\0") else {
            return Err(Unusable::Unterminated(shown(name)));
        };
        if entry.len() > LARGEST {
            return Err(Unusable::TooLarge { name: shown(name), size: entry.len() });
        }
        variables.push((OsStr::from_bytes(name), OsStr::from_bytes(value)));
    }
    Ok(variables)
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_are_read_in_their_order() {
        let check = |body: &[u8], expect: &[(&str, &[u8])]| {
            let expect: Vec<_> = expect
                .iter()
                .map(|(name, value)| (OsStr::new(*name), OsStr::from_bytes(value)))
                .collect();
            assert_eq!(parse(body), Ok(expect));
        };
        check(b"", &[]);
        check(b"B=1\0A=2\0", &[("B", b"1"), ("A", b"2")]);
        check(b"A=\0", &[("A", b"")]);
        check(b"A=b=c\0", &[("A", b"b=c")]);
        check(b"A==\0", &[("A", b"=")]);
        check(b"A=\xff\n \0", &[("A", b"\xff\n ")]);
    }

    #[test]
    fn what_cannot_be_set_is_refused_by_name() {
        let check = |body: &[u8], expect: Unusable| assert_eq!(parse(body), Err(expect));
        check(b"=value\0", Unusable::Unnamed);
        check(b"value\0", Unusable::Unnamed);
        check(b"\0", Unusable::Unnamed);
        check(b"A=b\0c\0", Unusable::HoldsNul("A".to_owned()));
        check(b"A=b\0\0", Unusable::HoldsNul("A".to_owned()));
        check(b"A=b\0=c\0", Unusable::HoldsNul("A".to_owned()));
        check(b"A=b\0C=d", Unusable::Unterminated("C".to_owned()));
    }

    #[test]
    fn a_variable_has_128_kib_with_its_name_and_its_end() {
        let largest = format!("A={}\0", "x".repeat(LARGEST - 3));
        assert_eq!(parse(largest.as_bytes()).unwrap().len(), 1);
        let larger = format!("A={}\0", "x".repeat(LARGEST - 2));
        let expect = Unusable::TooLarge { name: "A".to_owned(), size: LARGEST + 1 };
        assert_eq!(parse(larger.as_bytes()), Err(expect));
    }

    #[test]
    fn no_error_shows_a_value() {
        for body in [&b"A=secret\0secret\0"[..], b"A=secret", b"secret\0", b"=secret\0"] {
            let failure = Failure::from(parse(body).unwrap_err());
            assert!(!failure.to_string().contains("secret\0"), "{failure}");
            assert!(!failure.message.contains("secret"), "{failure}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_all_of_the_body(body in proptest::collection::vec(0u8..70, 0..200)) {
            if let Ok(variables) = parse(&body) {
                let mut again = Vec::new();
                for (name, value) in variables {
                    prop_assert!(!name.is_empty());
                    again.extend_from_slice(&[name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
                }
                prop_assert_eq!(again, body);
            }
        }
    }
}
