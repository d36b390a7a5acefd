//! The HTTP server for everybody who asks the extension.
//!
//! It is one for all of them, clients of the local Vault API and the exec wrapper alike: with another type of stream,
//! body or service the compiler would make it anew, which is 30 KB of the layer each time.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::proxy::{self, AnswerBody, Proxy, Way};
use super::socket::Desk;
use crate::process;
use crate::store::Problem;

/// A client's connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Who answers on a connection.
#[derive(Clone)]
pub(super) enum Host {
    /// Nobody: so many are there already.
    Nobody(usize),
    /// The local Vault API.
    Proxy(Arc<Proxy>),
    /// Who gives variables, to this process.
    Variables(Arc<Desk>, process::Identity),
}

/// How a client is spoken to.
pub(super) struct Manners {
    /// Whether it may ask again on the same connection.
    pub(super) keeps_connection: bool,
    /// How long it may take to ask; `None` for as long as it pleases.
    pub(super) patience: Option<Duration>,
}

/// Answers on a connection until it ends.
pub(super) async fn serve(stream: Stream, host: Host, manners: Manners) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let host = host.clone();
        async move { Ok::<_, Infallible>(host.answer_without_panic(request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(manners.patience);
    // There may be hundreds of clients, and each may send, or not read, as much as fits.
    server.max_buf_size(MOST_BUFFERED);
    // Vault's date is the date.
    server.keep_alive(manners.keeps_connection).auto_date_header(false);
    server.serve_connection(TokioIo::new(stream), service).await
}

impl Host {
    /// A defect costs the request in which it shows, not the environment.
    async fn answer_without_panic(self, request: Request<Incoming>) -> Response<AnswerBody> {
        let mut answering = pin!(self.answer(request));
        std::future::poll_fn(|cx| {
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx)));
            polled.unwrap_or_else(|_| Poll::Ready(proxy::of_problem(&Problem::Defect)))
        })
        .await
    }

    async fn answer(self, request: Request<Incoming>) -> Response<AnswerBody> {
        match self {
            Self::Proxy(proxy) => proxy.answer(request, Way::Tcp).await,
            Self::Nobody(limit) => {
                proxy::busy(&format!("all {limit} connections of the local Vault API are in use"))
            }
            // Boxed, as it is rare: the future of a request is moved about as a whole.
            Self::Variables(desk, peer) => Box::pin(desk.answer(request, peer)).await,
        }
    }
}

/// Bytes of a request's head at most, and of what waits to be read or written on a connection.
const MOST_BUFFERED: usize = 64 * 1024;

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
