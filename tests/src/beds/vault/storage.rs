//! A Vault that keeps what it knows: it can crash, come back, be sealed and unsealed.

use std::fs;

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::{ROOT_TOKEN, Vault};

impl Vault {
    /// Starts Vault on this address with a storage of its own.
    ///
    /// # Panics
    /// As [`Vault::start`].
    #[must_use]
    pub fn start_with_storage(address: &str) -> Self {
        Self::launch_with_storage(TempDir::new().expect("a temporary directory"), address)
    }

    fn launch_with_storage(storage: TempDir, address: &str) -> Self {
        let mut vault =
            Self::launch(&["-storage".as_ref(), storage.path().as_os_str()], address, None);
        vault.storage = Some(storage);
        vault
    }

    /// Kills the process where it stands; connections break, and nothing listens.
    ///
    /// # Panics
    /// If it does not end.
    pub fn crash(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait();
    }

    /// Starts it again after [`Vault::crash`], where it was and with what it has stored, unsealed.
    ///
    /// # Panics
    /// If it has no storage, or does not become ready.
    pub fn restart(&mut self) {
        let storage = self.storage.take().expect("it was started with a storage");
        let address = self.address.trim_start_matches("http://").to_owned();
        *self = Self::launch_with_storage(storage, &address);
    }

    /// Seals it: it listens, and answers every request with 503.
    ///
    /// # Panics
    /// If Vault refuses it.
    pub fn seal(&self) {
        self.write("sys/seal", &json!({}));
    }

    /// Unseals it.
    ///
    /// # Panics
    /// If it has no storage, or Vault refuses it.
    pub fn unseal(&self) {
        let storage = self.storage.as_ref().expect("it was started with a storage");
        let key = fs::read_to_string(storage.path().join("unseal-key")).expect("the key is there");
        let answer = self.request("POST", "sys/unseal", ROOT_TOKEN, Some(&json!({ "key": key })));
        assert_eq!(answer.json()["sealed"], false, "{}", answer.text());
    }
}
