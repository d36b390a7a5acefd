//! An HTTP client that waits without holding a thread, as servers of the same test run beside it.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::beds::Answer;

/// An answer whose body is taken piece by piece.
#[derive(Debug)]
pub struct Begun {
    body: Incoming,
    _connection: Connection,
}

/// A connection at work, closed when this is dropped.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Begun {
    /// The next piece of the body, if it has not ended; an error if it broke off.
    pub async fn piece(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            match self.body.frame().await? {
                Ok(frame) => {
                    if let Ok(piece) = frame.into_data() {
                        return Some(Ok(piece));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A connection that stays open for one request after the other.
#[derive(Debug)]
pub struct Client {
    _connection: Connection,
    sender: http1::SendRequest<Empty<Bytes>>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Its failure is seen by who waits for an answer.
        let connection = Connection(tokio::spawn(async move { drop(connection.await) }));
        Ok(Self { _connection: connection, sender })
    }

    /// Sends a GET and reads the answer.
    ///
    /// # Errors
    /// The connection has been closed, or breaks.
    ///
    /// # Panics
    /// If `path` is none.
    pub async fn get(&mut self, path: &str) -> io::Result<Answer> {
        let request = Request::get(path).header("host", "localhost").body(Empty::new());
        let request = request.expect("a test sends a valid request");
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        exchange.await.map_err(|error: hyper::Error| io::Error::other(error))
    }
}

/// Sends a GET on a connection of its own and returns when the answer has begun.
///
/// # Errors
/// The connection fails.
///
/// # Panics
/// If `path` is none.
pub async fn begin(address: SocketAddr, path: &str) -> io::Result<Begun> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Its failure is seen by who reads the body.
    let connection = Connection(tokio::spawn(async move { drop(connection.await) }));
    let request =
        Request::get(path).header("host", address.to_string()).body(Empty::<Bytes>::new());
    let request = request.expect("a test sends a valid request");
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    Ok(Begun { body: answer.into_body(), _connection: connection })
}

/// Sends one request on a connection of its own and reads the answer, whatever its status.
///
/// # Errors
/// The connection fails, or breaks before the answer has ended.
///
/// # Panics
/// If the request is none that can be sent.
pub async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> io::Result<Answer> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let method = Method::from_bytes(method.as_bytes()).expect("a test sends a valid method");
    let mut request =
        Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a test sends a valid request");
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        Ok::<_, hyper::Error>(Answer { status: head.status.as_u16(), headers: head.headers, body })
    };
    let mut exchange = std::pin::pin!(exchange);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answer = &mut exchange => answer,
        // The server may close after its answer, which is then still to be taken.
        _ = &mut connection => exchange.await,
    }
    .map_err(io::Error::other)
}
