//! A model of vault-lambda-extension: three tries, then it exits.
//!
//! Its pauses are those of `LinearJitterBackoff` in go-retryablehttp 0.7.7, which the Vault API client 1.15.0 uses with
//! 1 s and 1.5 s: 1 to 1.5 s after the first try, twice that after the second; `Retry-After` is not looked at.
//! <https://github.com/hashicorp/go-retryablehttp/blob/v0.7.7/client.go>

use std::time::Duration;

use tokio::time::sleep;

use crate::run::between;
use crate::vault::{ROUND_TRIP, Vault, Verdict};

/// Whether it has a token before it exits.
pub(crate) async fn logs_in(vault: &Vault) -> bool {
    sleep(ROUND_TRIP * 2).await;
    for tries in 1..=TRIES {
        if vault.log_in().await == Verdict::Admitted {
            return true;
        }
        if tries < TRIES {
            sleep(between(LEAST_PAUSE, MOST_PAUSE) * tries).await;
        }
    }
    false
}

const TRIES: u32 = 3;
const LEAST_PAUSE: Duration = Duration::from_secs(1);
const MOST_PAUSE: Duration = Duration::from_millis(1500);
