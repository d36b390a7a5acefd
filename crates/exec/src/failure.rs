//! Why the program is not started, in the words of the one who has to mend it.

use strongroom_core::wrapper::Category;
use thiserror::Error;

use crate::extension::Unasked;

/// Why the program is not started. Shown in one line with the hint.
#[derive(Debug, Eq, Error, PartialEq)]
#[error("{message}{}", hint.as_ref().map_or_else(String::new, |hint| format!("; hint: {hint}")))]
pub(crate) struct Failure {
    /// Whose matter it is.
    pub(crate) category: Category,
    /// What was attempted, on what, and what came back.
    pub(crate) message: String,
    /// The next step, where the message does not end with it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// The extension did not answer, and `references` are the variables that would have needed it.
    pub(crate) fn unasked(references: &[String], unasked: &Unasked) -> Self {
        let message = match references {
            [] => unasked.to_string(),
            [name] => format!("{name} refers to a secret, but {unasked}"),
            [first, rest @ ..] => {
                format!("{first} and {} more variables refer to secrets, but {unasked}", rest.len())
            }
        };
        let hint = Some(unasked.hint().to_owned());
        Self { category: Category::SecretUnavailable, message, hint }
    }

    /// The extension answered, but not for this variable.
    pub(crate) fn unknown_to_the_extension(name: &str) -> Self {
        let hint = format!(
            "set {name} in the function's configuration: the extension does not see what a script sets later"
        );
        Self {
            category: Category::SecretUnavailable,
            message: format!("{name} refers to a secret, but the extension does not know of it"),
            hint: Some(hint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_variables_the_place_and_the_next_step() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let absent = Unasked::Absent("/tmp/s".to_owned());
        let check = |references: &[&str], expect: &str| {
            let shown = Failure::unasked(&names(references), &absent).to_string();
            assert!(shown.starts_with(&format!("{expect}; hint: add")), "{shown}");
        };
        check(&[], "no extension listens at /tmp/s");
        check(&["A"], "A refers to a secret, but no extension listens at /tmp/s");
        check(
            &["A", "B", "C"],
            "A and 2 more variables refer to secrets, but no extension listens at /tmp/s",
        );
    }
}
