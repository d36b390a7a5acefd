//! End-to-end tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod docs;
mod languages;
mod production;
mod real;
