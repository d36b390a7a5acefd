//! The token: logged in for once by whoever needs it first, renewed in time, replaced when dead.

mod source;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::client::Client;
use crate::clock::{Deadline, Pause};
use crate::error::{Error, TokenLife};
use crate::flight::Flight;
use crate::login::Login;
use crate::pace::{self, Cause, Request};
use crate::token::{Token, TokenKind, TokenOrigin};
use strongroom_core::duration::SignedMilliseconds;
use strongroom_core::lease::{Lease, Need, UnixMilliseconds};
use strongroom_core::settings::{OnOutage, Revoke};

/// Holds the token.
#[derive(Debug)]
pub struct Session {
    client: Arc<Client>,
    source: TokenSource,
    grace: SignedMilliseconds,
    revoke: Revoke,
    /// Whether a login is tried until its deadline, whatever Vault does.
    perseveres: bool,
    state: Mutex<State>,
    /// Whether revoking the token would take something from the function.
    is_leased: AtomicBool,
}

/// Where tokens come from.
#[derive(Debug)]
pub enum TokenSource {
    /// From the environment, for local use.
    Given(Arc<Token>),
    /// From logins.
    Login(Arc<Login>),
}

/// What is held of a token.
enum Held {
    /// To be renewed; usable.
    Ageing(Arc<Token>),
    /// As it should be.
    Good(Arc<Token>),
    /// None.
    Nothing,
    /// Expired, or as good as.
    Old(Arc<Token>),
}

/// What a login ends with, for all who wait for it.
pub type Outcome = Result<Arc<Token>, Arc<Error>>;

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<Token>>,
    login: Weak<Flight<Outcome>>,
    renewal: Weak<Flight<Outcome>>,
    /// After a renewal that got no answer.
    renewal_pause: Pause,
    /// Whether there has ever been a token.
    has_begun: bool,
}

impl Session {
    /// A session without a token: nothing is sent yet.
    #[must_use]
    pub fn new(
        client: Arc<Client>,
        source: TokenSource,
        grace: SignedMilliseconds,
        revoke: Revoke,
        on_outage: OnOutage,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            source,
            grace,
            revoke,
            perseveres: on_outage == OnOutage::Lazy,
            state: Mutex::default(),
            is_leased: AtomicBool::new(false),
        })
    }

    /// A token that can be used now and, if it can be had, until `until`.
    ///
    /// # Errors
    /// The login's.
    pub async fn token(self: &Arc<Self>, until: UnixMilliseconds, deadline: Deadline) -> Outcome {
        match self.held(until) {
            Held::Good(token) => Ok(token),
            // Boxed, as it is rare: the future of a request is moved about as a whole.
            held => Box::pin(self.obtain(held, deadline)).await,
        }
    }

    async fn obtain(self: &Arc<Self>, held: Held, deadline: Deadline) -> Outcome {
        match held {
            Held::Good(token) => Ok(token),
            Held::Ageing(token) => Ok(self.renew(token, deadline).await),
            Held::Nothing => self.log_in(deadline).await,
            Held::Old(token) => match self.log_in(deadline).await {
                // The grace period has begun, but the token still lives.
                Err(error) if token.lease.is_alive(self.client.clock().now()) => {
                    tracing::warn!(%error, "cannot log in again; the old token is used to its end");
                    Ok(token)
                }
                outcome => outcome,
            },
        }
    }

    /// What is held, and what it needs to be used until `until`.
    fn held(&self, until: UnixMilliseconds) -> Held {
        if let TokenSource::Given(token) = &self.source {
            return Held::Good(Arc::clone(token));
        }
        let Some(token) = self.lock().token.clone() else { return Held::Nothing };
        let now = self.client.clock().now();
        match token.lease.need(now, until.max(now), self.grace) {
            Need::Nothing => Held::Good(token),
            Need::Renewal => Held::Ageing(token),
            Need::Login => Held::Old(token),
        }
    }

    /// Whether a token is held that is good until `until`.
    #[must_use]
    pub fn is_good_until(&self, until: UnixMilliseconds) -> bool {
        matches!(self.held(until), Held::Good(_))
    }

    /// Whether a token is dead, after Vault denied something to it.
    pub async fn is_dead(&self, life: TokenLife, token: &Token, deadline: Deadline) -> bool {
        match life {
            TokenLife::Alive => false,
            TokenLife::Dead => true,
            TokenLife::Unsaid => !Box::pin(self.client.knows(token, deadline)).await,
        }
    }

    /// Vault says that this token is dead: if it is still ours, the next request logs in.
    pub fn reject(&self, dead: &Arc<Token>) {
        let mut state = self.lock();
        if state.token.as_ref().is_some_and(|held| held.is_same_as(dead)) {
            tracing::info!("Vault says that the token is dead: logging in again");
            state.token = None;
        }
    }

    /// Whether `token` is the one held.
    #[must_use]
    pub fn is_current(&self, token: &Arc<Token>) -> bool {
        match &self.source {
            TokenSource::Given(given) => given.is_same_as(token),
            TokenSource::Login(_) => {
                self.lock().token.as_ref().is_some_and(|held| held.is_same_as(token))
            }
        }
    }

    /// Notes that something the function may still use would end with the token.
    pub fn note_lease(&self) {
        self.is_leased.store(true, Ordering::Relaxed);
    }

    /// Revokes the token if that is ours to do, and forgets it in any case.
    pub async fn end(&self) {
        let Some(token) = self.lock().token.take() else { return };
        let is_ours = token.origin == TokenOrigin::Login && token.kind == TokenKind::Service;
        let is_wanted = match self.revoke {
            Revoke::Always => true,
            // The next token has no lease on it yet.
            Revoke::Auto => !self.is_leased.swap(false, Ordering::Relaxed),
            Revoke::Never => false,
        };
        if !is_ours || !is_wanted {
            return;
        }
        self.revoke(&token).await;
    }

    /// Revokes the token, as a client wants it, within a second; one that was given and not got by a login is only
    /// taken for the time being. Whoever needs a token from now on has a new login.
    pub async fn revoke_now(&self) {
        let held = self.lock().token.take();
        if let Some(token) = held.filter(|token| token.origin == TokenOrigin::Login) {
            self.revoke(&token).await;
        }
    }

    async fn revoke(&self, token: &Token) {
        let deadline = self.client.clock().deadline_in(REVOKE_TIMEOUT);
        match self.client.revoke(token, deadline).await {
            Ok(()) => tracing::debug!("token revoked"),
            Err(error) => {
                tracing::warn!(%error, "the token could not be revoked and lives to its end")
            }
        }
    }

    async fn log_in(self: &Arc<Self>, deadline: Deadline) -> Outcome {
        loop {
            let mut is_own = false;
            let flight = Flight::join_or_begin(&mut self.lock().login, || {
                is_own = true;
                let session = Arc::clone(self);
                async move { session.log_in_now(deadline).await }
            });
            match flight.outcome_before(deadline, &self.client).await {
                // Whoever began it had less time than we have.
                Err(error) if !is_own && self.perseveres && error.is_outage() => {
                    if deadline.after(self.client.clock().now()).is_zero() {
                        return Err(error);
                    }
                    // Others may hold on to it: it is over, and not to be joined again.
                    let mut state = self.lock();
                    if state.login.as_ptr() == Arc::as_ptr(&flight) {
                        state.login = Weak::new();
                    }
                }
                outcome => return outcome,
            }
        }
    }

    async fn log_in_now(&self, deadline: Deadline) -> Outcome {
        let TokenSource::Login(login) = &self.source else {
            unreachable!("a given token needs no login")
        };
        let start = self.client.clock().now();
        let outcome = self.try_to_log_in(login, deadline).await.map(Arc::new).map_err(Arc::new);
        if let Ok(token) = &outcome {
            let milliseconds = self.client.clock().now().saturating_sub(start);
            tracing::debug!(milliseconds, "logged in at {}", login.describe());
            let mut state = self.lock();
            state.token = Some(Arc::clone(token));
            state.has_begun = true;
        }
        outcome
    }

    /// Logs in, again and again while Vault is out of order: at the start until the deadline, as what a cold start
    /// would gain by giving up is another cold start; later a few times, unless all must wait for Vault.
    async fn try_to_log_in(&self, login: &Login, deadline: Deadline) -> Result<Token, Error> {
        let is_start = !self.lock().has_begun;
        let perseveres = self.perseveres || is_start;
        // Init ends with it, and nobody else is told.
        let ends_init = is_start && !self.perseveres;
        let (mut tries, mut answered) = (0, None);
        loop {
            let error = match login.log_in(&self.client, deadline).await {
                Err(error) if error.is_retryable() => error,
                outcome => return outcome,
            };
            let is_last = !perseveres && (tries == LOGIN_RETRIES || self.client.is_cut_off());
            let pause = pace::pause_after(&error, Request::Login, tries);
            let left = deadline.after(self.client.clock().now());
            if is_last || !self.client.retries_as_it_sees_fit() {
                return Err(telling(error, answered));
            }
            if pause >= left {
                if ends_init && error.cause() == Cause::Overload {
                    // Lambda answers the end of an init with the next, which asks at once: an early end would only
                    // add to the load.
                    tokio::time::sleep(left.saturating_sub(LAST_WORDS)).await;
                }
                return Err(telling(error, answered));
            }
            self.client.note_retry(&error);
            tokio::time::sleep(pause).await;
            tries += 1;
            // A client would only want to know that it is to come again.
            answered = ends_init.then(|| telling(error, answered));
        }
    }

    /// The renewed token, or after a short wait the old one, which is still good.
    async fn renew(self: &Arc<Self>, token: Arc<Token>, deadline: Deadline) -> Arc<Token> {
        let flight = {
            let mut state = self.lock();
            if state.renewal_pause.lasts(self.client.clock()) {
                return token;
            }
            Flight::join_or_begin(&mut state.renewal, || {
                let (session, old) = (Arc::clone(self), Arc::clone(&token));
                async move { Ok(session.renew_now(old, deadline).await) }
            })
        };
        let patience = self.client.clock().deadline_in(RENEWAL_PATIENCE);
        let outcome = flight.outcome_before(deadline.min(patience), &self.client).await;
        match outcome {
            Ok(renewed) => renewed,
            Err(_) => {
                self.pause_renewals();
                token
            }
        }
    }

    async fn renew_now(&self, old: Arc<Token>, deadline: Deadline) -> Arc<Token> {
        match self.client.renew(&old, deadline).await {
            Ok(lease) => {
                tracing::debug!("token renewed");
                self.replace(&old, Arc::new(old.renewed(lease)))
            }
            Err(error) => {
                if error.token_life() == TokenLife::Dead {
                    self.reject(&old);
                    return old;
                }
                tracing::warn!(%error, "the token could not be renewed; it is used to its end");
                if error.is_outage() {
                    self.pause_renewals();
                    return old;
                }
                // It would be refused again, for each request to come.
                let lease = Lease { renewable: false, ..old.lease };
                self.replace(&old, Arc::new(old.renewed(lease)))
            }
        }
    }

    /// Holds what became of a token, if it is still the one that is held.
    fn replace(&self, old: &Token, new: Arc<Token>) -> Arc<Token> {
        let mut state = self.lock();
        if state.token.as_ref().is_some_and(|held| held.is_same_as(old)) {
            state.token = Some(Arc::clone(&new));
        }
        new
    }

    /// The last renewal got no answer: none is tried for a while.
    fn pause_renewals(&self) {
        self.lock().renewal_pause = self.client.clock().pause(RENEWAL_PAUSE);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of the last two failures the one that says more: that Vault is not asked for a while says neither whose matter it is
/// nor what to do.
fn telling(last: Error, before: Option<Error>) -> Error {
    match (last, before) {
        (Error::Unavailable { .. }, Some(before)) => before,
        (last, _) => last,
    }
}

/// How often a login is tried again where others wait for its end.
const LOGIN_RETRIES: u32 = 2;
/// What is left of a deadline for the reason to be told.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How long the end of a token may hold up what comes after it.
const REVOKE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a request waits for a renewal before it goes on with the token it has.
const RENEWAL_PATIENCE: Duration = Duration::from_millis(500);
/// How long no renewal is tried after one that got no answer.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Error {
        let request = "PUT /v1/auth/aws/login".to_owned();
        Error::Refused { status: 503, request, errors: "Vault is sealed".into(), retry_after: None }
    }

    fn not_asked() -> Error {
        Error::Unavailable { seconds: 1, cause: "Vault answered 503".into() }
    }

    #[test]
    fn a_login_that_is_given_up_tells_what_vault_said_last_and_not_that_it_is_not_asked() {
        let check = |last: Error, before: Option<Error>, expect: &str| {
            let told = telling(last, before).to_string();
            assert!(told.contains(expect), "{told}");
        };
        check(not_asked(), Some(sealed()), "Vault is sealed");
        check(sealed(), Some(not_asked()), "Vault is sealed");
        check(Error::Busy, Some(sealed()), "all connections");
        check(not_asked(), None, "requests fail at once");
    }
}
