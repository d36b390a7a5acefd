//! Secrets that are read for one delivery: each once, however many files and variables it goes to.
//!
//! So a user name and its password, which Vault makes anew for each read, come from one lease.

use std::sync::{Arc, Mutex, PoisonError};

use strongroom_core::document::Document;
use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::reference::SecretId;
use strongroom_vault::clock::Deadline;
use strongroom_vault::error::Error;
use strongroom_vault::flight::Flight;

use super::Store;

/// A secret that was asked for.
#[derive(Debug)]
pub(crate) struct Secret {
    pub(crate) id: SecretId,
    /// 200, 204 or 404.
    pub(crate) status: u16,
    /// Vault's answer, if it has one.
    pub(crate) document: Option<Document>,
    pub(crate) read_at: UnixMilliseconds,
    /// The id of its lease, if it has one.
    pub(crate) lease: Option<Arc<str>>,
}

impl Secret {
    /// The answer, if it holds a secret.
    pub(crate) fn present(&self) -> Option<&Document> {
        self.document
            .as_ref()
            .filter(|document| self.status != 404 && !document.is_without_secret())
    }

    /// Whether Vault warns, as it does of a KV v2 path without `data/`.
    pub(crate) fn has_warnings(&self) -> bool {
        self.document.as_ref().is_some_and(|document| document.warnings().next().is_some())
    }
}

type Outcome = Result<Arc<Secret>, Arc<Error>>;

/// Secrets that are read together.
pub(crate) struct Batch {
    store: Arc<Store>,
    deadline: Deadline,
    /// A function has few secrets: a list is searched as fast as a map and is a tenth of its code.
    reads: Mutex<Vec<(SecretId, Arc<Flight<Outcome>>)>>,
}

impl Batch {
    /// A batch whose reads end at `deadline`.
    pub(crate) fn new(store: &Arc<Store>, deadline: Deadline) -> Arc<Self> {
        Arc::new(Self { store: Arc::clone(store), deadline, reads: Mutex::default() })
    }

    /// Begins to read secrets side by side; who asks for one of them then waits for less.
    pub(crate) fn begin<'a>(&self, ids: impl Iterator<Item = &'a SecretId>) {
        for id in ids {
            self.flight(id);
        }
    }

    /// The secret at the path as it is given.
    pub(crate) async fn secret(&self, id: &SecretId) -> Outcome {
        self.flight(id).outcome_before(self.deadline, self.store.client()).await
    }

    fn flight(&self, id: &SecretId) -> Arc<Flight<Outcome>> {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, flight)) = reads.iter().find(|(known, _)| known == id) {
            return Arc::clone(flight);
        }
        let (store, asked, deadline) = (Arc::clone(&self.store), id.clone(), self.deadline);
        let flight = Flight::begin(async move { store.read(asked, deadline).await.map(Arc::new) });
        reads.push((id.clone(), Arc::clone(&flight)));
        flight
    }

    /// The same; where nothing is there, also under the path that a KV v2 engine would have it.
    pub(crate) async fn secret_by_any_path(&self, id: &SecretId) -> Outcome {
        let secret = self.secret(id).await?;
        if secret.present().is_some() && !secret.has_warnings() {
            return Ok(secret);
        }
        let path = match self.versioned_path(&id.path).await {
            Ok(Some(path)) => path,
            // It may be there under another path, but what is here is here.
            Err(error) if secret.present().is_none() => return Err(error),
            Ok(None) | Err(_) => return Ok(secret),
        };
        let better = SecretId { path, version: id.version };
        let found = self.secret(&better).await?;
        if found.present().is_some() {
            tracing::warn!(
                "{} is in a KV v2 secrets engine: write {} and save the look-up of its mount",
                id.path,
                better.path
            );
        }
        Ok(found)
    }

    /// The path that a KV v2 engine would have a secret under, if `path` is not that already.
    pub(crate) async fn versioned_path(&self, path: &str) -> Result<Option<String>, Arc<Error>> {
        self.store.versioned_path(path, self.deadline).await
    }
}
