//! What holds of every input, over all of what the crate shows.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod documents;
