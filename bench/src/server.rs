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
/// Where the server says how many secrets were read of it, in so many digits.
const READS_PATH: &str = "bench/reads";
const READS_DIGITS: usize = 10;
const LOGIN: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{"client_token":"hvs.BENCHMARK","accessor":"a","policies":["default"],"token_policies":["default"],"metadata":{},"lease_duration":3600,"renewable":true,"entity_id":"e","token_type":"service","orphan":true,"num_uses":0}}"#;

/// The server as a process of its own; ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// The file of its certificate.
    pub(crate) certificate: PathBuf,
}

impl Server {
    pub(crate) fn start(certificate: PathBuf) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(["serve", "--certificate"]).arg(&certificate);
        let mut process =
            command.stdout(Stdio::piped()).spawn().context("cannot start the server")?;
        let mut line = String::new();
        let output = process.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line).context("the server said nothing")?;
        let address = line.trim().parse().with_context(|| format!("no address: {line}"))?;
        Ok(Self { process, address, certificate })
    }

    /// How many secrets were read so far.
    pub(crate) fn reads(&self) -> Result<usize> {
        let mut client = Client::tls(self, READS_PATH)?;
        Ok(std::str::from_utf8(client.fetch(READS_DIGITS)?)?.parse()?)
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
pub(crate) fn run(certificate: &Path) -> Result<()> {
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
    runtime.block_on(serve(tokio_rustls::TlsAcceptor::from(Arc::new(config))))
}

async fn serve(acceptor: tokio_rustls::TlsAcceptor) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let connection = hyper::server::conn::http1::Builder::new();
                // A client that goes away is none of the server's concern.
                let _ = connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            }
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    // The body must be read, or the connection cannot be used again.
    let _ = request.into_body().collect().await;
    let (status, body) = if path.ends_with("/login") {
        (StatusCode::OK, Bytes::from_static(LOGIN.as_bytes()))
    } else if path.ends_with("/revoke-self") {
        (StatusCode::NO_CONTENT, Bytes::new())
    } else if path.ends_with(READS_PATH) {
        (StatusCode::OK, format!("{:0READS_DIGITS$}", READS.load(Ordering::Relaxed)).into())
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

/// Secrets that were read.
static READS: AtomicUsize = AtomicUsize::new(0);
