//! The one place that reads the time, and deadlines by the wall clock.
//!
//! Wall clock, because an execution environment can be frozen for hours, and the monotonic clock
//! may or may not run meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use strongroom_core::lease::UnixMilliseconds;

/// The wall clock, or in tests one that is set off from it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset: Option<Arc<AtomicI64>>,
    #[cfg(feature = "simulation")]
    epoch: Option<crate::simulation::Epoch>,
}

impl Clock {
    /// The system's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The system's wall clock plus `offset` milliseconds, which may change at any time.
    #[must_use]
    pub fn with_offset(offset: Arc<AtomicI64>) -> Self {
        Self {
            offset: Some(offset),
            #[cfg(feature = "simulation")]
            epoch: None,
        }
    }

    /// The simulated time: `epoch` plus what tokio's paused clock has run since.
    #[cfg(feature = "simulation")]
    #[must_use]
    pub fn simulated(epoch: crate::simulation::Epoch) -> Self {
        Self { offset: None, epoch: Some(epoch) }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> UnixMilliseconds {
        #[cfg(feature = "simulation")]
        if let Some(epoch) = &self.epoch {
            return epoch.now();
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        match &self.offset {
            None => now,
            Some(offset) => now.saturating_add_signed(offset.load(Ordering::Relaxed)),
        }
    }

    /// The same as a time to sign with.
    #[must_use]
    pub fn system_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now())
    }

    /// The deadline that lies `time` ahead.
    #[must_use]
    pub fn deadline_in(&self, time: Duration) -> Deadline {
        Deadline(self.now().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// A pause that begins now.
    #[must_use]
    pub fn pause(&self, length: Duration) -> Pause {
        Pause { from: self.now(), until: self.deadline_in(length).0 }
    }

    /// The result of `future`, or `None` if the deadline passes first.
    pub async fn before<F: Future>(&self, deadline: Deadline, future: F) -> Option<F::Output> {
        tokio::time::timeout(deadline.after(self.now()), future).await.ok()
    }
}

/// A time in which something is not tried again. A clock that is set back ends it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    from: UnixMilliseconds,
    until: UnixMilliseconds,
}

impl Pause {
    /// Whether it lasts.
    #[must_use]
    pub fn lasts(self, clock: &Clock) -> bool {
        (self.from..self.until).contains(&clock.now())
    }
}

/// A point in time by the wall clock: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Deadline(pub UnixMilliseconds);

impl Deadline {
    /// How long after `now` it is; zero if it has passed.
    #[must_use]
    pub fn after(self, now: UnixMilliseconds) -> Duration {
        Duration::from_millis(self.0.saturating_sub(now))
    }
}
