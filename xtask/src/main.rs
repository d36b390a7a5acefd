//! Every check and build step of the project: `cargo xtask`, and its command line.
//!
//! Each subject is a module; what a command does is said there.
//! Progress and findings go to standard error, what a command is asked for to standard output.
#![expect(clippy::print_stderr, reason = "a command line for people")]
#![expect(clippy::print_stdout, reason = "a command line for people")]

mod beds;
mod bench;
mod build;
mod chaos;
mod ci;
mod command;
mod conformance;
mod deny;
mod docs;
mod fuzz;
mod herd;
mod lab;
mod layer;
mod linked;
mod progress;
mod report;
mod soak;
mod test;
mod tidy;
mod tool;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::build::Arch;
use crate::layer::Proofs;
use crate::workspace::Workspace;

/// Every check and build step of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the real parts that the tests run against, under target/beds
    Beds,
    /// Measure the release binary and record the results in bench/results
    Bench {
        /// How often everything is measured
        #[arg(long, default_value_t = 5)]
        rounds: u32,
    },
    /// Invoke a function while everything around it goes wrong, and judge what it sees
    Chaos {
        /// What follows goes to the program: --seed, --invocations and others, see --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Everything that CI checks
    Ci,
    /// Compare the extension with the recorded behaviour of the one it replaces
    Conformance {
        /// Case ids, or patterns with *
        #[arg(long, num_args = 1..)]
        only: Vec<String>,
    },
    /// Write the pages of the documentation that are generated from code
    Docs {
        /// Compare the pages instead of writing them
        #[arg(long)]
        check: bool,
    },
    /// Run the fuzz targets, one after the other
    Fuzz {
        /// How long each of them runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Which; all if none is named
        targets: Vec<String>,
    },
    /// Simulate many cold starts at once and record what came out in docs/herd.md
    Herd {
        /// How many environments start
        #[arg(long, default_value_t = 10_000)]
        environments: u32,
        /// The same seed gives the same herd
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Run the whole practice on this machine (`cargo lab`)
    Lab {
        /// What follows goes to `strongroom lab`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Build the layer for both processors, as target/layer/strongroom-layer-ARCH.zip, and prove that it is as promised
    Layer {
        /// Only for this one
        #[arg(long, value_enum)]
        arch: Option<Arch>,
        /// Look at it only: run nothing that needs Go or Python to be installed
        #[arg(long)]
        quick: bool,
        /// Build it once more, from a copy in another folder, and compare
        #[arg(long)]
        twice: bool,
    },
    /// Send the release binary many requests and record how much memory it takes, in bench/results
    Soak {
        /// How many
        #[arg(long, default_value_t = 1_000_000)]
        requests: usize,
    },
    /// Run every test, against real parts where they can be had
    Test {
        /// Leave out what needs Go or Python
        #[arg(long)]
        quick: bool,
        /// Passed to the test binaries, as after `cargo test --`
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Check what no compiler checks: arrows between crates, module docs, listed files
    Tidy {
        /// Rewrite the checked-in lists instead of comparing with them
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    let workspace = Workspace::of_this_build();
    let result = match Arguments::parse().command {
        Command::Beds => beds::install_all(&workspace),
        Command::Bench { rounds } => bench::run(&workspace, rounds),
        Command::Chaos { arguments } => chaos::run(&workspace, &arguments),
        Command::Ci => ci::run(&workspace),
        Command::Conformance { only } => conformance::run(&workspace, &only),
        Command::Docs { check: true } => docs::check(&workspace),
        Command::Docs { check: false } => docs::write(&workspace),
        Command::Fuzz { seconds, targets } => fuzz::run(&workspace, seconds, &targets),
        Command::Herd { environments, seed } => herd::run(&workspace, environments, seed),
        Command::Lab { arguments } => lab::run(&workspace, &arguments),
        Command::Layer { arch, quick, twice } => {
            let proofs = Proofs { running: !quick, twice };
            layer::run(&workspace, arch, proofs)
        }
        Command::Soak { requests } => soak::run(&workspace, requests),
        Command::Test { quick, filter } => test::run(&workspace, quick, &filter),
        Command::Tidy { write } => tidy::run(&workspace, write),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
