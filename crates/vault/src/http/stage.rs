//! What is being waited for, so that a time-out or a kill leaves its reason in the log.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strongroom_core::lease::UnixMilliseconds;

use crate::clock::Clock;

/// One thing that is waited for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stage {
    /// An answer; holds method and path of the request and whom it was sent to.
    Answer(String),
    /// The answer of a name server for this host.
    Name(String),
    /// The next moment at which `VAULT_RATE_LIMIT` lets a request go.
    Pace,
    /// One of the connections to Vault, which are all in use.
    Pool,
    /// Between two tries; holds why the last one failed.
    Retry(String),
    /// A TCP connection to this address of this host.
    Tcp(String, SocketAddr),
    /// The TLS handshake with this host.
    Tls(String),
    /// A forward proxy's answer to CONNECT.
    Tunnel(String),
    /// A connection to this Unix socket.
    Unix(String),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(request) => write!(f, "the answer to {request}"),
            Self::Name(host) => write!(f, "the name server to say where {host} is"),
            Self::Pace => f.write_str("VAULT_RATE_LIMIT to let the next request go"),
            Self::Pool => f.write_str("a free connection to Vault"),
            Self::Retry(reason) => write!(f, "the next try, because {reason}"),
            Self::Tcp(host, address) if address.ip().to_string() == *host => {
                write!(f, "a TCP connection to {address}")
            }
            Self::Tcp(host, address) => write!(f, "a TCP connection to {address} ({host})"),
            Self::Tls(host) => write!(f, "the TLS handshake with {host}"),
            Self::Tunnel(proxy) => write!(f, "the forward proxy {proxy} to open a tunnel"),
            Self::Unix(path) => write!(f, "a connection to the Unix socket {path}"),
        }
    }
}

/// The last stage that any of the extension's own work reached.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Passed>>);

#[derive(Debug, Default)]
struct Passed {
    stage: Option<Stage>,
    /// All of them and when each began, where they are kept.
    trail: Option<Vec<(Stage, UnixMilliseconds)>>,
}

impl Progress {
    /// One that keeps all stages, for who wants to know how far something came.
    #[must_use]
    pub fn recording() -> Self {
        Self(Arc::new(Mutex::new(Passed { stage: None, trail: Some(Vec::new()) })))
    }

    /// What is being waited for now.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.passed().stage.clone()
    }

    /// All stages so far and when each began; they are forgotten by that.
    #[must_use]
    pub fn take_trail(&self) -> Vec<(Stage, UnixMilliseconds)> {
        self.passed().trail.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn enter(&self, stage: Stage) {
        let mut passed = self.passed();
        if let Some(trail) = &mut passed.trail {
            trail.push((stage.clone(), Clock::system().now()));
        }
        passed.stage = Some(stage);
    }

    fn passed(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
