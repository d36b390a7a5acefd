//! A wire that remembers: passes TCP connections on and keeps what went over them, so that a test knows the secrets
//! that must be seen nowhere else.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The wire; it is cut when this is dropped.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    passed: Arc<Mutex<Vec<u8>>>,
    serving: JoinHandle<()>,
}

impl Tap {
    /// Listens on a free port of loopback and leads to `target`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let passed = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&passed);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let record = Arc::clone(&record);
                connections.spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else { return };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::join!(
                        pass(from_client, to_server, &record),
                        pass(from_server, to_client, &record)
                    );
                });
            }
        });
        Self { address, passed, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that went over it, both ways.
    pub fn passed(&self) -> String {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&passed).into_owned()
    }

    /// The Vault tokens that logins were answered with.
    pub fn tokens(&self) -> Vec<String> {
        quoted(&self.passed(), "client_token")
    }

    /// The signed headers that logins carried, in base64.
    pub fn login_headers(&self) -> Vec<String> {
        quoted(&self.passed(), "iam_request_headers")
    }

    /// The signatures among them.
    pub fn signatures(&self) -> Vec<String> {
        self.login_headers().iter().filter_map(|headers| signature(headers)).collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The signature in the `iam_request_headers` of a login.
pub fn signature(headers: &str) -> Option<String> {
    let headers: Value = serde_json::from_slice(&STANDARD.decode(headers).ok()?).ok()?;
    let authorization = headers["Authorization"][0].as_str()?;
    Some(authorization.split_once("Signature=")?.1.to_owned())
}

/// The strings that stand in JSON under this name.
fn quoted(text: &str, name: &str) -> Vec<String> {
    let begin = format!("\"{name}\":\"");
    let parts = text.split(&begin).skip(1);
    parts.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    record: &Mutex<Vec<u8>>,
) {
    let mut piece = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        record.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..read]);
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
    // The other side is told of the end; it may be gone.
    drop(to.shutdown().await);
}
