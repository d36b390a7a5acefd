//! What the harness asks the function, and what the function says it saw.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A point in time by the machine's monotonic clock, in microseconds: the same for every process.
pub type Micros = u64;

/// The time.
#[must_use]
pub fn now() -> Micros {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1_000
}

/// The event of an invocation: what the function is to look at.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Questions {
    /// How many ask the local Vault API for the secret at once.
    pub crowd: usize,
    /// Files to read.
    pub files: Vec<String>,
    /// How many requests are left before their answers are there.
    pub hang_ups: usize,
    /// The path of the secret below the local Vault API, `/v1` included.
    pub secret: String,
    /// Variables to look at.
    pub variables: Vec<String>,
    /// What to write, and to read again.
    pub write: Option<Write>,
}

/// A secret to write.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Write {
    /// Its path below the local Vault API, `/v1` included.
    pub path: String,
    /// Its text.
    pub value: String,
}

/// What the function saw in one invocation. After an answer that came too late, it asks for nothing more.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// When the function's process started.
    pub started: Micros,
    /// The content of each file, or why there is none.
    pub files: Vec<Result<String, String>>,
    /// The variables.
    pub variables: Vec<Option<String>>,
    /// What came of reading the secret, past the extension's cache.
    pub read: Exchange,
    /// The same from its cache.
    pub cached: Option<Exchange>,
    /// The same of the crowd.
    pub crowd: Vec<Exchange>,
    /// What came of the write, and of the read that followed.
    pub written: Option<(Exchange, Option<Exchange>)>,
}

/// A request to the local Vault API, and what came of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Exchange {
    /// When it was sent.
    pub begun: Micros,
    /// When the answer was there.
    pub ended: Micros,
    /// The answer, or why there is none.
    pub answer: Result<Answer, String>,
}

impl Exchange {
    /// Whether it took all the time that there was.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.status == 504)
    }
}

/// An answer of the local Vault API.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Whether it has a `Warning` header, as what is served past its time.
    pub is_stale: bool,
}
