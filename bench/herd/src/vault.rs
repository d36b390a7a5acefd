//! A model of a Vault whose logins are under a rate-limit quota, as Vault 1.14 was seen to apply it.
//!
//! Requests are counted in windows of one second that begin with the first request; in each, so many are admitted as
//! the quota says, and all others are answered 429 at once. All functions have one address, that of a NAT gateway, so
//! that Vault counts them together.
//! <https://developer.hashicorp.com/vault/api-docs/system/rate-limit-quotas>

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use strongroom_vault::simulation::Connecting;
use tokio::time::{Instant, sleep};

use crate::run::between;

/// Vault, and the way to it.
#[derive(Debug)]
pub(crate) struct Vault {
    rate: u32,
    headers: Headers,
    state: Mutex<State>,
}

/// Whether Vault says when to come back (`enable_rate_limit_response_headers`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Headers {
    /// As it does unless told otherwise.
    Off,
    /// `Retry-After` in whole seconds, the fraction left off: always 0 with windows of a second.
    On,
}

/// What becomes of a login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Admitted,
    /// With what `Retry-After` says, if it is sent.
    Refused(Option<u64>),
}

/// What Vault has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct State {
    first: Option<Instant>,
    window: u64,
    admitted_in_window: u32,
    count: Count,
}

impl Vault {
    pub(crate) fn new(rate: u32, headers: Headers) -> Arc<Self> {
        Arc::new(Self { rate, headers, state: Mutex::default() })
    }

    pub(crate) fn count(&self) -> Count {
        self.lock().count
    }

    /// A connection on which Vault answers HTTP, after the round trips of TCP and TLS 1.3.
    pub(crate) fn connect(self: &Arc<Self>) -> Connecting {
        let vault = Arc::clone(self);
        Box::pin(async move {
            sleep(ROUND_TRIP * 2).await;
            let (client, server) = tokio::io::duplex(DUPLEX);
            let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let vault = Arc::clone(&vault);
                async move {
                    // Its end: what the client sent is of no matter here.
                    let _ = request.into_body().collect().await;
                    Ok::<_, Infallible>(response(vault.log_in().await))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), answer));
            client
        })
    }

    /// A login on a connection that stands.
    pub(crate) async fn log_in(&self) -> Verdict {
        sleep(ROUND_TRIP / 2).await;
        let verdict = self.decide(Instant::now());
        sleep(match verdict {
            Verdict::Admitted => between(SERVICE_LEAST, SERVICE_MOST),
            Verdict::Refused(_) => REFUSAL,
        })
        .await;
        sleep(ROUND_TRIP / 2).await;
        verdict
    }

    fn decide(&self, now: Instant) -> Verdict {
        let mut state = self.lock();
        let passed = now - *state.first.get_or_insert(now);
        if passed.as_secs() > state.window {
            state.window = passed.as_secs();
            state.admitted_in_window = 0;
        }
        if state.admitted_in_window < self.rate {
            state.admitted_in_window += 1;
            state.count.admitted += 1;
            return Verdict::Admitted;
        }
        state.count.refused += 1;
        Verdict::Refused((self.headers == Headers::On).then_some(0))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn response(verdict: Verdict) -> Response<Full<Bytes>> {
    let (status, body) = match verdict {
        Verdict::Admitted => (StatusCode::OK, ADMITTED),
        Verdict::Refused(_) => (StatusCode::TOO_MANY_REQUESTS, REFUSED),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    if let Verdict::Refused(Some(seconds)) = verdict {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

const ADMITTED: &str = r#"{"auth":{"client_token":"hvs.simulated","accessor":"a","policies":["default"],"lease_duration":3600,"renewable":true,"token_type":"service"}}"#;
const REFUSED: &str =
    r#"{"errors":["request path \"auth/aws/login\": rate limit quota exceeded"]}"#;

/// From the function's VPC to Vault and back.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(2);
/// Vault asks STS and writes the token.
const SERVICE_LEAST: Duration = Duration::from_millis(30);
const SERVICE_MOST: Duration = Duration::from_millis(70);
const REFUSAL: Duration = Duration::from_millis(1);
/// Bytes under way on a connection.
const DUPLEX: usize = 4096;
