//! What is held is served past its time while Vault cannot be reached, if the settings say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use strongroom_core::lease::UnixMilliseconds;
use strongroom_vault::error::is_retryable_status;
use strongroom_vault::token::Token;

use super::cache::Entry;
use super::{Answer, CacheUse, Key, Problem, Room, Store, Wanted};

/// Whether something stale has been served since Vault answered last.
#[derive(Default)]
pub(super) struct Outage(AtomicBool);

impl Store {
    /// Vault's answer, or what is held past its time if there is none.
    pub(super) async fn fetch_or_serve_stale(
        self: &Arc<Self>,
        key: Key,
        wanted: Box<Wanted>,
    ) -> Result<Answer, Problem> {
        let may_be_stale = self.policy.stale_for.is_some() && wanted.cache_use == CacheUse::Serve;
        if !may_be_stale {
            return self.fetch_shared(key, wanted).await;
        }
        let outcome = self.fetch_shared(key.clone(), wanted).await;
        if !is_outage(&outcome) {
            self.outage.is_over();
            return outcome;
        }
        match self.stale(&key) {
            Some(entry) => {
                self.outage.warn_once(key.path(), self.age_of(&entry));
                Ok(Answer::Whole(entry.stale_response(), Room::default()))
            }
            None => outcome,
        }
    }

    /// What is held and may be served for want of better.
    fn stale(&self, key: &Key) -> Option<Arc<Entry>> {
        let now = self.client.clock().now();
        let entry = self.cache.as_ref()?.lookup_stale(key, now, self.policy.stale_for?)?;
        let lives =
            |token: &Arc<Token>| self.session.is_current(token) && token.lease.is_alive(now);
        entry.leased_to().is_none_or(lives).then_some(entry)
    }

    fn age_of(&self, entry: &Entry) -> UnixMilliseconds {
        self.client.clock().now().saturating_sub(entry.fetched) / 1000
    }
}

impl Outage {
    fn warn_once(&self, path: &str, seconds: UnixMilliseconds) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                path,
                "Vault cannot be reached: what is held is served past its time, here an answer of {seconds} s ago, \
                 with a Warning header"
            );
        }
    }

    fn is_over(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("Vault answers again: nothing stale is served any more");
        }
    }
}

/// Whether an outcome says that Vault, or the way to it, is out of order.
fn is_outage(outcome: &Result<Answer, Problem>) -> bool {
    match outcome {
        Ok(Answer::Whole(response, _)) => is_retryable_status(response.status().as_u16()),
        Ok(Answer::Streamed(response)) => is_retryable_status(response.status().as_u16()),
        Err(Problem::Broken(_)) => true,
        Err(Problem::ClientBody | Problem::Defect) => false,
        Err(Problem::Token(error)) => error.is_outage(),
        Err(Problem::Vault(error)) => error.is_outage(),
    }
}
