//! Values that several variables have in common: numbers, words, booleans.

use std::str::FromStr;

use super::Parser;

impl Parser<'_> {
    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let parsed = self.environment.client(name)?.parse().ok();
        if parsed.is_none() {
            self.findings.error(name, "is no whole number in range");
        }
        parsed
    }

    pub(super) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let Some(value) = self.environment.trimmed(name) else { return choices[0].1 };
        match choices.iter().find(|(word, _)| *word == value) {
            Some((_, choice)) => *choice,
            None => {
                let words = choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
                self.findings.error(name, format!("is none of {words}"));
                choices[0].1
            }
        }
    }

    /// A boolean whose wrong values the Vault client refuses.
    pub(super) fn boolean(&mut self, name: &str) -> bool {
        match self.environment.client(name).map(parse_bool) {
            None => false,
            Some(Some(value)) => value,
            Some(None) => {
                self.findings.error(name, "is no boolean: write true or false");
                false
            }
        }
    }

    /// A boolean whose wrong values the incumbent takes for false.
    pub(super) fn tolerant_boolean(&mut self, name: &str) -> bool {
        match self.environment.trimmed(name).map(parse_bool) {
            None => false,
            Some(Some(value)) => value,
            Some(None) => {
                self.findings.warning(name, "is no boolean, such as true: false is used");
                false
            }
        }
    }
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
