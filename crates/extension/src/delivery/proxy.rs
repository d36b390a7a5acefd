//! The local Vault API: any Vault client of the function's works through it, without a token.

mod answer;
mod request;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use strongroom_core::settings;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::serving::{self, Host, Manners, Stream};
use crate::exit::{Category, Failure};
use crate::process;
use crate::store::{Answer, Store};

pub(super) use answer::{AnswerBody, busy, of_problem};

/// The port, taken; nobody is answered before [`Listener::serve`].
pub(crate) struct Listener {
    listener: TcpListener,
    settings: settings::Proxy,
}

/// What each request needs.
pub(super) struct Proxy {
    store: Arc<Store>,
    settings: settings::Proxy,
}

impl Listener {
    /// Takes the port on 127.0.0.1, before the runtime starts.
    pub(crate) async fn bind(settings: settings::Proxy) -> Result<Self, Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.port));
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Self { listener, settings }),
            Err(error) => Err(Failure::new(
                Category::Listener,
                format!("cannot listen on {address} for the function's Vault clients: {error}"),
            )
            .with_hint(
                "another extension or process holds the port: take vault-lambda-extension out of the layers, or set \
                 STRONGROOM_PROXY_PORT, or VAULT_RUN_MODE=file if nothing uses the proxy",
            )),
        }
    }

    /// Answers clients for ever.
    pub(crate) async fn serve(self, store: Arc<Store>) {
        let limit = process::client_limit();
        let places = Arc::new(Semaphore::new(limit));
        let waiting_room = Arc::new(Semaphore::new(MOST_WAITING));
        let proxy = Arc::new(Proxy { store, settings: self.settings });
        loop {
            // Nobody closes the semaphore. Who finds no room here waits in the kernel's queue.
            let Ok(waiting) = Arc::clone(&waiting_room).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (proxy, places) = (Arc::clone(&proxy), Arc::clone(&places));
                    tokio::spawn(async move {
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
}

impl Proxy {
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

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let prepared =
            match request::prepare(request, &self.settings, self.store.client().namespace()) {
                Ok(prepared) => prepared,
                Err(problem) => return answer::own_error(400, problem),
            };
        if prepared.renews_token {
            self.store.session().forget();
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
