//! Checked-in lists: one entry a line, sorted, `#` begins a comment.
//! A list is there so that its growth is a line of a reviewed diff.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::{Findings, Lists};
use crate::workspace::Workspace;

/// Compares `actual` with the list at `path`, or writes it there below the list's own comments.
pub(super) fn check(
    workspace: &Workspace,
    path: &str,
    actual: &BTreeSet<String>,
    lists: Lists,
) -> Result<Findings> {
    let file = workspace.root().join(path);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
    match lists {
        Lists::Compare => Ok(differences(path, &text, actual)),
        Lists::Write => {
            #[expect(clippy::disallowed_methods, reason = "a list of names, no secret")]
            fs::write(&file, with_entries(&text, actual))
                .with_context(|| format!("cannot write {path}"))?;
            Ok(Findings::new())
        }
    }
}

fn entries(text: &str) -> BTreeSet<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn differences(path: &str, text: &str, actual: &BTreeSet<String>) -> Findings {
    let listed = entries(text);
    let added = actual.difference(&listed).map(|entry| format!("{path}: {entry} is not listed"));
    let gone = listed.difference(actual).map(|entry| format!("{path}: {entry} is no longer there"));
    let mut findings: Findings = added.chain(gone).collect();
    if !findings.is_empty() {
        findings.push(format!("{path}: if this is meant, `cargo xtask tidy --write`"));
    }
    findings
}

fn with_entries(text: &str, actual: &BTreeSet<String>) -> String {
    let comments = text.lines().filter(|line| line.starts_with('#'));
    let mut written: String = comments.map(|line| format!("{line}\n")).collect();
    written.extend(actual.iter().map(|entry| format!("{entry}\n")));
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# Why it is kept.\nalpha\nbeta\n";

    fn set(entries: &[&str]) -> BTreeSet<String> {
        entries.iter().map(|&entry| entry.to_owned()).collect()
    }

    #[test]
    fn a_list_is_compared_both_ways() {
        assert!(differences("list", LIST, &set(&["alpha", "beta"])).is_empty());
        assert_eq!(
            differences("list", LIST, &set(&["beta", "gamma"])),
            [
                "list: gamma is not listed",
                "list: alpha is no longer there",
                "list: if this is meant, `cargo xtask tidy --write`",
            ]
        );
    }

    #[test]
    fn writing_keeps_the_comments() {
        assert_eq!(with_entries(LIST, &set(&["gamma"])), "# Why it is kept.\ngamma\n");
    }
}
