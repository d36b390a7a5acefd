//! When the next request may go: rate limit, Retry-After, and pauses between tries.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use ring::rand::{SecureRandom, SystemRandom};
use strongroom_core::settings::RateLimit;
use tokio::time::Instant;

use crate::error::Error;

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

/// Why something is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// It got no answer, or one that says that Vault, or the way to it, is out of order.
    Failure,
    /// Vault has more to do than it takes on: 429.
    Overload,
}

impl Cause {
    /// What a status that calls for another try says.
    pub(crate) fn of_status(status: u16) -> Self {
        if status == 429 { Self::Overload } else { Self::Failure }
    }
}

/// What is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Request {
    /// A login: a fleet may ask for it at once.
    Login,
    /// Anything else: somebody waits for it, and no fleet asks for it at once.
    Other,
}

/// How long to wait before the next try, where `tries` have been made after the first: as long as Vault asks for, after
/// a 429 until the next window as well, and then anything up to a spread that doubles with each try. All of it is drawn
/// by chance ("full jitter"), so that a fleet that failed together comes back evenly.
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
///
/// The spreads are measured: see `docs/herd.md`.
pub(crate) fn pause(
    request: Request,
    tries: u32,
    cause: Cause,
    retry_after: Option<Duration>,
) -> Duration {
    let window = if cause == Cause::Overload { QUOTA_WINDOW } else { Duration::ZERO };
    let first_spread = match (request, cause) {
        (Request::Login, Cause::Overload) => OVERLOAD_SPREAD,
        _ => FAILURE_SPREAD,
    };
    let spread = first_spread.saturating_mul(1 << tries.min(8)).min(MOST_SPREAD);
    retry_after.unwrap_or_default().saturating_add(window).saturating_add(spread.mul_f64(chance()))
}

/// The same after an error.
pub(crate) fn pause_after(error: &Error, request: Request, tries: u32) -> Duration {
    match error {
        // What a freeze interrupted is begun anew at once: it did not fail.
        Error::Frozen => Duration::ZERO,
        error => pause(request, tries, error.cause(), error.retry_after()),
    }
}

/// How long to wait before the next probe of a circuit: half a second, then twice as long each time, and up to half as
/// much again by chance.
pub(crate) fn backoff(tries: u32) -> Duration {
    let base = FIRST_PAUSE.saturating_mul(1 << tries.min(4));
    base + base.mul_f64(chance() / 2.0)
}

/// What `Retry-After` asks for: seconds or a date.
/// <https://www.rfc-editor.org/rfc/rfc9110#name-retry-after>
pub(crate) fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(
            httpdate::parse_http_date(text)
                .ok()?
                .duration_since(std::time::SystemTime::now())
                .unwrap_or_default(),
        ),
    }
}

/// A number from 0 up to 1.
fn chance() -> f64 {
    #[cfg(feature = "simulation")]
    if let Some(drawn) = crate::simulation::chance() {
        return drawn;
    }
    let mut bytes = [0; 4];
    // Without chance the pauses are only less spread.
    let _ = SystemRandom::new().fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The first spread after a failure.
const FAILURE_SPREAD: Duration = Duration::from_millis(500);
/// The first spread of logins after a 429.
const OVERLOAD_SPREAD: Duration = Duration::from_secs(5);
/// No spread is wider.
const MOST_SPREAD: Duration = Duration::from_secs(7);
/// Vault counts logins in windows of a second, if nobody chose another length, and takes on no more before the next
/// begins. It does not say so unless it is told to, and then it leaves the fraction off: `Retry-After: 0` is anything
/// up to a second. <https://developer.hashicorp.com/vault/api-docs/system/rate-limit-quotas>
const QUOTA_WINDOW: Duration = Duration::from_secs(1);

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
        let check = |text: &str, expect: Option<u64>| {
            let found = retry_after(&HeaderValue::from_str(text).unwrap());
            assert_eq!(found, expect.map(Duration::from_secs), "{text}");
        };
        check("1", Some(1));
        check("0", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(0));
        check("soon", None);
        check("-1", None);
    }

    #[test]
    fn a_429_is_an_overload_and_all_else_a_failure() {
        for status in [412, 500, 502, 503, 504] {
            assert_eq!(Cause::of_status(status), Cause::Failure, "{status}");
        }
        assert_eq!(Cause::of_status(429), Cause::Overload);
    }

    /// Draws many pauses: all lie from `least` to `most` milliseconds, and they reach into each quarter of that.
    fn check_spread(tries: u32, cause: Cause, retry_after: Option<u64>, least: u64, most: u64) {
        let mut quarters = [0_u32; 4];
        for _ in 0..400 {
            let pause = pause(Request::Login, tries, cause, retry_after.map(Duration::from_secs));
            let pause = u64::try_from(pause.as_millis()).unwrap();
            assert!((least..=most).contains(&pause), "{tries} {cause:?} {retry_after:?}: {pause}");
            let quarter = ((pause - least) * 4 / (most - least)).min(3);
            quarters[usize::try_from(quarter).unwrap()] += 1;
        }
        // 100 are expected in each.
        assert!(
            quarters.iter().all(|count| *count > 40),
            "{tries} {cause:?} {retry_after:?}: {quarters:?}"
        );
    }

    #[test]
    fn pauses_after_a_failure_are_drawn_from_a_spread_that_doubles_up_to_a_bound() {
        for (tries, most) in [(0, 500), (1, 1_000), (2, 2_000), (3, 4_000), (4, 7_000), (5, 7_000)]
        {
            check_spread(tries, Cause::Failure, None, 0, most);
        }
        check_spread(u32::MAX, Cause::Failure, None, 0, 7_000);
    }

    #[test]
    fn after_a_429_the_window_of_the_quota_is_waited_for_in_any_case() {
        for (tries, most) in [(0, 6_000), (1, 8_000), (2, 8_000), (u32::MAX, 8_000)] {
            check_spread(tries, Cause::Overload, None, 1_000, most);
        }
    }

    #[test]
    fn retry_after_is_the_least_pause_and_the_spread_comes_on_top() {
        check_spread(0, Cause::Failure, Some(3), 3_000, 3_500);
        check_spread(2, Cause::Failure, Some(3), 3_000, 5_000);
        // What Vault sends has lost its fraction of a second.
        check_spread(0, Cause::Overload, Some(0), 1_000, 6_000);
        check_spread(1, Cause::Overload, Some(8), 9_000, 16_000);
        for cause in [Cause::Failure, Cause::Overload] {
            for request in [Request::Login, Request::Other] {
                assert_eq!(pause(request, 0, cause, Some(Duration::MAX)), Duration::MAX);
            }
        }
    }

    #[test]
    fn a_read_outlasts_the_window_of_a_quota_soon() {
        for (retry_after, least) in [(None, 1_000), (Some(0), 1_000), (Some(1), 2_000)] {
            let retry_after = retry_after.map(Duration::from_secs);
            let pause = pause(Request::Other, 0, Cause::Overload, retry_after).as_millis();
            assert!((least..=least + 500).contains(&pause), "{retry_after:?}: {pause}");
        }
        assert!(pause(Request::Other, 0, Cause::Failure, None) <= FAILURE_SPREAD);
    }

    #[test]
    fn the_pauses_of_a_circuit_grow_and_are_bounded() {
        for tries in 0..10 {
            let pause = backoff(tries).as_millis();
            let least = 500 << tries.min(4);
            assert!((least..=least * 3 / 2).contains(&pause));
        }
    }
}
