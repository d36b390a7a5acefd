//! `NAME=VALUE` on the command line.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result};

/// One of them, as it was given. It is taken apart later than clap would: what is wrong is shown there, and may be a
/// secret that lost its name.
#[derive(Clone)]
pub(crate) struct Assignment(String);

impl fmt::Debug for Assignment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Assignment")
    }
}

impl FromStr for Assignment {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// The names and values that were given with this flag, in their order.
///
/// # Errors
/// One has no name; the error says which, and does not show it.
pub(crate) fn all(flag: &str, given: &[Assignment]) -> Result<Vec<(String, String)>> {
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    let pairs = given.iter().enumerate().map(|(index, Assignment(text))| {
        let pair = text.split_once('=').filter(|(name, _)| is_name(name));
        let (name, value) = pair.with_context(|| {
            format!("the value of the {flag} number {} does not begin with NAME=", index + 1)
        })?;
        Ok((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_name_is_refused_and_its_value_is_not_shown() {
        for text in ["A", "=canary", "the canary=1"] {
            let given = ["B=1", text].map(|text| text.parse().unwrap());
            let error = all("--env", &given).unwrap_err().to_string();
            assert_eq!(error, "the value of the --env number 2 does not begin with NAME=");
            assert!(!format!("{given:?}").contains("canary"));
        }
    }
}
