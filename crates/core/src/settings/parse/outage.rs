//! How often Vault is asked again, and what happens while it cannot be reached.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Parser;
use crate::duration;
use crate::settings::{OnOutage, Proxy, variables as v};

impl Parser<'_> {
    pub(super) fn attempts(&mut self) -> NonZeroU32 {
        let attempts = match self.environment.trimmed(v::STRONGROOM_RETRY) {
            None => return DEFAULT_ATTEMPTS,
            Some("off") => return NonZeroU32::MIN,
            Some(text) => text.parse().ok().filter(|attempts| *attempts <= MOST_ATTEMPTS),
        };
        attempts.unwrap_or_else(|| {
            self.findings.error(
                v::STRONGROOM_RETRY,
                format!("is no number of attempts from 1 to {MOST_ATTEMPTS}: write for example 3, or off"),
            );
            DEFAULT_ATTEMPTS
        })
    }

    pub(super) fn on_outage(&mut self) -> OnOutage {
        let asked = self.environment.trimmed(v::STRONGROOM_STALE_FOR);
        let stale_for = match asked.map(duration::above_zero) {
            None => DEFAULT_STALE_FOR,
            Some(Some(stale_for)) => stale_for,
            Some(None) => {
                self.findings.error(
                    v::STRONGROOM_STALE_FOR,
                    "is no duration above zero: write for example 1h",
                );
                DEFAULT_STALE_FOR
            }
        };
        let on_outage = self.choice(
            v::STRONGROOM_ON_OUTAGE,
            &[
                ("fail", OnOutage::Fail),
                ("stale", OnOutage::Stale(stale_for)),
                ("lazy", OnOutage::Lazy),
            ],
        );
        if asked.is_some() && !matches!(on_outage, OnOutage::Stale(_)) {
            self.findings.error(
                v::STRONGROOM_STALE_FOR,
                "is of no use without STRONGROOM_ON_OUTAGE=stale: set both or neither",
            );
        }
        on_outage
    }

    /// What is not held cannot be served.
    pub(super) fn warn_of_empty_hands(&mut self, on_outage: OnOutage, proxy: Option<&Proxy>) {
        let holds = proxy.is_some_and(|proxy| proxy.cache.is_some());
        if matches!(on_outage, OnOutage::Stale(_)) && !holds {
            self.findings.warning(
                v::STRONGROOM_ON_OUTAGE,
                "is stale, but without VAULT_DEFAULT_CACHE_TTL nothing is held that could be served",
            );
        }
    }
}

const DEFAULT_ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).expect("three is not zero");
const DEFAULT_STALE_FOR: Duration = Duration::from_hours(1);
const MOST_ATTEMPTS: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
