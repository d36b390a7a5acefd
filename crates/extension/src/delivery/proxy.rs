//! The local Vault API: any Vault client of the function's works through it, without a token.

mod answer;
mod request;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use strongroom_core::settings;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::exit::{Category, Failure};
use crate::process;
use crate::store::{Answer, Problem, Store};

use answer::AnswerBody;

/// The port, taken; nobody is answered before [`Listener::serve`].
pub(crate) struct Listener {
    listener: TcpListener,
    settings: settings::Proxy,
}

/// What each request needs.
struct Proxy {
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
        let service = service_fn(move |request| {
            let proxy = Arc::clone(&self);
            async move { Ok::<_, Infallible>(proxy.answer_without_panic(request).await) }
        });
        let connection = connection_settings().serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a client of the proxy went away");
        }
        drop(place);
    }

    /// A defect costs the request in which it shows, not the environment.
    async fn answer_without_panic(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Response<AnswerBody> {
        let mut answering = pin!(self.answer(request));
        std::future::poll_fn(|cx| {
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx)));
            polled.unwrap_or_else(|_| Poll::Ready(answer::of_problem(&Problem::Defect)))
        })
        .await
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<AnswerBody> {
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
        let answer = self.store.answer(prepared.wanted).await;
        match answer {
            Ok(Answer::Whole(response)) => response.map(AnswerBody::whole),
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
    let service = service_fn(|_: Request<Incoming>| async move {
        Ok::<_, Infallible>(answer::busy(&format!(
            "all {limit} connections of the local Vault API are in use"
        )))
    });
    let connection =
        connection_settings().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    // A client that does not ask, or does not read its refusal, is gone.
    let _ = tokio::time::timeout(REFUSAL_PATIENCE, connection).await;
}

/// How every client is spoken to: idle ones may stay, and Vault's date is the date.
fn connection_settings() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None).auto_date_header(false);
    builder
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Clients that wait for a place, each with a descriptor.
const MOST_WAITING: usize = 64;
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
