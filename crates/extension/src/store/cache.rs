//! Answers that may be served again: bounded in all, least used go first.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use quick_cache::sync::DefaultLifecycle;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::settings;
use strongroom_vault::token::Token;

use super::key::Key;

/// Answers that may be served again.
pub(super) struct Cache {
    entries: quick_cache::sync::Cache<Key, Arc<Entry>, ByteWeighter>,
    ttl: Duration,
}

/// One answer.
pub(super) struct Entry {
    pub(super) response: Response<Bytes>,
    pub(super) fetched: UnixMilliseconds,
    pub(super) expires: UnixMilliseconds,
    pub(super) lease: Option<Arc<Token>>,
    pub(super) storable: bool,
}

impl Cache {
    pub(super) fn new(settings: settings::Cache) -> Self {
        let size = u64::from(settings.size);
        // One shard, as there is one thread; the default asks the kernel for its processors.
        let options = OptionsBuilder::new()
            .shards(1)
            .weight_capacity(size)
            .estimated_items_capacity(usize::try_from(size / 4096).unwrap_or(1).max(1))
            .build()
            .expect("both capacities are given");
        let entries = quick_cache::sync::Cache::with_options(
            options,
            ByteWeighter,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        );
        Self { entries, ttl: settings.ttl }
    }

    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The answer under `key`, unless it is too old. A clock set back makes it too old as well:
    /// nobody knows its age.
    pub(super) fn lookup(&self, key: &Key, now: UnixMilliseconds) -> Option<Arc<Entry>> {
        self.entries.get(key).filter(|entry| (entry.fetched..entry.expires).contains(&now))
    }

    pub(super) fn insert(&self, key: Key, entry: Arc<Entry>) {
        self.entries.insert(key, entry);
    }

    pub(super) fn remove(&self, paths: &[String]) {
        self.entries.retain(|key, _| !covers(paths, key.path()));
    }

    pub(super) fn clear(&self) {
        self.entries.clear();
    }
}

impl Entry {
    /// The answer, for one more client.
    pub(super) fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.response.body().clone());
        *response.status_mut() = self.response.status();
        response.headers_mut().clone_from(self.response.headers());
        response
    }

    /// The token that its lease hangs on, if it has one.
    pub(super) fn leased_to(&self) -> Option<&Arc<Token>> {
        self.lease.as_ref()
    }

    /// Whether it may be served to those who ask later, not only to those who ask now.
    pub(super) fn is_storable(&self) -> bool {
        self.storable
    }
}

/// Whether `path` is one of `paths`, whatever slash it ends with.
pub(super) fn covers(paths: &[String], path: &str) -> bool {
    let path = path.trim_end_matches('/');
    paths.iter().any(|changed| changed == path)
}

/// Weighs entries by the bytes they take.
#[derive(Clone)]
struct ByteWeighter;

impl Weighter<Key, Arc<Entry>> for ByteWeighter {
    fn weight(&self, key: &Key, entry: &Arc<Entry>) -> u64 {
        let headers: usize = entry
            .response
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        (key.size() + entry.response.body().len() + headers + ENTRY_OVERHEAD) as u64
    }
}

/// About what an entry takes beside its bytes.
const ENTRY_OVERHEAD: usize = 512;
