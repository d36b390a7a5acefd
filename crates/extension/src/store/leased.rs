//! The leases of the secrets that were delivered: renewed in time, and told when they end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strongroom_core::document::Document;
use strongroom_core::lease::{SecretLease, SecretNeed, UnixMilliseconds};
use strongroom_core::reference::SecretId;
use strongroom_vault::client::LeaseRenewal;
use strongroom_vault::clock::Deadline;
use strongroom_vault::error::Error;
use strongroom_vault::token::Token;
use tokio::task::JoinSet;

use super::Store;

/// Leases by the secret they are on: the newest of each.
#[derive(Default)]
pub(super) struct Leased(Mutex<BTreeMap<SecretId, Held>>);

#[derive(Clone)]
struct Held {
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
            lease_id: lease_id.into(),
            lease: SecretLease::new(now, seconds, renewable),
            token: Arc::clone(token),
            no_renewal_before: 0,
        };
        self.lock().insert(id.clone(), held);
    }

    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SecretId, Held>> {
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
        let mut renewals = JoinSet::new();
        for (id, held) in self.leased.lock().iter() {
            match held.lease.need(now, until) {
                _ if !self.session.is_current(&held.token) => to_read.push(id.clone()),
                SecretNeed::Reading => to_read.push(id.clone()),
                SecretNeed::Renewal if now >= held.no_renewal_before => {
                    let (store, id, held) = (Arc::clone(self), id.clone(), held.clone());
                    renewals.spawn(async move {
                        let renewal = store.client.renew_lease(
                            &held.lease_id,
                            held.lease.increment(),
                            &held.token,
                            give_up,
                        );
                        (renewal.await, id, held)
                    });
                }
                SecretNeed::Renewal | SecretNeed::Nothing => {}
            }
        }
        while let Some(renewal) = renewals.join_next().await {
            let Ok((outcome, id, held)) = renewal else { continue };
            if !self.note_renewal(&id, held, outcome, until) {
                to_read.push(id);
            }
        }
        to_read
    }

    /// Forgets the lease of a secret that nobody will read again.
    pub(crate) fn drop_lease(&self, id: &SecretId) {
        self.leased.lock().remove(id);
    }

    /// Whether the lease is good after its renewal was tried.
    fn note_renewal(
        &self,
        id: &SecretId,
        mut held: Held,
        outcome: Result<LeaseRenewal, Error>,
        until: UnixMilliseconds,
    ) -> bool {
        let now = self.client.clock().now();
        let is_good = match outcome {
            Ok(renewal) => {
                tracing::debug!("lease of {id} renewed for {} s", renewal.lease_duration);
                held.lease = held.lease.renewed(now, renewal.lease_duration, renewal.renewable);
                held.lease.need(now, until) != SecretNeed::Reading
            }
            Err(error @ Error::Refused { status: 400..500, .. }) => {
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
        if let Some(current) = self.leased.lock().get_mut(id)
            && current.lease_id == held.lease_id
        {
            *current = held;
        }
        is_good
    }
}

/// How long no renewal is tried after one that got no answer.
const PAUSE: Duration = Duration::from_secs(5);
