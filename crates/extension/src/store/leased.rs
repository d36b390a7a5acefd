//! The leases of the secrets that were delivered: renewed in time, and told when they end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strongroom_core::document::Document;
use strongroom_core::lease::{SecretLease, SecretNeed, UnixMilliseconds};
use strongroom_core::reference::SecretId;
use strongroom_vault::client::LeaseRenewal;
use strongroom_vault::clock::Deadline;
use strongroom_vault::error::Error;
use strongroom_vault::token::Token;

use super::Store;
use crate::flight::Flight;

type Renewal = Result<LeaseRenewal, Arc<Error>>;

/// Leases, of each secret the newest.
#[derive(Default)]
pub(super) struct Leased(Mutex<Vec<Held>>);

#[derive(Clone)]
struct Held {
    id: SecretId,
    lease_id: Arc<str>,
    lease: SecretLease,
    /// The token it was read with, with which it ends.
    token: Arc<Token>,
    /// No renewal before this time: the last one got no answer.
    no_renewal_before: UnixMilliseconds,
}

impl Leased {
    /// Notes the lease that an answer came with.
    pub(super) fn note(
        &self,
        id: &SecretId,
        answer: &Document,
        token: &Arc<Token>,
        now: UnixMilliseconds,
    ) {
        let Some((lease_id, seconds, renewable)) = answer.lease() else { return };
        let held = Held {
            id: id.clone(),
            lease_id: lease_id.into(),
            lease: SecretLease::new(now, seconds, renewable),
            token: Arc::clone(token),
            no_renewal_before: 0,
        };
        let mut leases = self.lock();
        leases.retain(|other| other.id != *id);
        leases.push(held);
    }

    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Renews the leases that want it to last until `until`, side by side, and returns the secrets that must be read
    /// again: their lease is over, cannot be renewed, or ended with its token.
    pub(crate) async fn renew_leases(
        self: &Arc<Self>,
        until: UnixMilliseconds,
        give_up: Deadline,
    ) -> Vec<SecretId> {
        let now = self.client.clock().now();
        let mut to_read = Vec::new();
        let mut renewals = Vec::new();
        for held in self.leased.lock().iter() {
            match held.lease.need(now, until) {
                _ if !self.session.is_current(&held.token) => to_read.push(held.id.clone()),
                SecretNeed::Reading => to_read.push(held.id.clone()),
                SecretNeed::Renewal if now >= held.no_renewal_before => {
                    renewals.push((self.begin_renewal(held.clone(), give_up), held.clone()));
                }
                SecretNeed::Renewal | SecretNeed::Nothing => {}
            }
        }
        for (renewal, held) in renewals {
            let outcome = renewal.outcome().await.unwrap_or(Err(Arc::new(Error::Frozen)));
            let id = held.id.clone();
            if !self.note_renewal(held, outcome, until) {
                to_read.push(id);
            }
        }
        to_read
    }

    fn begin_renewal(self: &Arc<Self>, held: Held, give_up: Deadline) -> Arc<Flight<Renewal>> {
        let store = Arc::clone(self);
        Flight::begin(async move {
            let (lease, increment) = (&*held.lease_id, held.lease.increment());
            store.client.renew_lease(lease, increment, &held.token, give_up).await.map_err(Arc::new)
        })
    }

    /// Forgets the lease of a secret that nobody will read again.
    pub(crate) fn drop_lease(&self, id: &SecretId) {
        self.leased.lock().retain(|held| held.id != *id);
    }

    /// Whether the lease is good after its renewal was tried.
    fn note_renewal(&self, mut held: Held, outcome: Renewal, until: UnixMilliseconds) -> bool {
        let now = self.client.clock().now();
        let id = &held.id;
        let is_good = match outcome {
            Ok(renewal) => {
                tracing::debug!("lease of {id} renewed for {} s", renewal.lease_duration);
                held.lease = held.lease.renewed(now, renewal.lease_duration, renewal.renewable);
                held.lease.need(now, until) != SecretNeed::Reading
            }
            Err(error) if matches!(*error, Error::Refused { status: 400..500, .. }) => {
                tracing::debug!("the lease of {id} cannot be renewed: {error}");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "the lease of {id} could not be renewed; the secret is used to its end");
                held.no_renewal_before = self.client.clock().deadline_in(PAUSE).0;
                !held.lease.is_over(now)
            }
        };
        // It may have been read again meanwhile.
        let mut leases = self.leased.lock();
        if let Some(current) = leases.iter_mut().find(|current| current.lease_id == held.lease_id) {
            *current = held;
        }
        is_good
    }
}

/// How long no renewal is tried after one that got no answer.
const PAUSE: Duration = Duration::from_secs(5);
