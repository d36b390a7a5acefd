//! What a test run comes to: how many passed, what took part, what was skipped.

use std::collections::BTreeSet;
use std::fmt;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Tally {
    /// Reads a closing line of libtest: `test result: ok. 3 passed; 1 failed; 0 ignored; ...`.
    pub(crate) fn of_libtest(line: &str) -> Option<Self> {
        let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |suffix: &str| {
            counts.split("; ").find_map(|part| part.strip_suffix(suffix)?.parse().ok())
        };
        Some(Self { passed: count(" passed")?, failed: count(" failed")? })
    }
}

/// A whole run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    /// Real parts that tests really used, with their versions.
    pub(crate) took_part: BTreeSet<String>,
    /// Tests that could not run, each with its reason; libtest counts them as passed.
    pub(crate) skipped_tests: BTreeSet<String>,
    /// Parts that could not be had, each with its reason.
    pub(crate) missing: BTreeSet<String>,
}

impl Report {
    /// Whether everything that should have run did.
    pub(crate) fn is_whole(&self) -> bool {
        self.skipped_tests.is_empty() && self.missing.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took_part = match self.took_part.len() {
            0 => "no real part".to_owned(),
            _ => self.took_part.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        };
        writeln!(f, "took part: {took_part}")?;
        for missing in &self.missing {
            writeln!(f, "left out: {missing}")?;
        }
        for skipped in &self.skipped_tests {
            writeln!(f, "skipped: {skipped}")?;
        }
        let passed = self.tally.passed.saturating_sub(self.skipped_tests.len());
        write!(f, "{passed} passed, {} failed", self.tally.failed)?;
        match self.skipped_tests.len() {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_closing_lines_are_counted() {
        let check = |line, expect| assert_eq!(Tally::of_libtest(line), expect, "{line}");
        check(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            Some(Tally { passed: 12, failed: 0 }),
        );
        check(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s",
            Some(Tally { passed: 3, failed: 2 }),
        );
        check("test it::reads ... ok", None);
        check("running 3 tests", None);
    }

    #[test]
    fn a_report_ends_with_one_plain_line() {
        let set = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
        let mut report = Report {
            tally: Tally { passed: 9, failed: 1 },
            took_part: set(&["moto 5.2.5", "HashiCorp Vault 1.14.0"]),
            ..Report::default()
        };
        assert!(report.is_whole());
        assert_eq!(
            report.to_string(),
            "took part: HashiCorp Vault 1.14.0, moto 5.2.5\n9 passed, 1 failed"
        );
        report.took_part.clear();
        report.missing = set(&["HashiCorp Vault: go is not installed"]);
        report.skipped_tests = set(&["practice: STRONGROOM_VAULT is not set"]);
        assert!(!report.is_whole());
        assert_eq!(
            report.to_string(),
            "took part: no real part\n\
             left out: HashiCorp Vault: go is not installed\n\
             skipped: practice: STRONGROOM_VAULT is not set\n\
             8 passed, 1 failed, 1 skipped"
        );
    }
}
