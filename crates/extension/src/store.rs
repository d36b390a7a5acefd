//! What is held of Vault, and how it is got: reads for files and variables, and answers for the proxy's clients.
//!
//! Delivery asks here; here a token is asked of the session and data of Vault. Nothing below
//! knows Lambda.

mod batch;
mod cache;
mod flights;
mod invocation;
mod key;
mod leased;
mod leases;
mod policy;
mod room;
mod snapshot;
mod stale;

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::reference::SecretId;
use strongroom_core::settings;
use strongroom_vault::client::{Client, Read, TOKEN};
use strongroom_vault::clock::{Clock, Deadline};
use strongroom_vault::error::{Error, TokenLife};
use strongroom_vault::http::{CollectError, Outgoing, RequestBody, ResponseBody};
use strongroom_vault::refusal;
use strongroom_vault::session::Session;
use strongroom_vault::task;
use strongroom_vault::token::Token;
use tokio::sync::watch;

pub(crate) use batch::{Batch, Secret};
use cache::{Cache, Entry};
use flights::{Flights, Joined};
use invocation::Invocation;
pub(crate) use invocation::MARGIN_BEFORE_TIMEOUT;
pub(crate) use key::Key;
pub(crate) use leased::Ended;
use leased::Leased;
pub(crate) use leases::Leases;
pub(crate) use policy::{CacheUse, drop_hop_by_hop};
pub(crate) use room::Room;
use room::Rooms;
pub(crate) use snapshot::Snapshot;
use stale::Outage;

/// Answers of Vault, fresh or held.
pub(crate) struct Store {
    client: Arc<Client>,
    session: Arc<Session>,
    cache: Option<Cache>,
    flights: Flights,
    leased: Leased,
    snapshot: Snapshot,
    policy: Policy,
    rooms: Rooms,
    outage: Outage,
    /// The last that we were told of.
    invocation: watch::Sender<Invocation>,
}

/// How hard answers are tried for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// How often Vault is asked in all for one read.
    pub(crate) attempts: NonZeroU32,
    /// How long what is held is served past its time, where it is.
    pub(crate) stale_for: Option<Duration>,
}

/// Who asks.
pub(crate) enum Identity {
    /// The client, with a token of its own.
    Client(HeaderValue),
    /// The extension.
    Own,
}

/// A client's request, ready to go up but for its token.
pub(crate) struct Wanted {
    pub(crate) outgoing: Outgoing,
    pub(crate) identity: Identity,
    pub(crate) cache_use: CacheUse,
}

/// An answer for a client.
pub(crate) enum Answer {
    /// All of it, and the room that it takes until it is passed on.
    Whole(Response<Bytes>, Room),
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
    /// The extension has a defect, which has been logged.
    Defect,
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
        policy: Policy,
        snapshot: Snapshot,
    ) -> Arc<Self> {
        let cache = cache.map(Cache::new);
        Arc::new(Self {
            client,
            session,
            cache,
            flights: Flights::default(),
            leased: Leased::default(),
            snapshot,
            policy,
            rooms: Rooms::default(),
            outage: Outage::default(),
            invocation: watch::Sender::new(Invocation::default()),
        })
    }

    /// Reads a secret for a file or a variable.
    async fn read(&self, id: SecretId, deadline: Deadline) -> Result<Secret, Arc<Error>> {
        let mut token = self.session.token(0, deadline).await?;
        // It is as old as the question, as is its lease.
        let mut read_at = self.client.clock().now();
        let read = match self.client.read(&id, &token, deadline).await {
            Err(error) if self.session.is_dead(error.token_life(), &token, deadline).await => {
                self.session.reject(&token);
                token = self.session.token(0, deadline).await?;
                read_at = self.client.clock().now();
                self.client.read(&id, &token, deadline).await?
            }
            outcome => outcome?,
        };
        let Read { status, document } = read;
        // KV v1 answers the question for a version with what it has, and a warning.
        if let (Some(version), Some(document)) = (id.version, &document)
            && status == 200
            && document.version() != Some(version.into())
        {
            let problem = "is not the version that was asked for: only KV v2 secrets have versions, so leave it out";
            let request = format!("GET {id}");
            return Err(Arc::new(Error::Answer { request, problem: problem.to_owned() }));
        }
        let lease =
            document.as_ref().and_then(|document| self.leased.note(&id, document, &token, read_at));
        if lease.is_some() {
            self.session.note_lease();
        }
        Ok(Secret { id, status, document, read_at, lease })
    }

    /// The KV v2 form of `path`, if that is what was meant.
    async fn versioned_path(
        &self,
        path: &str,
        deadline: Deadline,
    ) -> Result<Option<String>, Arc<Error>> {
        let token = self.session.token(0, deadline).await?;
        Ok(self.client.versioned_path(path, &token, deadline).await?)
    }

    /// Answers a client's request.
    pub(crate) async fn answer(self: &Arc<Self>, wanted: Box<Wanted>) -> Result<Answer, Problem> {
        if self.invocation.borrow().is_under_way(self.client.clock().now()) {
            return self.answer_by_deadline(wanted).await;
        }
        // Function and extension are told of an invocation at the same time: who asks before we have read it has its
        // deadline all the same.
        Box::pin(async {
            tokio::select! {
                answer = self.answer_by_deadline(wanted) => answer,
                () = self.next_invocation_ends() => {
                    let waiting_for = self.client.waiting_for();
                    Err(Problem::Vault(Error::Deadline { waiting_for }))
                }
            }
        })
        .await
    }

    async fn answer_by_deadline(self: &Arc<Self>, wanted: Box<Wanted>) -> Result<Answer, Problem> {
        if self.cache.is_none() || wanted.cache_use == CacheUse::Bypass {
            return self.fetch(wanted).await;
        }
        let key = Key::of(&wanted.outgoing);
        if wanted.cache_use == CacheUse::Serve
            && let Some(entry) = self.fresh(&key)
        {
            return Ok(Answer::Whole(entry.response(), Room::default()));
        }
        Box::pin(self.fetch_or_serve_stale(key, wanted)).await
    }

    /// What is held and still fresh.
    fn fresh(&self, key: &Key) -> Option<Arc<Entry>> {
        let entry = self.cache.as_ref()?.lookup(key, self.client.clock().now())?;
        // A lease ends with the token it was read with.
        entry.leased_to().is_none_or(|token| self.session.is_current(token)).then_some(entry)
    }

    /// Says that an invocation is under way until `deadline`.
    pub(crate) fn invocation_until(&self, deadline: UnixMilliseconds) {
        self.end_snapshots();
        self.invocation.send_replace(Invocation::new(self.client.clock().now(), deadline));
        self.client.freeze().look();
    }

    /// When a request that comes now must be answered; in a minute if no invocation is under way.
    pub(crate) fn deadline(&self) -> Deadline {
        let clock = self.client.clock();
        let of_invocation = self.invocation.borrow().deadline(clock.now());
        of_invocation.unwrap_or_else(|| clock.deadline_in(WITHOUT_INVOCATION))
    }

    /// Ends a little before the next invocation times out.
    async fn next_invocation_ends(&self) {
        // The sender is ours: it is there as long as we wait.
        let _ = self.invocation.subscribe().changed().await;
        tokio::time::sleep(self.deadline().after(self.client.clock().now())).await;
    }

    /// Forgets everything that came from Vault.
    fn forget(&self) {
        if let Some(cache) = &self.cache {
            cache.clear();
        }
        self.leased.forget();
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
        wanted: Box<Wanted>,
    ) -> Result<Answer, Problem> {
        if wanted.cache_use == CacheUse::Serve
            && let Some(flight) = self.flights.join(&key)
        {
            return match flight.wait().await {
                Joined::Shared(entry) => Ok(Answer::Whole(entry.response(), Room::default())),
                Joined::NotShareable => self.fetch(wanted).await,
            };
        }
        let landing = self.flights.begin(key.clone());
        let store = Arc::clone(self);
        // It may outlive its client.
        let visit = self.visit();
        let fetch = task::begin(async move {
            let (answer, entry) = match store.fetch_for_cache(wanted).await {
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
            if let Some(visit) = visit {
                visit.end().await;
            }
            answer
        });
        fetch.await.unwrap_or(Err(Problem::Defect))
    }

    async fn fetch_for_cache(self: &Arc<Self>, wanted: Box<Wanted>) -> Result<Fetched, Problem> {
        // It is as old as the question.
        let asked = self.client.clock().now();
        let (response, token) = self.send(wanted).await?;
        let entry = match &response {
            Answer::Whole(response, _) => {
                let ttl = self.cache.as_ref().map_or(Duration::ZERO, Cache::ttl);
                policy::entry(response, token, ttl, asked).map(Arc::new)
            }
            Answer::Streamed(_) => None,
        };
        Ok(Fetched { answer: response, entry })
    }

    async fn fetch(self: &Arc<Self>, wanted: Box<Wanted>) -> Result<Answer, Problem> {
        let is_write = self.cache.is_some() && policy::is_write(&wanted.outgoing.method);
        let changed = is_write.then(|| wanted.outgoing.uri.path().to_owned());
        let answer = self.send(wanted).await;
        if let Some(path) = changed {
            self.drop_changed(&path);
        }
        Ok(answer?.0)
    }

    /// Sends a request with the right token; once more with a new one if Vault says it is dead.
    async fn send(
        self: &Arc<Self>,
        wanted: Box<Wanted>,
    ) -> Result<(Answer, Option<Arc<Token>>), Problem> {
        let Wanted { mut outgoing, identity, .. } = *wanted;
        let deadline = self.deadline();
        if matches!(outgoing.body, RequestBody::Streamed(_)) {
            Box::pin(hold_small_body(&mut outgoing, deadline, self.client.clock())).await?;
        }
        self.client.direct(&mut outgoing);
        let token = match identity {
            Identity::Client(header) => {
                outgoing.headers.insert(TOKEN, header);
                return Ok((self.send_once(&mut outgoing, deadline).await?, None));
            }
            Identity::Own => self.session.token(0, deadline).await.map_err(Problem::Token)?,
        };
        let is_held = outgoing.is_held();
        outgoing.headers.insert(TOKEN, token.header());
        let answer = self.send_once(&mut outgoing, deadline).await?;
        let life = token_life(&answer);
        if life == TokenLife::Alive || !self.session.is_dead(life, &token, deadline).await {
            return Ok((answer, Some(token)));
        }
        self.session.reject(&token);
        if !is_held {
            return Ok((answer, Some(token)));
        }
        let token = self.session.token(0, deadline).await.map_err(Problem::Token)?;
        outgoing.headers.insert(TOKEN, token.header());
        Ok((Box::pin(self.send_once(&mut outgoing, deadline)).await?, Some(token)))
    }

    async fn send_once(
        &self,
        outgoing: &mut Outgoing,
        deadline: Deadline,
    ) -> Result<Answer, Problem> {
        let response = self
            .client
            .forward(outgoing, self.policy.attempts, deadline)
            .await
            .map_err(Problem::Vault)?;
        let (mut head, body) = response.into_parts();
        policy::drop_hop_by_hop(&mut head.headers);
        let length = http_body::Body::size_hint(&body).exact();
        let room = length
            .filter(|length| *length <= HELD_ANSWER)
            .and_then(|length| self.rooms.take(length));
        let Some(room) = room else {
            return Ok(Answer::Streamed(Response::from_parts(head, body)));
        };
        let body = body.collect(HELD_ANSWER as usize).await.map_err(|error| match error {
            CollectError::Broken(error) => Problem::Broken(error),
            CollectError::TooLarge => unreachable!("its length was looked at"),
        })?;
        if leases::hold_on(&body) {
            self.session.note_lease();
        }
        Ok(Answer::Whole(Response::from_parts(head, body), room))
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
    outgoing: &mut Outgoing,
    deadline: Deadline,
    clock: &Clock,
) -> Result<(), Problem> {
    let RequestBody::Streamed(incoming) = &mut outgoing.body else { return Ok(()) };
    let length = http_body::Body::size_hint(incoming).exact();
    let Some(length) = length.filter(|length| *length <= HELD_BODY) else { return Ok(()) };
    let mut held = Vec::with_capacity(length as usize);
    let collect = async {
        while let Some(frame) =
            std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *incoming), cx))
                .await
        {
            if let Ok(data) = frame?.into_data() {
                held.extend_from_slice(&data);
            }
        }
        Ok::<_, hyper::Error>(())
    };
    match clock.before(deadline, collect).await {
        Some(Ok(())) => {
            outgoing.body = RequestBody::Full(held.into());
            Ok(())
        }
        _ => Err(Problem::ClientBody),
    }
}

fn token_life(answer: &Answer) -> TokenLife {
    match answer {
        Answer::Whole(response, _) if response.status() == StatusCode::FORBIDDEN => {
            TokenLife::after_denial(&refusal::errors_of(response.body()))
        }
        _ => TokenLife::Alive,
    }
}

/// Answers up to this many bytes are held before they are passed on, while there is room, so that one
/// that breaks off is an error and not half a secret.
const HELD_ANSWER: u64 = 1024 * 1024;
/// Bodies of requests up to this many bytes are held.
const HELD_BODY: u64 = 64 * 1024;
const WITHOUT_INVOCATION: Duration = Duration::from_secs(60);
