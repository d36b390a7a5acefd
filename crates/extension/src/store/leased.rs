//! The leases of the secrets that were delivered: renewed in time, and told when they end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strongroom_core::document::Document;
use strongroom_core::lease::{SecretLease, SecretNeed, UnixMilliseconds};
use strongroom_core::reference::SecretId;
use strongroom_vault::client::LeaseRenewal;
use strongroom_vault::clock::{Deadline, Pause};
use strongroom_vault::error::Error;
use strongroom_vault::flight::Flight;
use strongroom_vault::token::Token;

use super::Store;

type Renewal = Result<LeaseRenewal, Arc<Error>>;

/// The leases that somebody may live on, the oldest first: a secret that was read twice has two.
#[derive(Default)]
pub(super) struct Leased(Mutex<Vec<Held>>);

/// A lease that is over, or will be before it is of use again.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) secret: SecretId,
    pub(crate) lease_id: Arc<str>,
}

#[derive(Clone)]
struct Held {
    id: SecretId,
    lease_id: Arc<str>,
    lease: SecretLease,
    /// The token it was read with, with which it ends.
    token: Arc<Token>,
    /// After a renewal that got no answer.
    pause: Pause,
}

impl Leased {
    /// Notes the lease that an answer came with, and returns its id.
    pub(super) fn note(
        &self,
        id: &SecretId,
        answer: &Document,
        token: &Arc<Token>,
        now: UnixMilliseconds,
    ) -> Option<Arc<str>> {
        let (lease_id, seconds, renewable) = answer.lease()?;
        let lease_id: Arc<str> = lease_id.into();
        let held = Held {
            id: id.clone(),
            lease_id: Arc::clone(&lease_id),
            lease: SecretLease::new(now, seconds, renewable),
            token: Arc::clone(token),
            pause: Pause::default(),
        };
        let mut leases = self.lock();
        if leases.len() == MOST_HELD {
            let oldest = leases.remove(0);
            tracing::warn!(
                "too many leases at once: that of {} is not renewed any more",
                oldest.id
            );
        }
        leases.push(held);
        Some(lease_id)
    }

    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Renews the leases that want it to last until `until`, side by side. Returns those that are over, cannot be
    /// renewed, or ended with their token, and looks after them no longer: what they were on must be read again.
    pub(crate) async fn renew_leases(
        self: &Arc<Self>,
        until: UnixMilliseconds,
        give_up: Deadline,
    ) -> Vec<Ended> {
        let now = self.client.clock().now();
        let mut ended = Vec::new();
        let mut renewals = Vec::new();
        self.leased.lock().retain(|held| {
            let need = match held.lease.need(now, until) {
                _ if !self.session.is_current(&held.token) => SecretNeed::Reading,
                need => need,
            };
            match need {
                SecretNeed::Reading => ended.push(held.end()),
                SecretNeed::Renewal if !held.pause.lasts(self.client.clock()) => {
                    renewals.push((self.begin_renewal(held.clone(), give_up), held.clone()));
                }
                SecretNeed::Renewal | SecretNeed::Nothing => {}
            }
            need != SecretNeed::Reading
        });
        for (renewal, held) in renewals {
            let outcome = renewal.outcome().await.unwrap_or(Err(Arc::new(Error::Frozen)));
            ended.extend(self.note_renewal(held, outcome, until));
        }
        ended
    }

    fn begin_renewal(self: &Arc<Self>, held: Held, give_up: Deadline) -> Arc<Flight<Renewal>> {
        let store = Arc::clone(self);
        Flight::begin(async move {
            let (lease, increment) = (&*held.lease_id, held.lease.increment());
            store.client.renew_lease(lease, increment, &held.token, give_up).await.map_err(Arc::new)
        })
    }

    /// Forgets the leases that nobody lives on any more: no file, no variable, and no secret that is being delivered.
    pub(crate) fn forget_unused_leases(&self) {
        // Whoever lives on one holds its id, too.
        self.leased.lock().retain(|held| Arc::strong_count(&held.lease_id) > 1);
    }

    /// Notes what came of a renewal; returns the lease if it is not good afterwards.
    fn note_renewal(
        &self,
        mut held: Held,
        outcome: Renewal,
        until: UnixMilliseconds,
    ) -> Option<Ended> {
        let now = self.client.clock().now();
        let id = &held.id;
        let is_good = match outcome {
            Ok(renewal) => {
                tracing::debug!("lease of {id} renewed for {} s", renewal.lease_duration);
                held.lease = held.lease.renewed(now, renewal.lease_duration, renewal.renewable);
                held.lease.need(now, until) != SecretNeed::Reading
            }
            Err(error) if matches!(*error, Error::Refused { .. }) && !error.is_retryable() => {
                tracing::debug!("the lease of {id} cannot be renewed: {error}");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "the lease of {id} could not be renewed; the secret is used to its end");
                held.pause = self.client.clock().pause(PAUSE);
                !held.lease.is_over(now)
            }
        };
        let ended = (!is_good).then(|| held.end());
        let mut leases = self.leased.lock();
        // It may have been forgotten meanwhile.
        if let Some(at) = leases.iter().position(|other| other.lease_id == held.lease_id) {
            if is_good {
                leases[at] = held;
            } else {
                leases.remove(at);
            }
        }
        ended
    }
}

impl Held {
    fn end(&self) -> Ended {
        Ended { secret: self.id.clone(), lease_id: Arc::clone(&self.lease_id) }
    }
}

/// Leases that are looked after at once: far more than a function has secrets.
const MOST_HELD: usize = 256;
/// How long no renewal is tried after one that got no answer.
const PAUSE: Duration = Duration::from_secs(5);
