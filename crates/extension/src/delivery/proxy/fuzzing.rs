//! What the fuzz target of clients' requests calls.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use http::{Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use strongroom_core::allow::Allow;
use strongroom_core::settings;
use strongroom_vault::client::{NAMESPACE, TOKEN};
use strongroom_vault::http::Outgoing;
use tokio::io::AsyncWriteExt as _;

use super::Way;
use super::guard::Guard;
use super::request;

const ALLOWED: &str = "kv/data/app/";
const ROOM: usize = 64 * 1024;

/// A connection of a client, on which these bytes come, and one with a request that passes the guard, where they are
/// path and headers: what goes up is for Vault, as nobody else's, and within what is allowed.
///
/// # Panics
/// If it is not.
pub fn client_request(bytes: &[u8]) {
    connection(bytes);
    let (path, headers) =
        bytes.split_at(bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len()));
    let pass = b" HTTP/1.1\r\nHost: localhost\r\nX-Vault-Request: true\r\n";
    connection(&[b"GET /v1/kv/data/app", path, pass, headers, b"\r\n\r\n"].concat());
}

fn connection(bytes: &[u8]) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    }
    let settings = settings::Proxy {
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8200))),
        cache: None,
        attempts: NonZeroU32::MIN,
        guards: true,
        allow: Allow::parse(&format!("{ALLOWED}*")).ok(),
    };
    let guard = Guard::new().expect("random bytes");
    // A panic in a service ends its connection only.
    let wrong = Cell::new(None);
    let service = service_fn(|request: Request<Incoming>| {
        if let Err(problem) = check(request, &settings, &guard) {
            wrong.set(Some(problem));
        }
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(ROOM);
            client
                .write_all(&bytes[..bytes.len().min(ROOM)])
                .await
                .expect("there is room for all of it");
            client.shutdown().await.expect("it is open");
            let _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).await;
        });
    });
    assert_eq!(wrong.take(), None);
}

fn check(
    mut request: Request<Incoming>,
    settings: &settings::Proxy,
    guard: &Guard,
) -> Result<(), String> {
    if guard.admit(&mut request, Way::Tcp).is_err() {
        return Ok(());
    }
    let Ok(prepared) = request::prepare(request, settings, None) else { return Ok(()) };
    let outgoing = &prepared.wanted.outgoing;
    let Outgoing { uri, headers, .. } = outgoing;
    if uri.authority().is_some() || !uri.path().starts_with('/') {
        return Err(format!("it would go elsewhere: {uri}"));
    }
    for name in [TOKEN, header::HOST, header::AUTHORIZATION, header::CONNECTION] {
        if headers.contains_key(&name) {
            return Err(format!("{name} would go up"));
        }
    }
    let allow = settings.allow.as_ref().expect("a pattern");
    if request::check(allow, outgoing).is_err() {
        return Ok(());
    }
    let namespace = headers.get(NAMESPACE).and_then(|value| value.to_str().ok());
    // `root` is Vault's name for having none.
    let namespace = namespace.map_or("", |name| name.trim_matches('/'));
    let namespace = if namespace == "root" { "" } else { namespace };
    let decoded = decoded(uri.path());
    let path = decoded.strip_prefix("/v1/").unwrap_or_default();
    let whole = if namespace.is_empty() { path.to_owned() } else { format!("{namespace}/{path}") };
    // A list's path ends with a slash.
    let mut segments = whole.strip_suffix('/').unwrap_or(&whole).split('/');
    let is_within =
        whole.starts_with(ALLOWED) && segments.all(|segment| !matches!(segment, "" | "." | ".."));
    if is_within { Ok(()) } else { Err(format!("it is not allowed: {whole}")) }
}

/// Percent signs decoded, once, by another hand than the one that is tested.
fn decoded(path: &str) -> String {
    let mut rest = path.as_bytes();
    let mut bytes = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        match after {
            [high, low, after @ ..] if byte == b'%' => {
                let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or_default();
                bytes.push((digit(high) * 16 + digit(low)) as u8);
                rest = after;
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
