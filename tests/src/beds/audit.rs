//! Vault's audit file: what really reached Vault, in order.
//!
//! Vault writes an entry before it answers, so what was answered has been written.
//! <https://developer.hashicorp.com/vault/docs/audit/file>

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::vault::Vault;

/// The audit file of one Vault; gone when dropped.
#[derive(Debug)]
pub struct Audit {
    directory: TempDir,
}

impl Audit {
    /// Has this Vault log from now on.
    ///
    /// # Panics
    /// If Vault cannot write the file.
    #[must_use]
    pub fn of(vault: &Vault) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        vault.audit_to(&directory.path().join("audit"));
        Self { directory }
    }

    /// What anybody but root asked, such as `read kv/data/app` or `update auth/aws/login`.
    ///
    /// # Panics
    /// If the file is not what Vault writes.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let is_of_root = |entry: &Value| {
            let policies = entry["auth"]["policies"].as_array();
            policies.is_some_and(|policies| policies.iter().any(|policy| policy == "root"))
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entries = self.entries().into_iter();
        entries
            .filter(|entry| entry["type"] == "request" && !is_of_root(entry))
            // Vault tries a new audit file by an entry that nobody asked for.
            .filter(|entry| entry["request"]["path"] != "sys/audit/test")
            .map(|entry| {
                format!(
                    "{} {}",
                    text(&entry["request"]["operation"]),
                    text(&entry["request"]["path"])
                )
            })
            .collect()
    }

    /// How many of these requests there were.
    #[must_use]
    pub fn count(&self, request: &str) -> usize {
        self.requests().iter().filter(|made| *made == request).count()
    }

    fn entries(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.directory.path().join("audit")).expect("an audit file");
        // An entry that is being written has no end yet.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("an entry is JSON")).collect()
    }
}
