//! Settings, durations, leases and formats of Strongroom: pure, no I/O, no async, no clock.
//!
//! What a function here needs of the world (variables, the time, an answer of Vault) is an
//! argument; so every rule of this crate is tested by a table.

pub mod address;
pub mod advice;
pub mod allow;
pub mod diagnosis;
pub mod document;
pub mod duration;
pub mod failure;
pub mod format;
pub mod lease;
pub mod masking;
pub mod reference;
pub mod settings;
pub mod timestamp;
pub mod wrapper;
