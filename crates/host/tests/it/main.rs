//! The host, run with a little extension and runtime; and AWS's own emulator, with the same.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod differences;
mod environment;
mod initialization;
mod language;
mod lifecycle;
mod managed;
mod oracle;
mod probe;
mod python;
mod scenarios;
mod snapshot;
