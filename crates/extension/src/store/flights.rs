//! Fetches under way that others may join.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::cache::{Entry, covers};
use super::key::Key;

/// Fetches under way.
#[derive(Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, Flight>>>);

/// One of them, to wait for.
#[derive(Clone)]
pub(super) struct Flight(watch::Receiver<Option<Joined>>);

/// What those who joined get.
#[derive(Clone)]
pub(super) enum Joined {
    /// The answer is for its first client alone: each fetches its own.
    NotShareable,
    /// The answer.
    Shared(Arc<Entry>),
}

/// The end of a fetch; others can join until it is dropped.
pub(super) struct Landing {
    flights: Arc<Mutex<HashMap<Key, Flight>>>,
    key: Key,
    sender: watch::Sender<Option<Joined>>,
}

impl Flights {
    pub(super) fn join(&self, key: &Key) -> Option<Flight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn begin(&self, key: Key) -> Landing {
        let (sender, receiver) = watch::channel(None);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), Flight(receiver));
        Landing { flights: Arc::clone(&self.0), key, sender }
    }

    /// Lets nobody join what was begun before a write at these paths.
    pub(super) fn detach(&self, paths: &[String]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|key, _| !covers(paths, key.path()));
    }
}

impl Flight {
    pub(super) async fn wait(mut self) -> Joined {
        match self.0.wait_for(Option::is_some).await {
            Ok(joined) => joined.clone().unwrap_or(Joined::NotShareable),
            Err(_) => Joined::NotShareable,
        }
    }
}

impl Landing {
    /// Whether no write has made the answer untrue meanwhile, and no later fetch taken its place.
    pub(super) fn is_current(&self) -> bool {
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.get(&self.key).is_some_and(|flight| flight.0.same_channel(&self.sender.subscribe()))
    }

    pub(super) fn land(self, entry: Option<Arc<Entry>>) {
        self.sender.send_replace(Some(entry.map_or(Joined::NotShareable, Joined::Shared)));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.is_current() {
            self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        }
    }
}
