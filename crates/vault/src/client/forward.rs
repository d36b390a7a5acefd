//! Requests of the function's own Vault clients: passed on as they are, and sent again where that does no harm.

use std::num::NonZeroU32;

use http::Response;
use http::header::{HOST, RETRY_AFTER};

use super::Client;
use crate::clock::Deadline;
use crate::error::{Error, is_retryable_status};
use crate::http::{Outgoing, ResponseBody};
use crate::pace::{self, Cause, Request};

impl Client {
    /// Sends a client's request; path and query are the client's.
    ///
    /// A GET, HEAD or LIST is sent up to `attempts` times, until the answer is none of 412, 429 and 5xx (but 501); a
    /// write only if nothing of it can have reached Vault. The last answer is passed on, whatever it is.
    ///
    /// # Errors
    /// [`Error`] when there is no answer.
    pub async fn forward(
        &self,
        outgoing: &mut Outgoing,
        attempts: NonZeroU32,
        deadline: Deadline,
    ) -> Result<Response<ResponseBody>, Error> {
        let outcome = self.send(outgoing, deadline).await;
        if attempts.get() == 1 || !may_be_sent_again(outgoing, &outcome) {
            return outcome;
        }
        // Boxed, as it is rare: the future of a request is moved about as a whole.
        Box::pin(self.forward_again(outgoing, attempts, deadline, outcome)).await
    }

    async fn forward_again(
        &self,
        outgoing: &mut Outgoing,
        attempts: NonZeroU32,
        deadline: Deadline,
        mut outcome: Result<Response<ResponseBody>, Error>,
    ) -> Result<Response<ResponseBody>, Error> {
        for tries in 0..attempts.get() - 1 {
            if !may_be_sent_again(outgoing, &outcome) || self.is_cut_off() {
                break;
            }
            let (pause, said) = match &outcome {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let asked = answer.headers().get(RETRY_AFTER).and_then(pace::retry_after);
                    let pause = pace::pause(Request::Other, tries, Cause::of_status(status), asked);
                    (pause, format!("Vault answered {status}"))
                }
                Err(error) => (pace::pause_after(error, Request::Other, tries), error.to_string()),
            };
            if pause >= deadline.after(self.clock.now()) {
                break;
            }
            let path = outgoing.uri.path();
            tracing::debug!(method = %outgoing.method, path, error = said, "trying again");
            if let Ok(answer) = outcome {
                // Read to its end, so that its connection can be used again.
                let _ = answer.into_body().collect(LARGEST_REFUSAL).await;
            }
            tokio::time::sleep(pause).await;
            outcome = self.send(outgoing, deadline).await;
        }
        outcome
    }

    /// Directs a client's request to Vault: below the address's path, with its authority.
    pub fn direct(&self, outgoing: &mut Outgoing) {
        let prefix = self.settings.address.path_prefix();
        if !prefix.is_empty() {
            let path = outgoing.uri.path_and_query().map_or("/", |path| path.as_str());
            if let Ok(uri) = format!("{prefix}{path}").parse() {
                outgoing.uri = uri;
            }
        }
        outgoing.headers.insert(HOST, self.host.clone());
    }
}

fn may_be_sent_again(outgoing: &Outgoing, outcome: &Result<Response<ResponseBody>, Error>) -> bool {
    // Its status says how a node is: it is the answer.
    if is_health(outgoing.uri.path()) {
        return false;
    }
    match outcome {
        Ok(answer) => is_retryable_status(answer.status().as_u16()) && outgoing.is_repeatable(),
        Err(error) if outgoing.is_repeatable() => error.is_retryable(),
        // The body of one that was streamed may be used up.
        Err(error) => error.is_retryable() && error.is_unsent() && outgoing.is_held(),
    }
}

/// Whether a path asks how a node is. <https://developer.hashicorp.com/vault/api-docs/system/health>
pub(super) fn is_health(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/sys/health")
}

const LARGEST_REFUSAL: usize = 64 * 1024;
