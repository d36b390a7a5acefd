//! A stand-in for Vault that answers at once, over TLS, so that what is measured is the extension.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;

/// The path whose secret is read.
pub(crate) const SECRET_PATH: &str = "kv/data/app";
/// What is read there.
pub(crate) const SECRET: &str = r#"{"request_id":"5f2c1c6e-8a0b-4f6b-9a51-0d3a6f1f7c11","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"username":"app","password":"correct-horse-battery-staple"},"metadata":{"created_time":"2025-01-15T10:22:33.123456789Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":3}},"wrap_info":null,"warnings":null,"auth":null}"#;
const LOGIN: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{"client_token":"hvs.BENCHMARK","accessor":"a","policies":["default"],"token_policies":["default"],"metadata":{},"lease_duration":3600,"renewable":true,"entity_id":"e","token_type":"service","orphan":true,"num_uses":0}}"#;

/// The server as a process of its own; ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(certificate: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(["serve", "--certificate"]).arg(certificate);
        let mut process =
            command.stdout(Stdio::piped()).spawn().context("cannot start the server")?;
        let mut line = String::new();
        let output = process.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line).context("the server said nothing")?;
        let address = line.trim().parse().with_context(|| format!("no address: {line}"))?;
        Ok(Self { process, address })
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
    let mut response = Response::new(Full::new(Bytes::from_static(if path.ends_with("/login") {
        LOGIN.as_bytes()
    } else if path.ends_with("/revoke-self") {
        b""
    } else {
        SECRET.as_bytes()
    })));
    if path.ends_with("/revoke-self") {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}
