//! Answers that may be served again: bounded in all, least used go first.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderValue};
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
    pub(super) lease: Option<EntryLease>,
    pub(super) storable: bool,
}

/// What a leased answer lives on.
pub(super) struct EntryLease {
    /// The token with which it ends.
    pub(super) token: Arc<Token>,
    /// When it is over in any case.
    pub(super) end: UnixMilliseconds,
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

    /// The same, unless its time has been over for `stale_for`, or its lease is.
    pub(super) fn lookup_stale(
        &self,
        key: &Key,
        now: UnixMilliseconds,
        stale_for: Duration,
    ) -> Option<Arc<Entry>> {
        let entry = self.entries.get(key)?;
        let stale_for = u64::try_from(stale_for.as_millis()).unwrap_or(u64::MAX);
        let end = entry.expires.saturating_add(stale_for);
        let end = entry.lease.as_ref().map_or(end, |lease| end.min(lease.end));
        (entry.fetched..end).contains(&now).then_some(entry)
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
        self.response.clone()
    }

    /// The answer, for a client that gets it past its time.
    /// <https://www.rfc-editor.org/rfc/rfc7234#section-5.5.2>
    pub(super) fn stale_response(&self) -> Response<Bytes> {
        let mut response = self.response.clone();
        let warning = HeaderValue::from_static("111 strongroom \"Revalidation Failed\"");
        response.headers_mut().insert(header::WARNING, warning);
        response
    }

    /// The token that its lease hangs on, if it has one.
    pub(super) fn leased_to(&self) -> Option<&Arc<Token>> {
        self.lease.as_ref().map(|lease| &lease.token)
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

#[cfg(test)]
mod tests {
    use strongroom_core::lease::Lease;
    use strongroom_core::settings::CacheApplies;
    use strongroom_vault::http::Outgoing;
    use strongroom_vault::token::{TokenKind, TokenOrigin};

    use super::*;

    fn cache(size: u32) -> Cache {
        let ttl = Duration::from_secs(60);
        Cache::new(settings::Cache { ttl, applies: CacheApplies::ToEveryGet, size })
    }

    fn key(path: &str) -> Key {
        Key::of(&Outgoing { uri: path.parse().unwrap(), ..Default::default() })
    }

    fn entry(bytes: usize) -> Arc<Entry> {
        let response = Response::new(Bytes::from(vec![0; bytes]));
        Arc::new(Entry { response, fetched: 1_000, expires: 61_000, lease: None, storable: true })
    }

    #[test]
    fn it_never_holds_more_bytes_than_it_may() {
        let cache = cache(64 * 1024);
        for number in 0..1_000 {
            cache.insert(key(&format!("/v1/kv/data/{number}")), entry(1_024));
            assert!(cache.entries.weight() <= 64 * 1024);
        }
        assert!(cache.entries.len() > 30, "{} are held", cache.entries.len());
        cache.insert(key("/v1/kv/data/large"), entry(65 * 1024));
        assert!(cache.entries.weight() <= 64 * 1024);
    }

    #[test]
    fn an_entry_is_served_within_its_time_only() {
        let cache = cache(64 * 1024);
        cache.insert(key("/v1/kv/data/x"), entry(1));
        let state = |now, stale_for| {
            let key = key("/v1/kv/data/x");
            match cache.lookup_stale(&key, now, Duration::from_millis(stale_for)) {
                Some(_) if cache.lookup(&key, now).is_some() => "fresh",
                Some(_) => "stale",
                None => {
                    assert!(cache.lookup(&key, now).is_none());
                    "gone"
                }
            }
        };
        assert_eq!([state(1_000, 0), state(60_999, 0)], ["fresh", "fresh"]);
        assert_eq!(state(61_000, 0), "gone", "too old");
        assert_eq!([state(999, 0), state(999, 9_000)], ["gone"; 2], "the clock was set back");
        assert_eq!([state(61_000, 500), state(61_500, 500)], ["stale", "gone"]);
    }

    #[test]
    fn an_entry_is_never_served_after_the_end_of_its_lease() {
        let cache = cache(64 * 1024);
        let lease = Lease::new(0, 3600, true);
        let token =
            Token::new("t".to_owned().into(), lease, TokenKind::Service, TokenOrigin::Login);
        let lease = EntryLease { token: Arc::new(token.unwrap()), end: 91_000 };
        let response = Response::new(Bytes::new());
        let entry =
            Entry { response, fetched: 1_000, expires: 61_000, lease: Some(lease), storable: true };
        cache.insert(key("/v1/database/creds/app"), Arc::new(entry));
        let is_held = |now| {
            cache
                .lookup_stale(&key("/v1/database/creds/app"), now, Duration::from_hours(1))
                .is_some()
        };
        assert!(is_held(90_999));
        assert!(!is_held(91_000));
    }

    #[test]
    fn what_a_write_changed_is_dropped_and_nothing_else() {
        let cache = cache(64 * 1024);
        for path in [
            "/v1/kv/data/x?version=1",
            "/v1/kv/metadata/x",
            "/v1/kv/metadata/?list=true",
            "/v1/kv/data/y",
        ] {
            cache.insert(key(path), entry(1));
        }
        cache.remove(&crate::store::key::changed_by("/v1/kv/data/x"));
        let is_held = |path| cache.lookup(&key(path), 2_000).is_some();
        assert!(!is_held("/v1/kv/data/x?version=1"));
        assert!(!is_held("/v1/kv/metadata/x"));
        assert!(!is_held("/v1/kv/metadata/?list=true"));
        assert!(is_held("/v1/kv/data/y"));
    }
}
