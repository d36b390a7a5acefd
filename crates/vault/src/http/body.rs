//! Bodies: what is sent to Vault and what comes back.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::pool::Checkout;
use crate::error::Error;

/// What is sent.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// Nothing.
    #[default]
    Empty,
    /// These bytes.
    Full(Bytes),
    /// What a client of the proxy sends, as it comes.
    Streamed(Incoming),
}

/// A request to send, perhaps more than once.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// All headers but those of the connection.
    pub headers: HeaderMap,
    /// Body.
    pub body: RequestBody,
}

impl Outgoing {
    /// Whether it can be sent more than once: its body is held, not passed on as it comes.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !matches!(self.body, RequestBody::Streamed(_))
    }

    /// Whether sending it twice does no harm: a GET, HEAD or LIST without a body.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        let reads =
            matches!(self.method, Method::GET | Method::HEAD) || self.method.as_str() == "LIST";
        reads && self.body.is_empty()
    }

    /// The request for one try. A body that is passed on as it comes is used up by the first.
    pub(super) fn request(&mut self) -> Request<RequestBody> {
        let (body, headers) = match &self.body {
            RequestBody::Empty => (RequestBody::Empty, self.headers.clone()),
            RequestBody::Full(bytes) => (RequestBody::Full(bytes.clone()), self.headers.clone()),
            RequestBody::Streamed(_) => {
                (std::mem::take(&mut self.body), std::mem::take(&mut self.headers))
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request
    }
}

impl RequestBody {
    /// Whether the request can be sent again because nothing of it is used up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Streamed(body) => body.is_end_stream(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(body) => body.size_hint(),
        }
    }
}

/// What comes back. Its connection goes back to the pool when the last byte was read, and is
/// closed if it is dropped before, if its deadline passes or if the environment was frozen.
pub struct ResponseBody {
    inner: Incoming,
    checkout: Option<Checkout>,
    interruption: Option<Pin<Box<dyn Future<Output = Error> + Send + Sync>>>,
}

impl ResponseBody {
    pub(super) fn new(inner: Incoming, checkout: Checkout) -> Self {
        let mut body = Self { inner, checkout: Some(checkout), interruption: None };
        body.return_if_read();
        body
    }

    /// All of it, if it has at most `limit` bytes.
    ///
    /// Copied: what is read is a slice of the connection's buffer, and held, it would keep all of
    /// the buffer and have the connection allocate a new one.
    ///
    /// # Errors
    /// [`CollectError`]
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, CollectError> {
        let expected = usize::try_from(self.size_hint().upper().unwrap_or(0)).unwrap_or(usize::MAX);
        if expected > limit {
            return Err(CollectError::TooLarge);
        }
        let mut all = Vec::with_capacity(expected);
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await
        {
            let Ok(data) = frame.map_err(CollectError::Broken)?.into_data() else { continue };
            if all.len() + data.len() > limit {
                return Err(CollectError::TooLarge);
            }
            all.extend_from_slice(&data);
        }
        Ok(all.into())
    }

    fn return_if_read(&mut self) {
        if self.inner.is_end_stream()
            && let Some(checkout) = self.checkout.take()
        {
            checkout.give_back();
        }
    }

    /// Deadline and freeze are only watched once the body keeps us waiting.
    fn poll_interruption(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(checkout) = &self.checkout else { return Poll::Pending };
        let interruption = self.interruption.get_or_insert_with(|| checkout.interruption());
        interruption.as_mut().poll(cx)
    }
}

/// Why a body could not be collected.
#[derive(Debug)]
pub enum CollectError {
    /// It broke off.
    Broken(Error),
    /// It is larger than allowed.
    TooLarge,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.return_if_read();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.checkout = None;
                Poll::Ready(Some(Err(Error::Broken { source: error })))
            }
            Poll::Ready(None) => {
                this.return_if_read();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let error = ready!(this.poll_interruption(cx));
                this.checkout = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}
