//! The function's program in the benchmarks: says when it began and what its variable holds.
//!
//! It does nothing else, so that what is measured is how it was started, not what a runtime does as it starts.
#![expect(clippy::print_stdout, reason = "what it says is its result")]

use rustix::time::{ClockId, clock_gettime};

fn main() {
    // Before all else: what comes later is not measured.
    let began = clock_gettime(ClockId::Monotonic);
    let value = std::env::var("DATABASE_PASSWORD").unwrap_or_default();
    println!("{}.{:09} {value}", began.tv_sec, began.tv_nsec);
}
