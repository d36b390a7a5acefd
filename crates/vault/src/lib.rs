//! A Vault client that logs in by itself; knows nothing of Lambda.

pub mod aws;
pub mod client;
pub mod clock;
pub mod doctor;
pub mod error;
pub mod flight;
pub mod forward;
pub mod http;
pub mod login;
pub mod refusal;
pub mod session;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod srv;
pub mod task;
pub mod tls;
pub mod token;

mod circuit;
mod consistency;
mod pace;
mod percent;
