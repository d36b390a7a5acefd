//! An HTTP server that answers as a test says: for what no Vault would answer, and for bodies too large to hold.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A body of any size.
pub type Body = BoxBody<Bytes, std::io::Error>;
type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// The server; its port closes when it is dropped.
#[derive(Debug)]
pub struct Stub {
    address: SocketAddr,
    open: watch::Receiver<usize>,
    serving: JoinHandle<()>,
}

impl Stub {
    /// Listens on a free port of loopback and answers each request as `answer` says.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let answer = Arc::new(move |request| Box::pin(answer(request)) as Answering);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (count, open) = watch::channel(0);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, count) = (Arc::clone(&answer), count.clone());
                connections.spawn(async move {
                    count.send_modify(|open| *open += 1);
                    let service = service_fn(move |request| {
                        let answering = answer(request);
                        async move { Ok::<_, Infallible>(answering.await) }
                    });
                    // A client that goes away is what some tests are about.
                    drop(
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                    );
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, open, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until so many connections are open.
    ///
    /// # Panics
    /// If that does not come to pass.
    pub async fn until_open(&self, count: usize) {
        let mut open = self.open.clone();
        let waited = super::within("connections", open.wait_for(|open| *open == count)).await;
        drop(waited.expect("the server lives"));
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A body that is there as a whole.
pub fn whole(text: impl Into<Bytes>) -> Body {
    use http_body_util::BodyExt as _;
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// A body that begins with this text and never ends.
pub fn halfway(text: &'static str) -> Body {
    use http_body_util::BodyExt as _;
    Halfway(Some(Bytes::from_static(text.as_bytes()))).boxed()
}

struct Halfway(Option<Bytes>);

impl hyper::body::Body for Halfway {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            // Nobody will wake this task: that is what never ends means.
            None => Poll::Pending,
        }
    }
}

/// An answer of JSON.
///
/// # Panics
/// If the status is none.
pub fn json(status: u16, body: &serde_json::Value) -> Response<Body> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(whole(body.to_string())).expect("a valid answer")
}

/// A count that closures share.
#[derive(Debug, Default)]
pub struct Count(AtomicUsize);

impl Count {
    /// Counts one more and returns how many there were before.
    pub fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    /// How many were counted.
    pub fn total(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
