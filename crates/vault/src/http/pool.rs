//! A small pool of connections to Vault: bounded, last in first out, emptied by a freeze.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use strongroom_core::lease::UnixMilliseconds;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::{Outgoing, RequestBody, ResponseBody};
use super::connect::{Connection, Connector, Target};
use super::freeze::{Freeze, UnderWay};
use super::stage::Stage;
use crate::clock::{Clock, Deadline};
use crate::error::Error;

/// Connections to one server.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

/// How much a pool may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. The function shares our file descriptors.
    pub connections: usize,
    /// For how long a connection may be idle and still be used: it may be dead after a freeze,
    /// without our having been told.
    pub idle: Duration,
}

impl Limits {
    /// For one exchange.
    pub const ONE_EXCHANGE: Self = Self { connections: 1, idle: Duration::ZERO };
}

struct Shared {
    target: Target,
    connector: Arc<Connector>,
    clock: Clock,
    freeze: Arc<Freeze>,
    idle: Mutex<VecDeque<Idle>>,
    idle_limit: UnixMilliseconds,
    permits: Arc<Semaphore>,
}

struct Idle {
    connection: Connection,
    since: UnixMilliseconds,
}

impl Pool {
    /// A pool without connections.
    #[must_use]
    pub fn new(
        target: Target,
        connector: Arc<Connector>,
        clock: Clock,
        freeze: Arc<Freeze>,
        limits: Limits,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(limits.connections));
        let idle_limit = u64::try_from(limits.idle.as_millis()).unwrap_or(u64::MAX);
        Self(Arc::new(Shared {
            target,
            connector,
            clock,
            freeze,
            idle: Mutex::default(),
            idle_limit,
            permits,
        }))
    }

    /// Where the connections lead.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// One that fails on a used connection is sent once more on a new one, if it was not sent at
    /// all or if repeating it does no harm: a GET, HEAD or LIST without a body. After a freeze
    /// likewise.
    ///
    /// # Errors
    /// [`Error`], when no answer came before the deadline or the connection broke.
    pub async fn send(
        &self,
        outgoing: &mut Outgoing,
        deadline: Deadline,
    ) -> Result<Response<ResponseBody>, Error> {
        let request = outgoing.request();
        let failure = match self.try_send(request, deadline, Reuse::Allowed).await {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        let again = match failure {
            Failure { request: Some(request), .. } => *request,
            Failure { error, reused, .. }
                if outgoing.is_repeatable() && (reused || matches!(error, Error::Frozen)) =>
            {
                outgoing.request()
            }
            Failure { error, .. } => return Err(error),
        };
        // Boxed, as what follows is rare: the future of a request is moved about as a whole.
        let trying = Box::pin(self.try_send(again, deadline, Reuse::Refused));
        trying.await.map_err(|failure| failure.error)
    }

    /// Closes what is idle.
    pub fn clear(&self) {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn try_send(
        &self,
        request: Request<RequestBody>,
        deadline: Deadline,
        reuse: Reuse,
    ) -> Result<Response<ResponseBody>, Failure> {
        let under_way = self.0.freeze.begin();
        let mut checkout = self.check_out(under_way, deadline, reuse).await?;
        let reused = checkout.reused;
        let answer = {
            let (connection, under_way) = checkout.parts();
            let exchange = connection.send(request);
            tokio::select! {
                answer = self.0.clock.before(deadline, exchange) => answer,
                () = under_way.frozen() => return Err(Failure { error: Error::Frozen, reused, request: None }),
            }
        };
        match answer {
            Some(Ok(response)) => Ok(response.map(|body| ResponseBody::new(body, checkout))),
            Some(Err(mut failure)) => {
                let request = failure.take_message().filter(|_| reused).map(Box::new);
                Err(Failure {
                    error: Error::Broken { source: failure.into_error() },
                    reused,
                    request,
                })
            }
            None => {
                Err(Failure { error: Error::Deadline { waiting_for: None }, reused, request: None })
            }
        }
    }

    async fn check_out(
        &self,
        under_way: UnderWay,
        deadline: Deadline,
        reuse: Reuse,
    ) -> Result<Checkout, Failure> {
        let permit = Arc::clone(&self.0.permits).try_acquire_owned().ok();
        if let Some(permit) = permit {
            return match self.take_idle(reuse) {
                Some(connection) if connection.is_ready() => {
                    Ok(self.checkout(connection, permit, under_way, deadline, true))
                }
                idle => {
                    Box::pin(self.check_out_slowly(permit, idle, under_way, deadline, reuse)).await
                }
            };
        }
        self.0.connector.progress().enter(Stage::Pool);
        let free = Arc::clone(&self.0.permits).acquire_owned();
        match Box::pin(self.0.clock.before(deadline, free)).await {
            Some(Ok(permit)) => {
                Box::pin(self.check_out_slowly(permit, None, under_way, deadline, reuse)).await
            }
            _ => Err(Error::Busy.into()),
        }
    }

    /// A connection that must be waited for, or opened.
    async fn check_out_slowly(
        &self,
        permit: OwnedSemaphorePermit,
        mut idle: Option<Connection>,
        under_way: UnderWay,
        deadline: Deadline,
        reuse: Reuse,
    ) -> Result<Checkout, Failure> {
        let shared = &self.0;
        while let Some(mut connection) = idle.take().or_else(|| self.take_idle(reuse)) {
            if let Some(Ok(())) = shared.clock.before(deadline, connection.ready()).await {
                return Ok(self.checkout(connection, permit, under_way, deadline, true));
            }
        }
        let asked = shared.connector.progress().stage();
        let connecting = shared.connector.connect(&shared.target);
        let connection = tokio::select! {
            connection = shared.clock.before(deadline, connecting) => match connection {
                Some(connection) => connection?,
                None => return Err(Error::Deadline { waiting_for: shared.connector.progress().stage() }.into()),
            },
            () = under_way.frozen() => return Err(Error::Frozen.into()),
        };
        if let Some(asked) = asked {
            // The connection stands: from here on it is the answer again that is waited for.
            shared.connector.progress().enter(asked);
        }
        Ok(self.checkout(connection, permit, under_way, deadline, false))
    }

    fn checkout(
        &self,
        connection: Connection,
        permit: OwnedSemaphorePermit,
        under_way: UnderWay,
        deadline: Deadline,
        reused: bool,
    ) -> Checkout {
        Checkout {
            connection: Some(connection),
            deadline,
            permit,
            pool: self.clone(),
            reused,
            under_way,
        }
    }

    /// The connection that was used last, if it is young enough; older ones are closed.
    fn take_idle(&self, reuse: Reuse) -> Option<Connection> {
        if reuse == Reuse::Refused {
            return None;
        }
        let now = self.0.clock.now();
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Idle { connection, since }) = idle.pop_back() {
            if now.abs_diff(since) >= self.0.idle_limit {
                idle.clear();
                return None;
            }
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("target", &self.0.target).finish_non_exhaustive()
    }
}

/// A connection in use.
pub(super) struct Checkout {
    connection: Option<Connection>,
    deadline: Deadline,
    permit: OwnedSemaphorePermit,
    pool: Pool,
    reused: bool,
    under_way: UnderWay,
}

impl Checkout {
    pub(super) fn give_back(mut self) {
        let Some(connection) = self.connection.take().filter(|connection| !connection.is_closed())
        else {
            return;
        };
        let since = self.pool.0.clock.now();
        self.pool
            .0
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(Idle { connection, since });
        drop(self.permit);
    }

    /// Ends when the exchange must be given up, with the reason.
    pub(super) fn interruption(&self) -> Pin<Box<dyn Future<Output = Error> + Send + Sync>> {
        let sleep = tokio::time::sleep(self.deadline.after(self.pool.0.clock.now()));
        let frozen = self.under_way.frozen();
        Box::pin(async move {
            tokio::select! {
                () = sleep => Error::Deadline { waiting_for: None },
                () = frozen => Error::Frozen,
            }
        })
    }

    fn parts(&mut self) -> (&mut Connection, &UnderWay) {
        (
            self.connection.as_mut().expect("taken only by give_back, which consumes"),
            &self.under_way,
        )
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Reuse {
    Allowed,
    Refused,
}

struct Failure {
    error: Error,
    reused: bool,
    /// The request, if it was not sent at all.
    request: Option<Box<Request<RequestBody>>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, reused: false, request: None }
    }
}

/// What [`Connection::send`] answers.
pub(super) type Answer =
    Result<Response<Incoming>, hyper::client::conn::TrySendError<Request<RequestBody>>>;
