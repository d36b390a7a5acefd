//! The ways by which a secret reaches the function.

pub(crate) mod files;
pub(crate) mod proxy;
mod serving;
pub(crate) mod socket;
pub(crate) mod variables;

#[cfg(feature = "fuzzing")]
pub use proxy::fuzzing::client_request;
