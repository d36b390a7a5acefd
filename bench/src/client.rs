//! A blocking HTTP client on one connection: as little as a client can be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::server::Server;

/// One connection.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Client {
    /// To the proxy; `headers` end with CRLF each.
    pub(crate) fn plain(address: SocketAddr, path: &str, headers: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect to the proxy")?;
        stream.set_nodelay(true)?;
        Ok(Self::new(Box::new(stream), path, headers))
    }

    /// To the server itself, by TLS.
    pub(crate) fn tls(server: &Server, path: &str) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&server.certificate)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection =
            rustls::ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
        let stream = TcpStream::connect(server.address).context("cannot connect to the server")?;
        stream.set_nodelay(true)?;
        Ok(Self::new(
            Box::new(rustls::StreamOwned::new(connection, stream)),
            path,
            "X-Vault-Token: hvs.BENCHMARK\r\n",
        ))
    }

    fn new(stream: Box<dyn Stream>, path: &str, headers: &str) -> Self {
        let request =
            format!("GET /v1/{path} HTTP/1.1\r\nHost: vault\r\n{headers}\r\n").into_bytes();
        Self { stream, request, buffer: Vec::with_capacity(4096) }
    }

    /// One request; checks that the secret comes back.
    pub(crate) fn get(&mut self, expect: &str) -> Result<()> {
        let body = self.fetch(expect.len())?;
        ensure!(body == expect.as_bytes(), "another answer than the server's");
        Ok(())
    }

    /// One request, whose answer has a body of at least so many bytes.
    pub(crate) fn fetch(&mut self, length: usize) -> Result<&[u8]> {
        self.stream.write_all(&self.request)?;
        self.buffer.clear();
        let mut chunk = [0; 4096];
        let begin = loop {
            let read = self.stream.read(&mut chunk)?;
            ensure!(read > 0, "the connection was closed");
            self.buffer.extend_from_slice(&chunk[..read]);
            let head = self.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(head) = head.filter(|head| self.buffer.len() >= head + 4 + length) {
                break head + 4;
            }
        };
        Ok(&self.buffer[begin..])
    }
}
