//! Ways to log in to Vault.

mod aws_iam;

pub use aws_iam::{Login, Lookup};
