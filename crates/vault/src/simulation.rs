//! What a simulation puts in the place of the world: time, the network, and chance.
//!
//! Only with the feature `simulation`, which nothing that is shipped turns on. What stands here replaces what is beyond
//! the client; of the client's own decisions it replaces none.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use strongroom_core::lease::UnixMilliseconds;
use tokio::io::DuplexStream;
use tokio::time::Instant;

/// The wall clock's time at one moment of tokio's clock, from which it goes on as tokio's clock does.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    at: Instant,
    wall: UnixMilliseconds,
}

impl Epoch {
    /// It is `wall` now.
    #[must_use]
    pub fn beginning(wall: UnixMilliseconds) -> Self {
        Self { at: Instant::now(), wall }
    }

    pub(crate) fn now(self) -> UnixMilliseconds {
        let passed = self.at.elapsed().as_millis();
        self.wall.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

/// Opens connections that stay inside the process.
#[derive(Clone)]
pub struct Network(Arc<dyn Fn() -> Connecting + Send + Sync>);

/// A connection to come, after however long it takes.
pub type Connecting = Pin<Box<dyn Future<Output = DuplexStream> + Send>>;

impl Network {
    /// A network whose connections `connect` opens.
    pub fn new(connect: impl Fn() -> Connecting + Send + Sync + 'static) -> Self {
        Self(Arc::new(connect))
    }

    pub(crate) fn connect(&self) -> Connecting {
        (self.0)()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

/// From now on this thread's pauses are drawn from a sequence that is the same for the same seed.
pub fn seed(seed: u64) {
    SEQUENCE.set(Some(seed));
}

/// The next number from 0 up to 1 of this thread's sequence, if it has one.
#[must_use]
pub fn chance() -> Option<f64> {
    let state = SEQUENCE.get()?.wrapping_add(0x9E37_79B9_7F4A_7C15);
    SEQUENCE.set(Some(state));
    // SplitMix64: <https://prng.di.unimi.it/splitmix64.c>
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let drawn = (mixed ^ (mixed >> 31)) >> 11;
    Some(drawn as f64 / (1_u64 << 53) as f64)
}

thread_local! {
    static SEQUENCE: Cell<Option<u64>> = const { Cell::new(None) };
}
