//! Keeps requests from a Vault that does not answer: after repeated failures they fail at once, and one at a time
//! asks again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use strongroom_core::lease::UnixMilliseconds;

use crate::clock::{Clock, Pause};
use crate::error::Error;
use crate::pace;

/// Whether requests go to Vault.
#[derive(Debug, Default)]
pub(crate) struct Circuit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Failures since the last answer.
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: UnixMilliseconds,
    /// What the last request ended with.
    cause: String,
    /// Until the next one asks again.
    pause: Pause,
    probes: u32,
    is_probed: bool,
}

/// A request that goes to Vault; without a verdict when dropped.
#[derive(Debug)]
pub(crate) struct Passage<'a> {
    circuit: &'a Circuit,
    is_probe: bool,
}

impl Circuit {
    /// Lets a request through, or says at once that Vault does not answer.
    pub(crate) fn enter(&self, clock: &Clock) -> Result<Passage<'_>, Error> {
        let mut state = self.lock();
        let Some(open) = &mut state.open else {
            return Ok(Passage { circuit: self, is_probe: false });
        };
        if open.is_probed || open.pause.lasts(clock) {
            let seconds = clock.now().saturating_sub(open.since) / 1000;
            return Err(Error::Unavailable { seconds, cause: open.cause.clone() });
        }
        open.is_probed = true;
        Ok(Passage { circuit: self, is_probe: true })
    }

    /// Whether requests fail at once.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().open.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage<'_> {
    /// Vault answered: everything goes through again.
    pub(crate) fn succeeded(self) {
        let mut state = self.circuit.lock();
        state.failures = 0;
        if let Some(open) = state.open.take() {
            tracing::info!("Vault answers again; the last failure was: {}", open.cause);
        }
    }

    /// Vault did not answer, or only that it cannot.
    pub(crate) fn failed(self, cause: impl FnOnce() -> String, clock: &Clock) {
        let mut state = self.circuit.lock();
        state.failures = state.failures.saturating_add(1);
        let failures = state.failures;
        match &mut state.open {
            Some(open) if self.is_probe => {
                open.cause = cause();
                open.pause = clock.pause(pace::backoff(open.probes.min(LONGEST_PAUSE)));
                open.probes = open.probes.saturating_add(1);
            }
            // One that was under way when it opened says nothing new.
            Some(_) => {}
            None if failures >= MOST_FAILURES => {
                let cause = cause();
                tracing::warn!(
                    "Vault has failed to answer {MOST_FAILURES} times in a row: requests fail at once until one, \
                     at intervals, is answered; the last failure was: {cause}"
                );
                state.open = Some(Open {
                    since: clock.now(),
                    cause,
                    pause: clock.pause(pace::backoff(0)),
                    probes: 1,
                    is_probed: false,
                });
            }
            None => {}
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(open) = &mut self.circuit.lock().open
        {
            open.is_probed = false;
        }
    }
}

/// The pauses between probes grow up to the one after so many tries: who comes back is soon asked.
const LONGEST_PAUSE: u32 = 2;
/// Failures in a row after which it opens: more than the tries of one request.
const MOST_FAILURES: u32 = 5;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A circuit that has just opened, and the clock it goes by.
    fn opened() -> (Circuit, Clock, Arc<AtomicI64>) {
        let offset = Arc::new(AtomicI64::new(0));
        let (circuit, clock) = (Circuit::default(), Clock::with_offset(Arc::clone(&offset)));
        for _ in 0..MOST_FAILURES {
            assert!(!circuit.is_open());
            fail(&circuit, &clock);
        }
        assert!(circuit.is_open());
        (circuit, clock, offset)
    }

    fn fail(circuit: &Circuit, clock: &Clock) {
        circuit.enter(clock).unwrap().failed(|| "no answer".to_owned(), clock);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (circuit, clock) = (Circuit::default(), Clock::system());
        for _ in 0..3 {
            for _ in 1..MOST_FAILURES {
                fail(&circuit, &clock);
            }
            circuit.enter(&clock).unwrap().succeeded();
        }
        assert!(!circuit.is_open());
    }

    #[test]
    fn one_request_at_a_time_asks_again() {
        let (circuit, clock, offset) = opened();
        assert!(matches!(circuit.enter(&clock), Err(Error::Unavailable { .. })), "at once");
        offset.store(60_000, Ordering::Relaxed);
        let probe = circuit.enter(&clock).unwrap();
        assert!(circuit.enter(&clock).is_err(), "one is under way");
        drop(probe);
        let probe = circuit.enter(&clock).expect("the one before was given up");
        probe.failed(|| "still no answer".to_owned(), &clock);
        let refusal = circuit.enter(&clock).unwrap_err().to_string();
        assert!(refusal.contains("60 s") && refusal.contains("still no answer"), "{refusal}");
        offset.store(120_000, Ordering::Relaxed);
        circuit.enter(&clock).unwrap().succeeded();
        assert!(!circuit.is_open());
        assert!(circuit.enter(&clock).is_ok() && circuit.enter(&clock).is_ok());
    }

    #[test]
    fn a_late_answer_closes_it_and_a_late_failure_changes_nothing() {
        let (circuit, clock) = (Circuit::default(), Clock::system());
        let (late_answer, late_failure) =
            (circuit.enter(&clock).unwrap(), circuit.enter(&clock).unwrap());
        for _ in 0..MOST_FAILURES {
            fail(&circuit, &clock);
        }
        late_failure.failed(|| "late".to_owned(), &clock);
        let refusal = circuit.enter(&clock).unwrap_err().to_string();
        assert!(!refusal.contains("late"), "{refusal}");
        late_answer.succeeded();
        assert!(!circuit.is_open());
    }
}
