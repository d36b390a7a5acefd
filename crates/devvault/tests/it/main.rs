//! The rules that devvault keeps, each checked against HashiCorp's Vault and moto too where
//! `STRONGROOM_VAULT` and `STRONGROOM_MOTO` name them; and what only the stand-ins have.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bed;
mod client;
mod contract;
mod login;
mod postgres;
mod standin;
