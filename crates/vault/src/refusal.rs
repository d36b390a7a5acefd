//! Vault's error texts, made fit for a log: one line, cut, and without what could be a secret.

use serde::Deserialize;

/// The `errors` of Vault's answer in one line; empty if there are none.
#[must_use]
pub fn errors_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<String>,
    }
    let Ok(Errors { errors }) = serde_json::from_slice(body) else { return String::new() };
    presentable(&errors.join("; "))
}

/// STS repeats the canonical request, and with it the session token, when a signature is wrong.
const CANONICAL: &str = "The Canonical String";
const LONGEST: usize = 400;
const LONGEST_WORD: usize = 64;
const TOKEN_PREFIXES: &[&str] = &["hvs.", "hvb.", "hvr.", "s.", "b.", "r."];

fn presentable(text: &str) -> String {
    let text = text.split(CANONICAL).next().unwrap_or_default();
    let mut line = String::with_capacity(text.len().min(LONGEST));
    let mut word = String::new();
    for character in text.chars().chain([' ']) {
        let separates = character.is_whitespace()
            || character.is_control()
            || "\"'`,;()<>[]{}".contains(character);
        if !separates {
            word.push(character);
            continue;
        }
        line.push_str(if may_be_secret(&word) { "(left out)" } else { &word });
        word.clear();
        let blank = character.is_whitespace() || character.is_control();
        if !blank {
            line.push(character);
        } else if !line.ends_with(' ') {
            line.push(' ');
        }
        if line.len() > LONGEST {
            line.push('…');
            break;
        }
    }
    line.trim().to_owned()
}

fn may_be_secret(word: &str) -> bool {
    let is_token = TOKEN_PREFIXES.iter().any(|prefix| {
        word.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 20 && !rest.contains('/'))
    });
    let longest_run = word
        .split(|c: char| !(c.is_ascii_alphanumeric() || "+/=%_-.".contains(c)))
        .map(str::len)
        .max()
        .unwrap_or(0);
    is_token || longest_run > LONGEST_WORD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_one_line_without_secrets() {
        let check = |body: &str, expect: &str| assert_eq!(errors_of(body.as_bytes()), expect);
        check(r#"{"errors":["permission denied"]}"#, "permission denied");
        check(
            r#"{"errors":["1 error occurred:\n\t* permission denied\n\n","invalid token"]}"#,
            "1 error occurred: * permission denied ; invalid token",
        );
        check(r#"{"errors":[]}"#, "");
        check("<html>", "");
        check(r#"{"errors":["bad hvs.CAESIabcdefghijklmnopqrstuvw"]}"#, "bad (left out)");
        check(
            r#"{"errors":["does not match. The Canonical String for this request should have been\n'POST\nx-amz-security-token:IQoJ"]}"#,
            "does not match.",
        );
        check(
            r#"{"errors":["IAM Principal \"arn:aws:sts::123456789012:assumed-role/lambda-role/my-function\" does not belong"]}"#,
            "IAM Principal \"arn:aws:sts::123456789012:assumed-role/lambda-role/my-function\" does not belong",
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        let body = format!(r#"{{"errors":["{}"]}}"#, "word ".repeat(500));
        assert!(errors_of(body.as_bytes()).len() < 420);
    }
}
