//! The Unix socket on which the exec wrapper asks for variables: its place, who may ask, and for how long.
//!
//! `GET /environment` is answered by `NAME=value` of each resolved variable with a NUL behind it; or by another status
//! than 200 and a text that says why not, in the words in which the caller of the function shall read it.

mod place;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use strongroom_core::settings::{self, Given};
use strongroom_core::wrapper;
use strongroom_vault::clock::Deadline;
use strongroom_vault::task;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::proxy::{AnswerBody, Proxy, Way};
use super::serving::{self, Host, Manners, Stream};
use super::variables::{Block, Variables};
use crate::exit::Failure;
use crate::process;
use crate::store::{Batch, Store};

use place::Place;

/// The socket, bound; nobody is answered before [`Listener::open`].
pub(crate) struct Listener {
    listener: UnixListener,
    place: Place,
    given: Given,
}

/// What the wrapper waits for: the variables, or the text that says why there are none.
type Outcome = Result<Arc<Block>, Arc<str>>;

/// What is given on the socket, and to whom.
pub(crate) struct Desk {
    store: Arc<Store>,
    variables: Arc<Variables>,
    /// The local Vault API, which is answered here, too.
    proxy: Option<Arc<Proxy>>,
    given: Given,
    init_deadline: Deadline,
    outcome: watch::Sender<Option<Outcome>>,
    /// Whether the environment has failed, and so has whoever asks.
    has_failed: AtomicBool,
    /// Whether what was published is held no longer.
    is_forgotten: AtomicBool,
    /// Whether the first invocation was seen.
    is_closed: AtomicBool,
    is_asked: AtomicBool,
    answered: Notify,
    /// Who was answered, where each process is only as it starts, as no invocation will be seen.
    once: Option<Mutex<Vec<process::Identity>>>,
}

impl Listener {
    /// Takes the socket's place, before the runtime starts.
    pub(crate) fn bind(settings: &settings::Socket) -> Result<Self, Failure> {
        let (place, listener) = Place::take(&settings.path)?;
        Ok(Self { listener, place, given: settings.given })
    }

    /// What is to be given here, and the task that answers for ever, which gives the place up when it is dropped.
    pub(crate) fn open(
        self,
        store: &Arc<Store>,
        variables: &Arc<Variables>,
        proxy: Option<Arc<Proxy>>,
        init_deadline: Deadline,
        sees_invocations: bool,
    ) -> (Arc<Desk>, impl Future<Output = ()> + Send + use<>) {
        let desk = Arc::new(Desk {
            store: Arc::clone(store),
            variables: Arc::clone(variables),
            proxy,
            given: self.given,
            init_deadline,
            outcome: watch::Sender::new(None),
            has_failed: AtomicBool::new(false),
            is_forgotten: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            is_asked: AtomicBool::new(false),
            answered: Notify::new(),
            once: (!sees_invocations).then(Mutex::default),
        });
        let (serving, listener, place) = (Arc::clone(&desk), self.listener, self.place);
        (desk, async move {
            let _place = place;
            serving.serve(listener).await;
        })
    }
}

impl Desk {
    /// Says what is to be given: from now on who asks is answered.
    pub(crate) fn publish(&self, outcome: Result<Block, Failure>) {
        self.outcome.send_replace(Some(told(outcome)));
    }

    /// Says that nothing will ever be given, as the environment has failed.
    pub(crate) fn publish_end(&self, failure: &Failure) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.outcome.send_replace(Some(Err(explained(failure))));
    }

    /// Holds nothing any longer: who asks from now on has the secrets read anew.
    pub(crate) fn forget(&self) {
        if !self.has_failed.load(Ordering::Relaxed) {
            self.is_forgotten.store(true, Ordering::Relaxed);
            self.outcome.send_replace(None);
        }
    }

    /// The function's programs have started: who asks from now on is refused, unless it is wanted otherwise.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.forget();
    }

    /// Whether anybody has asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Waits until somebody was answered.
    pub(crate) async fn answered(&self) {
        self.answered.notified().await;
    }

    async fn serve(self: Arc<Self>, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
        loop {
            // Nobody closes the semaphore. Who finds no place waits in the kernel's queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    task::spawn(Arc::clone(&self).serve_connection(stream, place));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client of the socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve_connection(self: Arc<Self>, stream: UnixStream, place: OwnedSemaphorePermit) {
        let Some(peer) = process::Identity::of_peer(&stream) else {
            tracing::warn!("a process of another user asked on the socket and was refused");
            return;
        };
        let host = Host::Variables(Arc::clone(&self), peer);
        let manners = Manners { keeps_connection: false, patience: Some(PATIENCE) };
        let serving = serving::serve(Stream::Unix(stream), host, manners);
        let clock = self.store.client().clock();
        let end = self.init_deadline.max(clock.deadline_in(LONGEST_ANSWER));
        match clock.before(end, serving).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "a client of the socket went away"),
            None => tracing::warn!("a client of the socket did not read its answer in time"),
        }
        drop(place);
        self.answered.notify_one();
    }

    /// Answers one request of a process.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: process::Identity,
    ) -> Response<AnswerBody> {
        if let Some(proxy) = self.proxy.as_ref().filter(|_| is_for_vault(&request)) {
            return proxy.answer(request, Way::Unix).await;
        }
        if request.method() != Method::GET || request.uri().path() != wrapper::REQUEST_PATH {
            return text(StatusCode::NOT_FOUND, "this socket knows GET /environment only");
        }
        self.is_asked.store(true, Ordering::Relaxed);
        let passes = self.proxy.as_ref().and_then(|proxy| proxy.passes());
        if (!self.variables.is_empty() || passes.is_some()) && !self.may_ask(peer) {
            return text(
                StatusCode::FORBIDDEN,
                "variables are given until the first invocation, and on Managed Instances once to each process: a \
                 program that starts later needs STRONGROOM_ENV_API=on",
            );
        }
        let outcome = if self.is_forgotten.load(Ordering::Relaxed) {
            self.resolve_anew().await
        } else {
            self.outcome().await
        };
        match outcome {
            Ok(block) => {
                let block = match passes {
                    Some(passes) => Arc::new(joined(&block, &passes)),
                    None => block,
                };
                // No copy is made, and it is wiped when the last who asked has it.
                let mut response =
                    Response::new(AnswerBody::whole(Bytes::from_owner(Shared(block))));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
                response
            }
            Err(problem) => text(StatusCode::SERVICE_UNAVAILABLE, &problem),
        }
    }

    async fn resolve_anew(&self) -> Outcome {
        let visit = self.store.visit();
        let batch = Batch::new(&self.store, self.store.deadline());
        let resolved = self.variables.resolve(&batch).await;
        if let Some(visit) = visit {
            visit.end().await;
        }
        told(resolved)
    }

    async fn outcome(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        match outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            _ => Err("the extension ended".into()),
        }
    }

    fn may_ask(&self, peer: process::Identity) -> bool {
        if self.given == Given::Always {
            return true;
        }
        match &self.once {
            None => !self.is_closed.load(Ordering::Relaxed),
            Some(answered) => {
                let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
                let times = answered.iter().filter(|answered| **answered == peer).count();
                let may_ask = times < MOST_IN_ONE_PROCESS || !peer.is_known();
                if may_ask && peer.is_known() {
                    if answered.len() == MOST_ANSWERS {
                        answered.remove(0);
                    }
                    answered.push(peer);
                }
                may_ask
            }
        }
    }
}

/// Variables that have a value of their own win over what passes the guard.
fn joined(block: &Block, passes: &Block) -> Block {
    let mut all = Block::new(Vec::with_capacity(block.len() + passes.len()));
    all.extend_from_slice(block);
    all.extend_from_slice(passes);
    all
}

fn is_for_vault(request: &Request<Incoming>) -> bool {
    request.uri().path().starts_with("/v1/")
}

/// The variables, as bytes to send.
struct Shared(Arc<Block>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What became of the references, for who asks; for the log, too, if they cannot be resolved.
fn told(resolved: Result<Block, Failure>) -> Outcome {
    resolved.map(Arc::new).map_err(|failure| {
        let hint = failure.hint.as_deref().unwrap_or_default();
        tracing::error!(hint, "a reference to a secret cannot be resolved: {failure}");
        explained(&failure)
    })
}

fn explained(failure: &Failure) -> Arc<str> {
    let hint = failure.hint.as_deref().unwrap_or("see the extension's log");
    let mut text = failure.to_string();
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push_str(" ... (all of it is in the extension's log)");
    }
    format!("{text}; hint: {hint}").into()
}

fn text(status: StatusCode, text: &str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// More bytes than anybody reads, and fewer than the wrapper takes.
const LONGEST_TEXT: usize = 8 * 1024;
/// Clients at the same time; there is one, or on Managed Instances one for each of the runtime's processes.
const MOST_AT_ONCE: usize = 64;
/// How long a client is served at most once init is over.
const LONGEST_ANSWER: Duration = Duration::from_secs(65);
/// Of two wrappers in a chain each asks, in what is one process.
const MOST_IN_ONE_PROCESS: usize = 2;
/// Answers that are remembered on Managed Instances, the latest.
const MOST_ANSWERS: usize = 8192;
