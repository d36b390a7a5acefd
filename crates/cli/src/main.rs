//! The operator's command line of Strongroom. This file reads the arguments, runs what they
//! name until it ends or a signal comes, and is the only place that decides the exit code.

#[cfg(feature = "aws")]
mod agreement;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
mod doctor;
mod environment;
mod explain;
mod lab;
#[cfg(feature = "aws")]
mod layer;
#[cfg(feature = "aws")]
mod run;
#[cfg(feature = "aws")]
mod setup;
mod steps;
mod table;
#[cfg(feature = "aws")]
mod vault_token;

use std::cell::OnceCell;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Gives AWS Lambda functions their secrets from Vault: the command line beside the layer.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "aws")]
    Doctor(doctor::Options),
    Explain(explain::Options),
    Lab(lab::Options),
    #[cfg(feature = "aws")]
    Layer(layer::Options),
    #[cfg(feature = "aws")]
    Run(Box<run::Options>),
    #[cfg(feature = "aws")]
    Setup(setup::Options),
}

/// How long tasks may take to end processes and remove directories at the end.
const CLEANING_UP: Duration = Duration::from_secs(3);
/// What a shell reports for a program that a signal ended: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    if lab::is_sample_function() {
        return lab::sample_function();
    }
    let arguments = Arguments::parse();
    match start(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed, and then there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<ExitCode> {
    // What the work has come to, where only a signal ends it.
    let settled = OnceCell::new();
    match arguments.command {
        #[cfg(feature = "aws")]
        Command::Doctor(options) => doctor::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Lab(options) => until_interrupted(lab::run(options, &settled), &settled),
        #[cfg(feature = "aws")]
        Command::Layer(options) => until_interrupted(layer::run(options), &settled),
        #[cfg(feature = "aws")]
        Command::Run(options) => run::run(&options),
        #[cfg(feature = "aws")]
        Command::Setup(options) => until_interrupted(setup::run(options), &settled),
    }
}

fn until_interrupted(
    work: impl Future<Output = Result<ExitCode>>,
    settled: &OnceCell<ExitCode>,
) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let code = runtime.block_on(async {
        // Dropping the work ends every process and removes every directory that it made.
        tokio::select! {
            code = work => code,
            interrupted = interrupted() => {
                interrupted.map(|()| settled.get().copied().unwrap_or_else(|| ExitCode::from(INTERRUPTED)))
            }
        }
    });
    // What was dropped is cleaned up by its tasks; a request without an answer must not hold that up.
    runtime.shutdown_timeout(CLEANING_UP);
    code
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
