//! Users of the database that Vault has made and leased, as its audit file tells.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};

use serde_json::{Value, json};
use strongroom_chaos::Micros;
use strongroom_tests::beds::Vault;
use tempfile::TempDir;

/// What the users are leased for, in seconds.
pub(crate) const TTL: u64 = 3600;

/// Every user that there was.
#[derive(Debug)]
pub(crate) struct Leases {
    directory: TempDir,
    /// How much of the audit file has been read.
    read: u64,
    users: BTreeMap<String, User>,
}

/// A user, and its lease.
#[derive(Debug)]
struct User {
    /// When the lease was given or renewed last, in simulated time.
    granted: Micros,
    lease: String,
    made: Micros,
    password: String,
}

/// What is wrong with a user and its password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wrong {
    /// Vault gave another password with this user.
    Password,
    /// Vault made no such user.
    User,
}

impl Leases {
    /// Has Vault tell what it answers, values included: they are nobody's.
    pub(crate) fn of(vault: &Vault) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let options = json!({
            "file_path": directory.path().join("audit"),
            "log_raw": "true",
            "mode": "0600",
        });
        vault.write("sys/audit/raw", &json!({ "type": "file", "options": options }));
        Self { directory, read: 0, users: BTreeMap::new() }
    }

    /// Reads what Vault has given since the last time; `now` is simulated time.
    pub(crate) fn follow(&mut self, now: Micros) {
        let mut file = File::open(self.directory.path().join("audit")).expect("an audit file");
        file.seek(SeekFrom::Start(self.read)).expect("a file can be read from anywhere");
        let mut file = BufReader::new(file);
        let mut line = String::new();
        // An entry without an end is being written.
        while file.read_line(&mut line).is_ok() && line.ends_with('\n') {
            self.read += line.len() as u64;
            if let Ok(entry) = serde_json::from_str::<Value>(&line) {
                self.note(&entry, now);
            }
            line.clear();
        }
    }

    fn note(&mut self, entry: &Value, now: Micros) {
        let (request, response) = (&entry["request"], &entry["response"]);
        if entry["type"] != "response" || !entry["error"].is_null() {
            return;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match request["path"].as_str() {
            Some("database/creds/app") => {
                let data = &response["data"];
                let lease = text(&response["secret"]["lease_id"]);
                if let (Some(user), Some(password)) =
                    (text(&data["username"]), text(&data["password"]))
                {
                    let lease = lease.unwrap_or_default();
                    self.users.insert(user, User { granted: now, lease, made: now, password });
                }
            }
            Some("sys/leases/renew") => {
                let lease = text(&request["data"]["lease_id"]).unwrap_or_default();
                let renewed = self.users.values_mut().filter(|user| user.lease == lease);
                renewed.for_each(|user| user.granted = now);
            }
            _ => {}
        }
    }

    /// Whether Vault gave these together.
    pub(crate) fn check(&self, user: &str, password: &str) -> Result<(), Wrong> {
        let known = self.users.get(user).ok_or(Wrong::User)?;
        if known.password == password { Ok(()) } else { Err(Wrong::Password) }
    }

    /// When the user's lease was given or renewed last.
    pub(crate) fn granted(&self, user: &str) -> Micros {
        self.users.get(user).map_or(0, |user| user.granted)
    }

    /// When the user was made.
    pub(crate) fn made(&self, user: &str) -> Micros {
        self.users.get(user).map_or(0, |user| user.made)
    }

    /// How many users there were.
    pub(crate) fn count(&self) -> usize {
        self.users.len()
    }
}
