//! When the next request may go: rate limit, Retry-After, and pauses between tries.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use ring::rand::{SecureRandom, SystemRandom};
use strongroom_core::settings::RateLimit;
use tokio::time::Instant;

/// A token bucket, as `VAULT_RATE_LIMIT` asks for.
#[derive(Debug)]
pub(crate) struct Pace {
    limit: RateLimit,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    at: Instant,
}

impl Pace {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, state: Mutex::new(None) }
    }

    /// Waits for this request's turn; false, at once, if it does not come in time.
    pub(crate) async fn wait(&self, patience: Duration) -> bool {
        let now = now();
        let Some(turn) = self.turn(now, patience) else { return false };
        tokio::time::sleep_until(turn).await;
        true
    }

    /// Takes the next turn, unless it lies further ahead than that.
    fn turn(&self, now: Instant, patience: Duration) -> Option<Instant> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.get_or_insert(State { tokens: self.limit.burst.into(), at: now });
        let gained = now.saturating_duration_since(state.at).as_secs_f64() * self.limit.per_second;
        state.tokens = (state.tokens + gained).min(self.limit.burst.into()) - 1.0;
        state.at = now;
        let lacking = (-state.tokens).max(0.0) / self.limit.per_second;
        let ahead = Duration::try_from_secs_f64(lacking).unwrap_or(Duration::MAX);
        if ahead > patience {
            // Nobody takes it: it is the next one's.
            state.tokens += 1.0;
            return None;
        }
        Some(now + ahead)
    }
}

fn now() -> Instant {
    Instant::now()
}

/// How long to wait before the next try: half a second, then twice as long each time, and up to
/// half as much again by chance, so that a fleet that failed together does not return together.
pub(crate) fn backoff(tries: u32) -> Duration {
    let base = FIRST_PAUSE.saturating_mul(1 << tries.min(4));
    base + base.mul_f64(chance() / 2.0)
}

/// What `Retry-After` asks for: seconds or a date.
/// <https://www.rfc-editor.org/rfc/rfc9110#name-retry-after>
pub(crate) fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let asked = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(std::time::SystemTime::now())
            .unwrap_or_default(),
    };
    // Behind one NAT address all functions are told the same.
    Some(asked + Duration::from_millis((chance() * 250.0) as u64))
}

/// A number from 0 up to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without chance the pauses are only less spread.
    let _ = SystemRandom::new().fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_then_the_rate_holds() {
        let pace = Pace::new(RateLimit { per_second: 10.0, burst: 2 });
        let start = now();
        let turns: Vec<_> = (0..5)
            .map(|_| (pace.turn(start, Duration::MAX / 2).unwrap() - start).as_millis())
            .collect();
        assert_eq!(turns, [0, 0, 100, 200, 300]);
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.turn(later, Duration::ZERO), Some(later));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_comes_too_late_is_left_to_the_next() {
        let pace = Pace::new(RateLimit { per_second: 1.0, burst: 1 });
        let start = now();
        assert!(pace.wait(Duration::ZERO).await);
        for _ in 0..3 {
            assert!(!pace.wait(Duration::from_millis(500)).await);
        }
        assert_eq!(pace.turn(start, Duration::from_secs(1)), Some(start + Duration::from_secs(1)));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |text: &str, least: u64, most: u64| {
            let found = retry_after(&HeaderValue::from_str(text).unwrap()).unwrap().as_millis();
            assert!((u128::from(least)..=u128::from(most)).contains(&found), "{text}: {found}");
        };
        check("1", 1_000, 1_250);
        check("Sun, 06 Nov 1994 08:49:37 GMT", 0, 250);
        assert!(retry_after(&HeaderValue::from_static("soon")).is_none());
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        for tries in 0..10 {
            let pause = backoff(tries).as_millis();
            let least = 500 << tries.min(4);
            assert!((least..=least * 3 / 2).contains(&pause));
        }
    }
}
