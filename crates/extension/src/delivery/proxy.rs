//! The local Vault API: any Vault client of the function's works through it, without a token.

mod answer;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod guard;
mod holder;
mod request;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use strongroom_core::settings;
use strongroom_vault::task;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use super::serving::{self, Host, Manners, Stream};
use crate::exit::{Category, Failure};
use crate::process;
use crate::store::{Answer, Store};

pub(super) use answer::{AnswerBody, busy, of_problem};
use guard::Guard;

/// The port, taken; nobody is answered before [`Listener::open`].
pub(crate) struct Listener {
    listener: Option<TcpListener>,
    settings: settings::Proxy,
    guard: Option<Guard>,
}

/// What each request needs.
pub(crate) struct Proxy {
    store: Arc<Store>,
    settings: settings::Proxy,
    guard: Option<Guard>,
}

/// How a client came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Tcp,
    Unix,
}

impl Listener {
    /// Takes address and port, if any, before the runtime starts.
    pub(crate) async fn bind(settings: settings::Proxy) -> Result<Self, Failure> {
        let guard = settings.guards.then(Guard::new).transpose()?;
        let Some(address) = settings.listen else {
            return Ok(Self { listener: None, settings, guard });
        };
        let error = match TcpListener::bind(address).await {
            Ok(listener) => return Ok(Self { listener: Some(listener), settings, guard }),
            Err(error) => error,
        };
        let holder = match error.kind() {
            ErrorKind::AddrInUse => format!("; {}", holder::of(address.port())),
            _ => String::new(),
        };
        let message =
            format!("cannot listen on {address} for the function's Vault clients: {error}{holder}");
        Err(Failure::new(Category::Listener, message).with_hint(
            "another extension or process holds the port: take vault-lambda-extension out of the layers, or set \
             STRONGROOM_PROXY_PORT, or VAULT_RUN_MODE=file if nothing uses the proxy",
        ))
    }

    /// Who answers, and the task that answers clients of the port for ever.
    pub(crate) fn open(
        self,
        store: &Arc<Store>,
    ) -> (Arc<Proxy>, Option<impl Future<Output = ()> + Send + use<>>) {
        let Self { listener, settings, guard } = self;
        let proxy = Arc::new(Proxy { store: Arc::clone(store), settings, guard });
        let serving = listener.map(|listener| Arc::clone(&proxy).serve(listener));
        (proxy, serving)
    }
}

impl Proxy {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        let proxy = self;
        let limit = process::client_limit();
        let places = Arc::new(Semaphore::new(limit));
        let waiting_room = Arc::new(Semaphore::new(MOST_WAITING));
        loop {
            // Nobody closes the semaphore. Who finds no room here waits in the kernel's queue.
            let Ok(waiting) = Arc::clone(&waiting_room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (proxy, places) = (Arc::clone(&proxy), Arc::clone(&places));
                    task::spawn(async move {
                        match proxy.wait_for_place(places).await {
                            Some(place) => {
                                drop(waiting);
                                proxy.serve_connection(stream, place).await;
                            }
                            None => refuse(stream, limit).await,
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client of the proxy; it may be out of file descriptors");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn wait_for_place(&self, places: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let clock = self.store.client().clock();
        clock.before(self.store.deadline(), places.acquire_owned()).await?.ok()
    }

    async fn serve_connection(self: Arc<Self>, stream: TcpStream, place: OwnedSemaphorePermit) {
        // Requests are small and each waits for its answer.
        let _ = stream.set_nodelay(true);
        // Idle clients may stay.
        let manners = Manners { keeps_connection: true, patience: None };
        if let Err(error) = serving::serve(Stream::Tcp(stream), Host::Proxy(self), manners).await {
            tracing::debug!(%error, "a client of the proxy went away");
        }
        drop(place);
    }

    /// `NAME=value` of what the exec wrapper sets so that the function's clients pass the guard, with a NUL behind each.
    pub(super) fn passes(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.guard.as_ref().map(Guard::variables)
    }

    /// Answers one request.
    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        way: Way,
    ) -> Response<AnswerBody> {
        if let Some(guard) = &self.guard
            && let Err(reason) = guard.admit(&mut request, way)
        {
            tracing::warn!("a request to the local Vault API was refused: it {reason}");
            return answer::own_error(403, &format!("STRONGROOM_GUARD_HTTP: the request {reason}"));
        }
        let prepared =
            match request::prepare(request, &self.settings, self.store.client().namespace()) {
                Ok(prepared) => prepared,
                Err(problem) => return answer::own_error(400, problem),
            };
        if let Some(allow) = &self.settings.allow
            && let Err(refused) = request::check(allow, &prepared.wanted.outgoing)
        {
            let path = prepared.wanted.outgoing.uri.path();
            tracing::warn!(
                path,
                "a request to the local Vault API was refused: its path {refused}"
            );
            return answer::own_error(403, &format!("the path {path} {refused}"));
        }
        if prepared.renews_token {
            Box::pin(self.store.session().revoke_now()).await;
        }
        let method = prepared.wanted.outgoing.method.clone();
        let uri = prepared.wanted.outgoing.uri.clone();
        let visit = self.store.visit();
        let answer = self.store.answer(prepared.wanted).await;
        if let Some(visit) = visit {
            Box::pin(visit.end()).await;
        }
        match answer {
            Ok(Answer::Whole(response, room)) => {
                response.map(|bytes| AnswerBody::whole(room.around(bytes)))
            }
            Ok(Answer::Streamed(response)) => {
                let session = Arc::clone(self.store.session());
                response.map(|body| AnswerBody::streamed(body, session))
            }
            Err(problem) => {
                let response = answer::of_problem(&problem);
                let path = uri.path();
                tracing::warn!(%method, path, status = response.status().as_u16(), "{}", answer::explain(&problem));
                response
            }
        }
    }
}

/// 503 for a client that found no place in time; its request is read first, as an answer that
/// comes before it, or a close that leaves it unread, would look like a broken connection.
async fn refuse(stream: TcpStream, limit: usize) {
    let manners = Manners { keeps_connection: false, patience: None };
    let refusal = serving::serve(Stream::Tcp(stream), Host::Nobody(limit), manners);
    // A client that does not ask, or does not read its refusal, is gone.
    let _ = tokio::time::timeout(REFUSAL_PATIENCE, refusal).await;
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Clients that wait for a place, each with a descriptor.
const MOST_WAITING: usize = 64;
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
