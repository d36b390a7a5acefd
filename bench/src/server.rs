//! A stand-in for Vault that answers at once, over TLS, so that what is measured is the extension.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;

use crate::client::Client;

/// The path whose secret is read.
pub(crate) const SECRET_PATH: &str = "kv/data/app";
/// A reference to what is read there, and what stands in its place.
pub(crate) const PASSWORD_REFERENCE: &str = "vault:kv/data/app#password";
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";
/// What is read there, and at every other path.
pub(crate) const SECRET: &str = r#"{"request_id":"5f2c1c6e-8a0b-4f6b-9a51-0d3a6f1f7c11","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"username":"app","password":"correct-horse-battery-staple"},"metadata":{"created_time":"2025-01-15T10:22:33.123456789Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":3}},"wrap_info":null,"warnings":null,"auth":null}"#;
/// A path whose secret is leased for a few seconds.
pub(crate) const LEASED_PATH: &str = "database/creds/app";
/// Where the server says what was asked of it: numbers of so many digits.
const COUNTS_PATH: &str = "bench/counts";
const COUNT_DIGITS: usize = 10;
/// Seconds that the lease of [`LEASED_PATH`] lasts.
const LEASE_SECONDS: u64 = 4;
/// How often a token or a lease is renewed before that is refused.
const RENEWALS: usize = 3;

/// What was asked of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Secrets that were read.
    pub(crate) reads: usize,
    pub(crate) logins: usize,
    /// Renewals of tokens.
    pub(crate) renewals: usize,
    pub(crate) lease_renewals: usize,
}

/// The server as a process of its own; ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// The file of its certificate.
    pub(crate) certificate: PathBuf,
}

impl Server {
    /// One whose tokens live for an hour.
    pub(crate) fn start(certificate: PathBuf) -> Result<Self> {
        Self::with_tokens_of(certificate, 3600)
    }

    /// One whose tokens live for so many seconds, and are renewed a few times.
    pub(crate) fn with_tokens_of(certificate: PathBuf, seconds: u64) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(["serve", "--certificate"]).arg(&certificate);
        command.args(["--token-seconds", &seconds.to_string()]);
        let mut process =
            command.stdout(Stdio::piped()).spawn().context("cannot start the server")?;
        let mut line = String::new();
        let output = process.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line).context("the server said nothing")?;
        let address = line.trim().parse().with_context(|| format!("no address: {line}"))?;
        Ok(Self { process, address, certificate })
    }

    /// What was asked of it so far.
    pub(crate) fn counts(&self) -> Result<Counts> {
        let mut client = Client::tls(self, COUNTS_PATH)?;
        let text = std::str::from_utf8(client.fetch(COUNT_DIGITS * 4)?)?;
        let count = |at: usize| -> Result<usize> {
            let digits = text.get(at * COUNT_DIGITS..).and_then(|rest| rest.get(..COUNT_DIGITS));
            Ok(digits.context("too few digits")?.parse()?)
        };
        let (reads, logins, renewals, lease_renewals) =
            (count(0)?, count(1)?, count(2)?, count(3)?);
        Ok(Counts { reads, logins, renewals, lease_renewals })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves for ever; prints its address.
#[expect(clippy::disallowed_methods, reason = "a certificate is no secret")]
pub(crate) fn run(certificate: &Path, token_seconds: u64) -> Result<()> {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    std::fs::write(certificate, key.cert.pem())?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()?
    .with_no_client_auth()
    .with_single_cert(vec![key.cert.der().clone()], private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(tokio_rustls::TlsAcceptor::from(Arc::new(config)), token_seconds))
}

async fn serve(acceptor: tokio_rustls::TlsAcceptor, token_seconds: u64) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let connection = hyper::server::conn::http1::Builder::new();
                let service = service_fn(move |request| answer(request, token_seconds));
                // A client that goes away is none of the server's concern.
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    token_seconds: u64,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    // The body must be read, or the connection cannot be used again.
    let _ = request.into_body().collect().await;
    let next = |count: &AtomicUsize| count.fetch_add(1, Ordering::Relaxed) + 1;
    let (status, body) = if path.ends_with("/login") {
        next(&LOGINS);
        SINCE_LOGIN.store(0, Ordering::Relaxed);
        (StatusCode::OK, token(token_seconds).into())
    } else if path.ends_with("/renew-self") {
        next(&RENEWED_TOKENS);
        renewed(next(&SINCE_LOGIN), token(token_seconds))
    } else if path.ends_with("/leases/renew") {
        next(&RENEWED_LEASES);
        renewed(next(&SINCE_READ), leased(LEASES.load(Ordering::Relaxed)))
    } else if path.ends_with(LEASED_PATH) {
        SINCE_READ.store(0, Ordering::Relaxed);
        (StatusCode::OK, leased(next(&LEASES)).into())
    } else if path.ends_with("/revoke-self") {
        (StatusCode::NO_CONTENT, Bytes::new())
    } else if path.ends_with(COUNTS_PATH) {
        let counts = [&READS, &LOGINS, &RENEWED_TOKENS, &RENEWED_LEASES];
        let digits =
            counts.map(|count| format!("{:0COUNT_DIGITS$}", count.load(Ordering::Relaxed)));
        (StatusCode::OK, digits.concat().into())
    } else {
        READS.fetch_add(1, Ordering::Relaxed);
        (StatusCode::OK, Bytes::from_static(SECRET.as_bytes()))
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The answer to a login.
fn token(seconds: u64) -> String {
    format!(
        r#"{{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{{"client_token":"hvs.BENCHMARK","accessor":"a","policies":["default"],"token_policies":["default"],"metadata":{{}},"lease_duration":{seconds},"renewable":true,"entity_id":"e","token_type":"service","orphan":true,"num_uses":0}}}}"#
    )
}

/// The answer to a read of [`LEASED_PATH`], or to the renewal of its lease.
fn leased(number: usize) -> String {
    format!(
        r#"{{"request_id":"r","lease_id":"{LEASED_PATH}/{number}","renewable":true,"lease_duration":{LEASE_SECONDS},"data":{{"username":"app-{number}","password":"correct-horse"}},"wrap_info":null,"warnings":null,"auth":null}}"#
    )
}

/// The answer to the renewal of that number: as with Vault, there is an end to them.
fn renewed(number: usize, answer: String) -> (StatusCode, Bytes) {
    if number > RENEWALS {
        let refusal = r#"{"errors":["lease is not renewable"]}"#;
        return (StatusCode::BAD_REQUEST, Bytes::from_static(refusal.as_bytes()));
    }
    (StatusCode::OK, answer.into())
}

/// Secrets that were read.
static READS: AtomicUsize = AtomicUsize::new(0);
static LOGINS: AtomicUsize = AtomicUsize::new(0);
static RENEWED_TOKENS: AtomicUsize = AtomicUsize::new(0);
static RENEWED_LEASES: AtomicUsize = AtomicUsize::new(0);
/// Renewals of the token that was given last, and of the lease.
static SINCE_LOGIN: AtomicUsize = AtomicUsize::new(0);
static SINCE_READ: AtomicUsize = AtomicUsize::new(0);
/// Leases that were given.
static LEASES: AtomicUsize = AtomicUsize::new(0);
