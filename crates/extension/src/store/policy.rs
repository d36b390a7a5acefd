//! What may be held and served again, and what must not pass.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Response};
use serde::Deserialize;
use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::settings::{self, CacheApplies};
use strongroom_vault::token::Token;

use super::cache::Entry;

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
        let is_unusual = BYPASSING.iter().any(|name| headers.contains_key(name));
        let has_body = headers.contains_key(header::TRANSFER_ENCODING)
            || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
        if *method != Method::GET
            || is_unusual
            || has_own_token
            || has_body
            || is_never_cached(path)
        {
            return Self::Bypass;
        }
        let asked: Vec<&str> = headers
            .get_all(CACHE_CONTROL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        if asked.contains(&"nocache") {
            Self::Bypass
        } else if asked.contains(&"recache") {
            Self::Refresh
        } else if asked.contains(&"cache") || settings.applies == CacheApplies::ToEveryGet {
            Self::Serve
        } else {
            Self::Bypass
        }
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
    let entry = |life: u64, lease, storable| {
        let mut copy = Response::new(response.body().clone());
        *copy.status_mut() = response.status();
        copy.headers_mut().clone_from(response.headers());
        Entry { response: copy, fetched: now, expires: now.saturating_add(life), lease, storable }
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
    let two_thirds = answer.lease_duration.saturating_mul(1000) / 3 * 2;
    Some(entry(ttl.min(two_thirds), token, true))
}

/// Headers that are about one connection, and those that `Connection` names.
/// <https://www.rfc-editor.org/rfc/rfc9110#name-connection>
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in &named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
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

const CACHE_CONTROL: HeaderName = HeaderName::from_static("x-vault-cache-control");
const NEVER_CACHED: [&str; 4] = ["/auth/", "/sys/", "/cubbyhole/", "/identity/oidc/token/"];

const BYPASSING: [HeaderName; 6] = [
    HeaderName::from_static("x-vault-wrap-ttl"),
    HeaderName::from_static("x-vault-mfa"),
    HeaderName::from_static("x-vault-policy-override"),
    HeaderName::from_static("x-vault-index"),
    HeaderName::from_static("x-vault-inconsistent"),
    header::RANGE,
];

const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
