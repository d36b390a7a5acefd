//! What is held of Vault, and how it is got: reads for files, and answers for the proxy's clients.
//!
//! Delivery asks here; here a token is asked of the session and data of Vault. Nothing below
//! knows Lambda.

mod cache;
mod flights;
mod key;
mod leases;
mod policy;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::settings;
use strongroom_vault::client::{Client, Read, TOKEN};
use strongroom_vault::clock::Deadline;
use strongroom_vault::error::{Error, TokenLife};
use strongroom_vault::http::{CollectError, RequestBody, ResponseBody};
use strongroom_vault::refusal;
use strongroom_vault::token::Token;

use crate::session::Session;

use cache::{Cache, Entry};
use flights::{Flights, Joined};
pub(crate) use key::Key;
pub(crate) use leases::Leases;
pub(crate) use policy::{CacheUse, drop_hop_by_hop};

/// Answers of Vault, fresh or held.
pub(crate) struct Store {
    client: Arc<Client>,
    session: Arc<Session>,
    cache: Option<Cache>,
    flights: Flights,
    /// When the invocation under way times out, zero if none is.
    invocation: AtomicU64,
}

/// Who asks.
pub(crate) enum Identity {
    /// The client, with a token of its own.
    Client(HeaderValue),
    /// The extension.
    Own,
}

/// An answer for a client.
pub(crate) enum Answer {
    /// All of it.
    Whole(Response<Bytes>),
    /// Too large to hold, or of unknown length: passed on as it comes.
    Streamed(Response<ResponseBody>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Vault's answer broke off.
    Broken(Error),
    /// The client's body broke off or is late.
    ClientBody,
    /// No token, hence no request.
    Token(Arc<Error>),
    /// No answer of Vault.
    Vault(Error),
}

impl Store {
    pub(crate) fn new(
        client: Arc<Client>,
        session: Arc<Session>,
        cache: Option<settings::Cache>,
    ) -> Arc<Self> {
        let cache = cache.map(Cache::new);
        Arc::new(Self {
            client,
            session,
            cache,
            flights: Flights::default(),
            invocation: AtomicU64::new(0),
        })
    }

    /// Reads a secret for a file.
    pub(crate) async fn read(&self, path: &str, deadline: Deadline) -> Result<Read, Arc<Error>> {
        let token = self.session.token(0, deadline).await?;
        let read = match self.client.read(path, &token, deadline).await {
            Err(error) if self.session.is_dead(error.token_life(), &token, deadline).await => {
                self.session.reject(&token);
                let token = self.session.token(0, deadline).await?;
                self.client.read(path, &token, deadline).await?
            }
            outcome => outcome?,
        };
        if read.document.as_ref().is_some_and(strongroom_core::document::Document::is_leased) {
            self.session.note_lease();
        }
        Ok(read)
    }

    /// The KV v2 form of `path`, if that is what was meant.
    pub(crate) async fn versioned_path(&self, path: &str, deadline: Deadline) -> Option<String> {
        let token = self.session.token(0, deadline).await.ok()?;
        self.client.versioned_path(path, &token, deadline).await
    }

    /// Answers a client's request.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: Request<RequestBody>,
        identity: Identity,
        cache_use: CacheUse,
    ) -> Result<Answer, Problem> {
        let key = match (&self.cache, cache_use) {
            (Some(_), CacheUse::Bypass) | (None, _) => None,
            (Some(_), _) => Some(Key::of(&request)),
        };
        let Some(key) = key else {
            let change =
                policy::is_write(request.method()).then(|| request.uri().path().to_owned());
            let answer = self.fetch(request, identity).await;
            if let Some(path) = change {
                self.drop_changed(&path);
            }
            return answer;
        };
        if cache_use == CacheUse::Serve
            && let Some(entry) = self.held(&key)
        {
            return Ok(Answer::Whole(entry.response()));
        }
        self.fetch_shared(key, request, identity, cache_use).await
    }

    /// What is held and may still be served.
    fn held(&self, key: &Key) -> Option<Arc<Entry>> {
        let entry = self.cache.as_ref()?.lookup(key, self.client.clock().now())?;
        // A lease ends with the token it was read with.
        entry.leased_to().is_none_or(|token| self.session.is_current(token)).then_some(entry)
    }

    /// Says that an invocation is under way until `deadline`.
    pub(crate) fn invocation_until(&self, deadline: UnixMilliseconds) {
        self.invocation.store(deadline, Ordering::Relaxed);
        self.client.freeze().look();
    }

    /// When a request that comes now must be answered: with its invocation, or in a minute.
    pub(crate) fn deadline(&self) -> Deadline {
        let now = self.client.clock().now();
        let invocation = self.invocation.load(Ordering::Relaxed);
        if invocation > now {
            Deadline(invocation)
        } else {
            self.client.clock().deadline_in(WITHOUT_INVOCATION)
        }
    }

    /// Forgets everything that came from Vault.
    pub(crate) fn forget(&self) {
        if let Some(cache) = &self.cache {
            cache.clear();
        }
        self.client.clear_pool();
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// One fetch for all who ask for the same at the same time. It runs apart, so that the first
    /// client's hang-up does not take it from the others.
    async fn fetch_shared(
        self: &Arc<Self>,
        key: Key,
        request: Request<RequestBody>,
        identity: Identity,
        cache_use: CacheUse,
    ) -> Result<Answer, Problem> {
        if cache_use == CacheUse::Serve
            && let Some(flight) = self.flights.join(&key)
        {
            return match flight.wait().await {
                Joined::Shared(entry) => Ok(Answer::Whole(entry.response())),
                Joined::NotShareable => self.fetch(request, identity).await,
            };
        }
        let landing = self.flights.begin(key.clone());
        let store = Arc::clone(self);
        let fetch = tokio::spawn(async move {
            let fetched = store.fetch_for_cache(request, identity).await;
            let (answer, entry) = match fetched {
                Ok(Fetched { answer, entry }) => (Ok(answer), entry),
                Err(problem) => (Err(problem), None),
            };
            if let (Some(entry), Some(cache)) = (&entry, &store.cache)
                && entry.is_storable()
                && landing.is_current()
            {
                cache.insert(key, Arc::clone(entry));
            }
            landing.land(entry);
            answer
        });
        fetch.await.unwrap_or_else(|_| Err(Problem::Vault(Error::Frozen)))
    }

    async fn fetch_for_cache(
        &self,
        request: Request<RequestBody>,
        identity: Identity,
    ) -> Result<Fetched, Problem> {
        let deadline = self.deadline();
        let (response, token) = self.send(request, identity, deadline).await?;
        let entry = match &response {
            Answer::Whole(response) => {
                let ttl = self.cache.as_ref().map_or(Duration::ZERO, Cache::ttl);
                policy::entry(response, token, ttl, self.client.clock().now()).map(Arc::new)
            }
            Answer::Streamed(_) => None,
        };
        Ok(Fetched { answer: response, entry })
    }

    async fn fetch(
        &self,
        request: Request<RequestBody>,
        identity: Identity,
    ) -> Result<Answer, Problem> {
        let deadline = self.deadline();
        Ok(self.send(request, identity, deadline).await?.0)
    }

    /// Sends a request with the right token; once more with a new one if Vault says it is dead.
    async fn send(
        &self,
        request: Request<RequestBody>,
        identity: Identity,
        deadline: Deadline,
    ) -> Result<(Answer, Option<Arc<Token>>), Problem> {
        let mut request = hold_small_body(request, deadline, self.client.clock()).await?;
        let token = match identity {
            Identity::Client(header) => {
                request.headers_mut().insert(TOKEN, header);
                return Ok((self.send_once(request, deadline).await?, None));
            }
            Identity::Own => self.session.token(0, deadline).await.map_err(Problem::Token)?,
        };
        let spare = spare_of(&request);
        request.headers_mut().insert(TOKEN, token.header());
        let answer = self.send_once(request, deadline).await?;
        if !self.session.is_dead(token_life(&answer), &token, deadline).await {
            return Ok((answer, Some(token)));
        }
        self.session.reject(&token);
        let Some(mut again) = spare else { return Ok((answer, Some(token))) };
        let token = self.session.token(0, deadline).await.map_err(Problem::Token)?;
        again.headers_mut().insert(TOKEN, token.header());
        Ok((self.send_once(again, deadline).await?, Some(token)))
    }

    async fn send_once(
        &self,
        request: Request<RequestBody>,
        deadline: Deadline,
    ) -> Result<Answer, Problem> {
        let response = self.client.forward(request, deadline).await.map_err(Problem::Vault)?;
        let (mut head, body) = response.into_parts();
        policy::drop_hop_by_hop(&mut head.headers);
        let length = http_body::Body::size_hint(&body).exact();
        if length.is_none_or(|length| length > HELD_ANSWER) {
            return Ok(Answer::Streamed(Response::from_parts(head, body)));
        }
        let body = body.collect(HELD_ANSWER as usize).await.map_err(|error| match error {
            CollectError::Broken(error) => Problem::Broken(error),
            CollectError::TooLarge => unreachable!("its length was looked at"),
        })?;
        if leases::hold_on(&body) {
            self.session.note_lease();
        }
        Ok(Answer::Whole(Response::from_parts(head, body)))
    }

    /// Drops what a write at `path` made untrue.
    fn drop_changed(&self, path: &str) {
        if let Some(cache) = &self.cache {
            let changed = key::changed_by(path);
            self.flights.detach(&changed);
            cache.remove(&changed);
        }
    }
}

struct Fetched {
    answer: Answer,
    entry: Option<Arc<Entry>>,
}

/// Small bodies of known length are held, so that the request can be sent again.
async fn hold_small_body(
    request: Request<RequestBody>,
    deadline: Deadline,
    clock: &strongroom_vault::clock::Clock,
) -> Result<Request<RequestBody>, Problem> {
    let (head, body) = request.into_parts();
    let RequestBody::Streamed(mut incoming) = body else {
        return Ok(Request::from_parts(head, body));
    };
    let length = http_body::Body::size_hint(&incoming).exact();
    if length.is_none_or(|length| length > HELD_BODY) {
        return Ok(Request::from_parts(head, RequestBody::Streamed(incoming)));
    }
    let mut held = Vec::with_capacity(length.unwrap_or(0) as usize);
    let collect = async {
        while let Some(frame) = std::future::poll_fn(|cx| {
            http_body::Body::poll_frame(std::pin::Pin::new(&mut incoming), cx)
        })
        .await
        {
            if let Ok(data) = frame?.into_data() {
                held.extend_from_slice(&data);
            }
        }
        Ok::<_, hyper::Error>(())
    };
    match clock.before(deadline, collect).await {
        Some(Ok(())) => Ok(Request::from_parts(head, RequestBody::Full(held.into()))),
        _ => Err(Problem::ClientBody),
    }
}

/// The request once more, unless its body goes up as it comes.
fn spare_of(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let body = match request.body() {
        RequestBody::Empty => RequestBody::Empty,
        RequestBody::Full(bytes) => RequestBody::Full(bytes.clone()),
        RequestBody::Streamed(_) => return None,
    };
    let mut spare = Request::new(body);
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    spare.headers_mut().clone_from(request.headers());
    Some(spare)
}

fn token_life(answer: &Answer) -> TokenLife {
    match answer {
        Answer::Whole(response) if response.status() == StatusCode::FORBIDDEN => {
            TokenLife::after_denial(&refusal::errors_of(response.body()))
        }
        _ => TokenLife::Alive,
    }
}

/// Answers up to this many bytes are held before they are passed on, so that one that breaks off
/// is an error and not half a secret.
const HELD_ANSWER: u64 = 1024 * 1024;
/// Bodies of requests up to this many bytes are held.
const HELD_BODY: u64 = 64 * 1024;
const WITHOUT_INVOCATION: Duration = Duration::from_secs(60);
