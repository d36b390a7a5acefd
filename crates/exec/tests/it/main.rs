//! The wrapper as a process, beside a stand-in for the extension that says whatever a test wants.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod chain;
mod environment;
mod failures;
mod lambda;
mod program;
mod stage;
mod trust;
