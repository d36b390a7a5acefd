//! What is to go wrong, and for which requests.

use std::time::Duration;

/// What becomes of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// It is answered by the proxy and never reaches the server.
    Answer {
        /// The JSON body.
        body: String,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
        /// The HTTP status.
        status: u16,
    },
    /// Nothing but the rule's delay: latency.
    Forward,
    /// The server answers, and half of its answer's body is passed on before the connection is closed.
    HalfAnswer,
    /// The request is read and the connection reset, with a RST.
    Reset,
    /// The request is read and never answered; the connection stays open and is silent for good.
    Silence,
}

impl Fault {
    /// 429 with `Retry-After`, as a rate limit quota answers.
    pub fn too_many_requests(retry_after: Duration) -> Self {
        let seconds = Some(retry_after.as_secs());
        Self::answer(429, seconds, &["request path: rate limit quota exceeded"])
    }

    /// 412, as a standby answers that has not caught up with the client's `X-Vault-Index`.
    pub fn precondition_failed() -> Self {
        Self::answer(412, None, &["required index state not present"])
    }

    /// 503, as a sealed Vault answers.
    pub fn unavailable() -> Self {
        Self::answer(503, None, &["Vault is sealed"])
    }

    /// 403, as a Vault answers a token that was revoked or has expired.
    pub fn dead_token() -> Self {
        let error = r"2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";
        Self::answer(403, None, &[error])
    }

    fn answer(status: u16, retry_after: Option<u64>, errors: &[&str]) -> Self {
        let body = format!("{{\"errors\":[\"{}\"]}}\n", errors.join("\",\""));
        Self::Answer { body, retry_after, status }
    }
}

/// What becomes of a connection from its beginning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConnectionFault {
    /// After this many bytes from the server it is closed.
    CutAfter(u64),
    /// It is accepted, and the server is connected to only after this time.
    Delay(Duration),
    /// It is reset when the client has sent something.
    Reset,
    /// Whatever the client sends is swallowed; it never gets a byte.
    Silence,
}

/// A fault, for the requests that it is meant for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    pub(crate) delay: Duration,
    pub(crate) fault: Fault,
    pub(crate) left: Option<usize>,
    pub(crate) met: usize,
    method: Option<String>,
    path: Option<String>,
    pub(crate) to_spare: usize,
}

impl Rule {
    /// A fault for every request, without end.
    pub fn new(fault: Fault) -> Self {
        Self {
            delay: Duration::ZERO,
            fault,
            left: None,
            met: 0,
            method: None,
            path: None,
            to_spare: 0,
        }
    }

    /// Requests go through, this much later.
    pub fn latency(delay: Duration) -> Self {
        Self::new(Fault::Forward).delay(delay)
    }

    /// Lets this time pass before the fault.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Only requests whose path begins with this.
    #[must_use]
    pub fn path(self, prefix: &str) -> Self {
        Self { path: Some(prefix.to_owned()), ..self }
    }

    /// Only this many of the requests that match; then the rule is used up.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { left: Some(times), ..self }
    }

    /// Spares the first `count` of the requests that match.
    #[must_use]
    pub fn after(self, count: usize) -> Self {
        Self { to_spare: count, ..self }
    }

    pub(crate) fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(|prefix| path.starts_with(prefix))
    }
}
