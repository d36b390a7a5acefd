//! What every source file must hold and must not.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::{Findings, Lists, list};
use crate::command;
use crate::workspace::Workspace;

/// The files that may open a secret.
const EXPOSE_LIST: &str = "xtask/expose-secret.txt";

// In two parts each: this file is checked too.
const EXPOSE: &str = concat!("expose", "_secret");
const UNFINISHED: &str = concat!("TO", "DO");

/// Checks every file that is in git or could be.
pub(super) fn check(workspace: &Workspace, lists: Lists) -> Result<Findings> {
    let mut git = workspace.command("git");
    let git = git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut findings = Findings::new();
    let mut exposing = BTreeSet::new();
    for path in command::output(git)?.split_terminator('\0') {
        let file = workspace.root().join(path);
        // Deleted and not yet committed.
        if !file.is_file() {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("cannot read {path}"))?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        findings.extend(findings_in(path, &text));
        if is_rust(path) && opens_secrets(&text) {
            exposing.insert(path.to_owned());
        }
    }
    findings.extend(list::check(workspace, EXPOSE_LIST, &exposing, lists)?);
    Ok(findings)
}

fn findings_in(path: &str, text: &str) -> Findings {
    let mut findings = Findings::new();
    if is_rust(path) && !text.starts_with("//!") {
        findings.push(format!("{path}: does not open with `//!` and what it is"));
    }
    // Lock files are full of hashes, in which any word may stand.
    if path.ends_with("go.sum") || path.ends_with(".lock") {
        return findings;
    }
    for (number, line) in text.lines().enumerate().filter(|(_, line)| has_word(line, UNFINISHED)) {
        let number = number + 1;
        findings.push(format!("{path}:{number}: {UNFINISHED}, finish it: {}", line.trim()));
    }
    findings
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

/// Whether code, not a comment, opens a secret.
fn opens_secrets(text: &str) -> bool {
    text.lines().any(|line| line.contains(EXPOSE) && !line.trim_start().starts_with("//"))
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rust_file_opens_with_what_it_is() {
        assert!(findings_in("a.rs", "//! What it is.\n").is_empty());
        assert_eq!(
            findings_in("a.rs", "use std::fs;\n"),
            ["a.rs: does not open with `//!` and what it is"]
        );
        assert!(findings_in("a.md", "A document.\n").is_empty());
    }

    #[test]
    fn unfinished_work_is_found_with_its_line() {
        let text = format!("//! What it is.\n// {UNFINISHED}: later\n");
        assert_eq!(
            findings_in("a.rs", &text),
            [format!("a.rs:2: {UNFINISHED}, finish it: // {UNFINISHED}: later")]
        );
        assert!(findings_in("a.rs", &format!("//! MAS{UNFINISHED}N\n")).is_empty());
        assert!(findings_in("beds/go.sum", &format!("h1:/{UNFINISHED}+=\n")).is_empty());
    }

    #[test]
    fn opening_a_secret_in_a_comment_is_none() {
        assert!(opens_secrets(&format!("let t = token.{EXPOSE}();")));
        assert!(!opens_secrets(&format!("    // `{EXPOSE}` is listed")));
        assert!(!opens_secrets("use secrecy::ExposeSecret;"));
    }
}
