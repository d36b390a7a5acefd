//! Simulates a herd: many environments that start at once, and a Vault that takes on so many logins a second.
//!
//! Time, network, Vault and Lambda are models, and so is the incumbent; Strongroom is the real client, session and
//! retries of `crates/vault`. `docs/herd.md` says what the models assume and what came out.
#![expect(clippy::print_stdout, reason = "a command line for people")]

mod chart;
mod incumbent;
mod lambda;
mod record;
mod run;
mod strongroom;
#[cfg(test)]
mod tests;
mod vault;

use std::path::PathBuf;

use clap::Parser;

use crate::run::{Herd, Policy};
use crate::vault::Headers;

/// Simulates many cold starts at once.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many environments start
    #[arg(long, default_value_t = 10_000)]
    environments: u32,
    /// How many logins Vault takes on in a second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// The same seed gives the same herd
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The workspace in which results, chart and page are written
    #[arg(long)]
    record: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let Arguments { environments, rate, seed, record } = Arguments::parse();
    let mut results = Vec::new();
    for headers in [Headers::Off, Headers::On] {
        for policy in Policy::ALL {
            results.push(run::run(Herd { policy, headers, environments, rate, seed })?);
        }
    }
    println!("{}", record::table(&results));
    if let Some(workspace) = record {
        record::write(&results, &workspace)?;
    }
    Ok(())
}
