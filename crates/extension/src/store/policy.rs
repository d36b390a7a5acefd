//! What may be held and served again, and what must not pass.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response};
use serde::Deserialize;
use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::settings::{self, CacheApplies};
use strongroom_vault::token::Token;

use super::cache::{Entry, EntryLease};

/// What a request wants of the cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CacheUse {
    /// Neither look nor store.
    Bypass,
    /// Do not look, but store.
    Refresh,
    /// Look, and store.
    Serve,
}

impl CacheUse {
    /// Decides from method, path and headers. `has_own_token` says that the client is to be known
    /// to Vault by a token of its own.
    pub(crate) fn decide(
        settings: Option<&settings::Cache>,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        has_own_token: bool,
    ) -> Self {
        let Some(settings) = settings else { return Self::Bypass };
        if *method != Method::GET {
            return Self::Bypass;
        }
        let asked = Self::asked(headers).unwrap_or(match settings.applies {
            CacheApplies::ToEveryGet => Self::Serve,
            CacheApplies::WhereAsked => Self::Bypass,
        });
        if asked == Self::Bypass || has_own_token || is_never_cached(path) {
            return Self::Bypass;
        }
        if headers.iter().any(|(name, value)| is_for_it_alone(name, value)) {
            Self::Bypass
        } else {
            asked
        }
    }

    /// What the client asks for; a list may name several words, the most careful one holds.
    fn asked(headers: &HeaderMap) -> Option<Self> {
        let mut asked = None;
        for value in headers.get_all(&CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok())
        {
            for word in value.split(',') {
                asked = match (word, asked) {
                    ("nocache", _) | (_, Some(Self::Bypass)) => Some(Self::Bypass),
                    ("recache", _) | (_, Some(Self::Refresh)) => Some(Self::Refresh),
                    ("cache", _) => Some(Self::Serve),
                    (_, asked) => asked,
                };
            }
        }
        asked
    }
}

/// Whether a request may change what later reads see.
pub(super) fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && method.as_str() != "LIST"
}

/// The answer as an entry, if it may be shared at all: with those who ask now if it is an error,
/// with those who ask later if it is good JSON without what is meant for one client only.
pub(super) fn entry(
    response: &Response<Bytes>,
    token: Option<Arc<Token>>,
    ttl: Duration,
    now: UnixMilliseconds,
) -> Option<Entry> {
    let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    let entry = |life: u64, lease, storable| Entry {
        // What is not kept shares the buffer that it was read into.
        response: if storable { copied(response) } else { response.clone() },
        fetched: now,
        expires: now.saturating_add(life),
        lease,
        storable,
    };
    if response.status().as_u16() >= 400 {
        return Some(entry(0, None, false));
    }
    if !response.status().is_success() {
        return None;
    }
    let answer: Answer = serde_json::from_slice(response.body()).ok()?;
    if answer.wrap_info.is_some() || answer.auth.is_some() {
        return None;
    }
    if answer.lease_id.is_empty() {
        return Some(entry(ttl, None, true));
    }
    let life = answer.lease_duration.saturating_mul(1000);
    let lease = token.map(|token| EntryLease { token, end: now.saturating_add(life) });
    Some(entry(ttl.min(life / 3 * 2), lease, true))
}

/// A copy with memory of its own: body and headers are slices of the buffer that they were read into, which is many
/// times their size and would be kept with them.
fn copied(response: &Response<Bytes>) -> Response<Bytes> {
    let mut copy = Response::new(Bytes::copy_from_slice(response.body()));
    *copy.status_mut() = response.status();
    for (name, value) in response.headers() {
        if let Ok(mut own) = HeaderValue::from_bytes(value.as_bytes()) {
            own.set_sensitive(value.is_sensitive());
            copy.headers_mut().append(name, own);
        }
    }
    copy
}

/// Drops headers that are about one connection, and those that `Connection` names.
/// <https://www.rfc-editor.org/rfc/rfc9110#name-connection>
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok());
    let doomed: Vec<HeaderName> =
        named.chain(headers.keys().filter(|name| is_hop_by_hop(name)).cloned()).collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// Only what decides; the rest of the answer is skipped.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    auth: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    wrap_info: Option<serde::de::IgnoredAny>,
}

/// Paths that answer for one caller or for the moment.
fn is_never_cached(path: &str) -> bool {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    // A namespace may stand before them, so they are looked for at every segment.
    NEVER_CACHED.iter().any(|part| path.contains(part))
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether a header makes a request one whose answer is for it alone, or gives it a body.
fn is_for_it_alone(name: &HeaderName, value: &HeaderValue) -> bool {
    match name.as_str() {
        "content-length" => value != "0",
        "range"
        | "transfer-encoding"
        | "x-vault-index"
        | "x-vault-inconsistent"
        | "x-vault-mfa"
        | "x-vault-policy-override"
        | "x-vault-wrap-ttl" => true,
        _ => false,
    }
}

static CACHE_CONTROL: HeaderName = HeaderName::from_static("x-vault-cache-control");
const NEVER_CACHED: [&str; 4] = ["/auth/", "/sys/", "/cubbyhole/", "/identity/oidc/token/"];

#[cfg(test)]
mod tests {
    use strongroom_core::lease::Lease;
    use strongroom_vault::token::{TokenKind, TokenOrigin};

    use super::*;

    #[test]
    fn what_may_be_cached_is_asked_for_by_header_or_by_default() {
        let check = |applies, method: &Method, path: &str, headers: &[(&str, &str)], expect| {
            let settings = settings::Cache { ttl: Duration::from_secs(60), applies, size: 1 };
            let headers = headers
                .iter()
                .map(|(name, value)| {
                    (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
                })
                .collect();
            let found = CacheUse::decide(Some(&settings), method, path, &headers, false);
            assert_eq!(found, expect, "{method} {path} {headers:?}");
        };
        let asked = |headers: &[(&str, &str)], expect| {
            check(CacheApplies::WhereAsked, &Method::GET, "/v1/kv/data/x", headers, expect);
        };
        asked(&[], CacheUse::Bypass);
        asked(&[("x-vault-cache-control", "cache")], CacheUse::Serve);
        asked(&[("x-vault-cache-control", "recache")], CacheUse::Refresh);
        asked(&[("x-vault-cache-control", "cache,recache")], CacheUse::Refresh);
        asked(&[("x-vault-cache-control", "cache,nocache")], CacheUse::Bypass);
        asked(&[("x-vault-cache-control", "CACHE")], CacheUse::Bypass);
        for alone in ["x-vault-wrap-ttl", "x-vault-mfa", "x-vault-index", "range"] {
            asked(&[("x-vault-cache-control", "cache"), (alone, "1")], CacheUse::Bypass);
        }
        let every = |method: &Method, path: &str, headers: &[(&str, &str)], expect| {
            check(CacheApplies::ToEveryGet, method, path, headers, expect);
        };
        every(&Method::GET, "/v1/kv/data/x", &[], CacheUse::Serve);
        every(
            &Method::GET,
            "/v1/kv/data/x",
            &[("x-vault-cache-control", "nocache")],
            CacheUse::Bypass,
        );
        every(&Method::GET, "/v1/kv/data/x", &[("content-length", "2")], CacheUse::Bypass);
        every(&Method::POST, "/v1/kv/data/x", &[], CacheUse::Bypass);
        every(&Method::GET, "/v1/auth/token/lookup-self", &[], CacheUse::Bypass);
        every(&Method::GET, "/v1/team-a/sys/health", &[], CacheUse::Bypass);
    }

    #[test]
    fn what_is_kept_does_not_keep_the_buffer_that_it_was_read_into() {
        let buffer = Bytes::from(br#"x-value{"data":{}}"#.to_vec());
        let mut response = Response::new(buffer.slice(7..));
        let value = HeaderValue::from_maybe_shared(buffer.slice(..7)).unwrap();
        response.headers_mut().insert("x-header", value);
        let kept = entry(&response, None, Duration::from_secs(60), 0).unwrap();
        drop(response);
        assert!(buffer.is_unique());
        assert_eq!(kept.response.body(), r#"{"data":{}}"#);
        assert_eq!(kept.response.headers()["x-header"], "x-value");
    }

    #[test]
    fn what_is_kept_is_good_json_that_is_not_meant_for_one_client() {
        let lease = Lease::new(0, 3600, true);
        let token =
            Token::new("t".to_owned().into(), lease, TokenKind::Service, TokenOrigin::Login);
        let token = Arc::new(token.unwrap());
        let check = |status: u16, body: &'static str, expect: Option<(bool, u64)>| {
            let response =
                Response::builder().status(status).body(Bytes::from_static(body.as_bytes()));
            let ttl = Duration::from_secs(60);
            let entry = entry(&response.unwrap(), Some(Arc::clone(&token)), ttl, 1_000);
            let found = entry.map(|entry| (entry.storable, entry.expires - entry.fetched));
            assert_eq!(found, expect, "{status} {body}");
        };
        check(200, r#"{"data":{"a":1}}"#, Some((true, 60_000)));
        check(200, r#"{"lease_id":"","lease_duration":30,"data":{}}"#, Some((true, 60_000)));
        check(200, r#"{"lease_id":"l","lease_duration":30}"#, Some((true, 20_000)));
        check(200, r#"{"lease_id":"l","lease_duration":3600}"#, Some((true, 60_000)));
        check(200, r#"{"wrap_info":{"token":"t"}}"#, None);
        check(200, r#"{"auth":{"client_token":"t"}}"#, None);
        check(200, "<html>", None);
        check(307, "", None);
        check(404, r#"{"errors":[]}"#, Some((false, 0)));
    }
}
