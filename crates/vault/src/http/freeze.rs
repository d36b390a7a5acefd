//! Notices that the environment was frozen while an exchange was under way.
//!
//! Lambda freezes an environment between invocations, wherever its processes stand, and thaws it
//! seconds or hours later; the other end of a connection may be gone by then without a word.
//! Whether the monotonic clock ran meanwhile is not promised. So the wall clock is looked at
//! once a second while anything is under way and at every event and request; if it has moved by
//! more than [`GAP`] since the last look, whatever was under way is given up and begun anew.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strongroom_core::lease::UnixMilliseconds;
use tokio::sync::{Notify, watch};

use crate::clock::Clock;

/// The least jump of the wall clock, in either direction, that counts as a freeze; milliseconds.
const GAP: u64 = 5_000;
const TICK: Duration = Duration::from_secs(1);

/// Watches the wall clock while exchanges are under way.
#[derive(Debug)]
pub struct Freeze {
    clock: Clock,
    looked: Mutex<Looked>,
    count: watch::Sender<u64>,
    begun: Notify,
}

#[derive(Debug)]
struct Looked {
    at: UnixMilliseconds,
    under_way: usize,
}

impl Freeze {
    /// A watch over `clock`; its task ends when the last handle is gone.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Self> {
        let looked = Mutex::new(Looked { at: clock.now(), under_way: 0 });
        Arc::new(Self { clock, looked, count: watch::Sender::new(0), begun: Notify::new() })
    }

    /// Looks at the clock until dropped; to be run beside everything else.
    pub async fn watch(&self) {
        loop {
            if self.under_way() == 0 {
                self.begun.notified().await;
            }
            tokio::time::sleep(TICK).await;
            self.look();
        }
    }

    /// Looks at the clock now.
    pub fn look(&self) {
        let now = self.clock.now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let jumped = now.abs_diff(looked.at) > GAP && looked.under_way > 0;
        looked.at = now;
        drop(looked);
        if jumped {
            self.count.send_modify(|count| *count += 1);
        }
    }

    /// Says that an exchange begins; it is under way until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.look();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.under_way += 1;
        if looked.under_way == 1 {
            self.begun.notify_one();
        }
        drop(looked);
        UnderWay { count: self.count.subscribe(), freeze: Arc::clone(self) }
    }

    fn under_way(&self) -> usize {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).under_way
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    count: watch::Receiver<u64>,
    freeze: Arc<Freeze>,
}

impl UnderWay {
    /// Ends when the environment was frozen since the exchange began.
    pub(crate) fn frozen(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut count = self.count.clone();
        async move {
            if count.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut looked = self.freeze.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.under_way -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    async fn is_noticed(jump: i64, ask: impl FnOnce(&Freeze)) -> bool {
        let offset = Arc::new(AtomicI64::new(0));
        let freeze = Freeze::new(Clock::with_offset(Arc::clone(&offset)));
        let under_way = freeze.begin();
        offset.store(jump, Ordering::Relaxed);
        ask(&freeze);
        tokio::select! {
            biased;
            () = under_way.frozen() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn a_jump_of_the_wall_clock_is_noticed_at_the_next_look() {
        assert!(is_noticed(5_500, Freeze::look).await);
        assert!(is_noticed(-36_000_000, Freeze::look).await);
        assert!(!is_noticed(3_000, Freeze::look).await);
        assert!(!is_noticed(36_000_000, |_| ()).await, "nobody looked");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_looks_even_if_the_monotonic_clock_stood_still() {
        let offset = Arc::new(AtomicI64::new(0));
        let freeze = Freeze::new(Clock::with_offset(Arc::clone(&offset)));
        let under_way = freeze.begin();
        offset.store(36_000_000, Ordering::Relaxed);
        tokio::select! {
            () = freeze.watch() => unreachable!("it runs until dropped"),
            () = under_way.frozen() => {}
        }
    }

    #[tokio::test]
    async fn a_gap_while_nothing_is_under_way_does_not_matter() {
        let offset = Arc::new(AtomicI64::new(0));
        let freeze = Freeze::new(Clock::with_offset(Arc::clone(&offset)));
        offset.store(36_000_000, Ordering::Relaxed);
        let under_way = freeze.begin();
        freeze.look();
        assert!(!under_way.count.has_changed().unwrap());
    }
}
