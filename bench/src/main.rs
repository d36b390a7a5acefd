//! Measures the layer's release binaries: size, start, memory, latency, shutdown.
//!
//! Over TLS, against a server in another process, and beside direct requests to that server in the
//! same run: a shared machine drifts by tens of per cent from hour to hour, ratios do not.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line for people")]

mod client;
mod extension;
mod lambda;
mod machine;
mod measure;
mod program;
mod report;
mod server;
mod soak;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "Measures the layer's release binaries")]
enum Arguments {
    /// Measure the binaries and write the results
    Measure {
        #[command(flatten)]
        files: measure::Files,
        /// What they were built for, for the report
        #[arg(long)]
        target: String,
        /// Directory for results.json and results.md
        #[arg(long)]
        record: PathBuf,
        /// How often everything is measured
        #[arg(long, default_value_t = 5)]
        rounds: u32,
    },
    /// Send many requests, with logins, renewals and refreshes, and write how much memory is resident
    Soak {
        /// The extension
        #[arg(long)]
        extension: PathBuf,
        /// Directory for soak.json, soak.md and soak.svg
        #[arg(long)]
        record: PathBuf,
        /// How many requests
        #[arg(long, default_value_t = 1_000_000)]
        requests: usize,
    },
    /// Be the server (started by the others)
    #[command(hide = true)]
    Serve {
        /// Seconds that a token lives
        #[arg(long)]
        token_seconds: u64,
        /// Where to write the certificate
        #[arg(long)]
        certificate: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse() {
        Arguments::Measure { files, target, record, rounds } => {
            let samples = measure::run(&files, rounds)?;
            report::write(&samples, &target, rounds, &record)
        }
        Arguments::Soak { extension, record, requests } => soak::run(&extension, requests, &record),
        Arguments::Serve { certificate, token_seconds } => server::run(&certificate, token_seconds),
    }
}
