//! An HTTP/1.1 listener on loopback, with or without TLS, that ends when it is dropped.
//! Bodies are read whole and bounded before the handler sees them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Vault's own default, `max_request_size`: 32 MiB.
/// <https://developer.hashicorp.com/vault/docs/configuration/listener/tcp#max_request_size>
const BODY_LIMIT: usize = 32 * 1024 * 1024;
const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// What answers a request whose body has been read.
pub(crate) type Handler = Arc<
    dyn Fn(Request<Bytes>) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> + Send + Sync,
>;

#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Listener {
    pub(crate) async fn start(
        listen: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        handler: Handler,
    ) -> io::Result<Self> {
        if !listen.ip().is_loopback() {
            let refused = format!("{listen} is not a loopback address");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refused));
        }
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let acceptor = tls.map(TlsAcceptor::from);
        let accepting = tokio::spawn(accept(listener, acceptor, handler));
        Ok(Self { address, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and every connection, and returns when both are gone.
    pub(crate) async fn stop(mut self) {
        self.accepting.abort();
        let _cancelled = (&mut self.accepting).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Owns the connections: when this task is aborted, so are they.
async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, handler: Handler) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Out of descriptors or a peer already gone: the next accept decides.
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&handler)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, handler: Handler) {
    let _unimportant = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return serve(TokioIo::new(stream), handler).await;
    };
    let handshake = tokio::time::timeout(HEAD_DEADLINE, acceptor.accept(stream));
    if let Ok(Ok(stream)) = handshake.await {
        serve(TokioIo::new(stream), handler).await;
    }
}

async fn serve<S>(stream: S, handler: Handler)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(|request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move {
            let (head, body) = request.into_parts();
            let response = match Limited::new(body, BODY_LIMIT).collect().await {
                Ok(body) => handler(Request::from_parts(head, body.to_bytes())).await,
                Err(_) => too_large(),
            };
            Ok::<_, std::convert::Infallible>(response.map(Full::new))
        }
    });
    // A peer that breaks the protocol or hangs up is its own problem, not the server's.
    let _peer = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(stream, service)
        .await;
}

fn too_large() -> Response<Bytes> {
    let mut response =
        Response::new(Bytes::from_static(br#"{"errors":["http: request body too large"]}"#));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}
