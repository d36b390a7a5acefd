//! From a client's request to the one that goes up: who asks, for which namespace, what is dropped.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use hyper::body::{Body as _, Incoming};
use strongroom_core::allow::{Allow, Refused};
use strongroom_core::settings;
use strongroom_vault::client::{NAMESPACE, TOKEN};
use strongroom_vault::http::{Outgoing, RequestBody};

use crate::USER_AGENT;
use crate::store::{CacheUse, Identity, Wanted, drop_hop_by_hop};

/// A request, ready for the store.
pub(super) struct Prepared {
    /// Boxed, because it is handed on several times.
    pub(super) wanted: Box<Wanted>,
    /// Whether the client wants the extension to log in anew first.
    pub(super) renews_token: bool,
}

/// Prepares a request, or says why it cannot go up.
pub(super) fn prepare(
    request: Request<Incoming>,
    settings: &settings::Proxy,
    namespace: Option<&str>,
) -> Result<Prepared, &'static str> {
    let (mut head, body) = request.into_parts();
    let target = target(&head.method, &head.uri, settings.listen.map(|listen| listen.port()))?;
    let token = own_token(&head.headers, target.path());
    let cache_use = CacheUse::decide(
        settings.cache.as_ref(),
        &head.method,
        target.path(),
        &head.headers,
        token.is_some(),
    );
    let headers = &mut head.headers;
    // Among them a wish to switch protocols, which a server need not heed: Java's HttpClient asks for HTTP/2 so.
    // https://www.rfc-editor.org/rfc/rfc9110#name-upgrade
    drop_hop_by_hop(headers);
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| is_dropped(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    if let Some(namespace) = namespace
        && !headers.contains_key(NAMESPACE)
        && !is_in_namespace(target.path(), namespace)
        && let Ok(value) = HeaderValue::from_str(namespace)
    {
        headers.insert(NAMESPACE, value);
    }
    let renews_token = headers.get_all(&TOKEN_OPTIONS).iter().any(|value| value == "revoke");
    let body = if body.is_end_stream() { RequestBody::Empty } else { RequestBody::Streamed(body) };
    let outgoing = Outgoing { method: head.method, uri: target, headers: head.headers, body };
    let identity = token.map_or(Identity::Own, Identity::Client);
    Ok(Prepared { wanted: Box::new(Wanted { outgoing, identity, cache_use }), renews_token })
}

/// Whether a request may go up, as Vault will read it.
pub(super) fn check(allow: &Allow, outgoing: &Outgoing) -> Result<(), Refused> {
    let mut namespaces = outgoing.headers.get_all(NAMESPACE).iter();
    let namespace = namespaces.next().map(HeaderValue::to_str).transpose();
    match (namespace, namespaces.next()) {
        (Ok(namespace), None) => allow.check(namespace, outgoing.uri.path()),
        _ => Err(Refused::Ambiguous("a namespace that can be read in two ways")),
    }
}

/// Whether a client's header stays here: who it is, whom it means, and, as we look for leases and
/// cached answers go to every client, that Vault may compress.
fn is_dropped(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept-encoding" | "authorization" | "expect" | "host" | "x-vault-token"
    )
}

/// Path and query, as they came. The authority is never the client's to choose.
fn target(method: &Method, uri: &Uri, port: Option<u16>) -> Result<Uri, &'static str> {
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err("the local Vault API knows neither CONNECT nor TRACE");
    }
    if let Some(authority) = uri.authority() {
        let is_ours = matches!(authority.host(), "127.0.0.1" | "localhost" | "[::1]")
            && Some(authority.port_u16().unwrap_or(80)) == port;
        if !is_ours {
            return Err(
                "the local Vault API leads to Vault only: leave scheme and host out of the request's target",
            );
        }
    }
    match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('/') => encoded(path),
        _ => Err("the request's target has no path"),
    }
}

/// The same path and query, with what clients may send raw but no request line should hold encoded.
fn encoded(path: &PathAndQuery) -> Result<Uri, &'static str> {
    let is_plain = |byte: u8| (0x21..0x7f).contains(&byte) && !b"\"<>\\^`{|}".contains(&byte);
    if path.path().bytes().all(is_plain) {
        return Ok(Uri::from(path.clone()));
    }
    let mut text = String::with_capacity(path.as_str().len() + 16);
    for byte in path.path().bytes() {
        if is_plain(byte) {
            text.push(char::from(byte))
        } else {
            text.push_str(&format!("%{byte:02X}"))
        }
    }
    if let Some(query) = path.query() {
        text.push('?');
        text.push_str(query);
    }
    text.parse().map_err(|_| "the request's target cannot be passed on")
}

/// The token by which the client itself is to be known: one that looks like Vault's, or any with
/// which it unwraps. Clients that must send something send a dummy, which is not passed on.
fn own_token(headers: &HeaderMap, path: &str) -> Option<HeaderValue> {
    let token = headers.get(TOKEN).filter(|token| !token.is_empty())?;
    let looks_real = TOKEN_PREFIXES.iter().any(|prefix| token.as_bytes().starts_with(prefix));
    (looks_real || path.contains("/sys/wrapping/")).then(|| {
        let mut token = token.clone();
        token.set_sensitive(true);
        token
    })
}

fn is_in_namespace(path: &str, namespace: &str) -> bool {
    let path = path.strip_prefix("/v1/").unwrap_or(path);
    path.strip_prefix(namespace.trim_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// <https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes>
const TOKEN_PREFIXES: [&[u8]; 4] = [b"hvs.", b"hvb.", b"s.", b"b."];
static TOKEN_OPTIONS: HeaderName = HeaderName::from_static("x-vault-token-options");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_looks_real_is_the_clients_own() {
        let check = |token: &'static str, path, expect: bool| {
            let headers = HeaderMap::from_iter([(TOKEN, HeaderValue::from_static(token))]);
            assert_eq!(own_token(&headers, path).is_some(), expect, "{token} {path}");
        };
        check("hvs.CHILD", "/v1/kv/data/x", true);
        check("hvb.CHILD", "/v1/kv/data/x", true);
        check("s.CHILD", "/v1/kv/data/x", true);
        check("b.CHILD", "/v1/kv/data/x", true);
        check("dummy", "/v1/kv/data/x", false);
        check("", "/v1/kv/data/x", false);
        check("dummy", "/v1/sys/wrapping/unwrap", true);
        check("dummy", "/v1/team-a/sys/wrapping/unwrap", true);
    }

    #[test]
    fn the_target_is_always_vault() {
        let check = |method: &str, uri: &str, expect: Result<&str, ()>| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = target(&method, &uri.parse().unwrap(), Some(8200));
            assert_eq!(
                found.as_ref().map(ToString::to_string).map_err(|_| ()),
                expect.map(str::to_owned),
                "{uri}"
            );
        };
        check("GET", "/v1/kv/data/x?version=2", Ok("/v1/kv/data/x?version=2"));
        check("GET", "//v1/kv", Ok("//v1/kv"));
        check("GET", "/v1/kv/\u{fc}?a=\u{fc}", Ok("/v1/kv/%C3%BC?a=\u{fc}"));
        check("GET", "http://127.0.0.1:8200/v1/x", Ok("/v1/x"));
        check("GET", "http://169.254.169.254/latest", Err(()));
        check("GET", "http://127.0.0.1:9001/2018-06-01/runtime", Err(()));
        check("CONNECT", "vault.test:443", Err(()));
        check("TRACE", "/v1/x", Err(()));
        check("OPTIONS", "*", Err(()));
    }

    #[test]
    fn a_path_that_begins_with_the_namespace_is_in_it() {
        assert!(is_in_namespace("/v1/team-a/kv/data/x", "team-a"));
        assert!(is_in_namespace("/v1/a/b/kv", "a/b/"));
        assert!(!is_in_namespace("/v1/team-ab/kv", "team-a"));
    }
}
