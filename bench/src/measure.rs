//! What is measured, in which order.

mod requests;
mod starts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::server::Server;

/// A figure, by its name in the report.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Figure {
    AnonymousAfterInit,
    CachedLatency,
    CachedOverDirect,
    CpuInInit,
    CpuPerCached,
    CpuPerUncached,
    DirectLatency,
    Init,
    InitWithVariables,
    InvokeToNext,
    InvokeToNextDue,
    InvokeToNextDueAfterPause,
    ProgramAlone,
    ProgramCold,
    ProgramColdAdded,
    ProgramHeld,
    ProgramHeldAdded,
    Register,
    RegisterWithVariables,
    RssAfterInit,
    RssAfterInitWithVariables,
    RssAfterLoad,
    ShutdownRevoked,
    SizeOfExecWrapper,
    SizeOfExtension,
    SizeOfLayer,
    UncachedLatency,
    UncachedOverhead,
}

/// Samples of each figure, in its unit.
pub(crate) type Samples = BTreeMap<Figure, Vec<f64>>;

/// What is measured, and what that needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Files {
    /// The extension's binary
    #[arg(long)]
    extension: PathBuf,
    /// The exec wrapper's binary
    #[arg(long)]
    exec_wrapper: PathBuf,
    /// The layer as it is uploaded
    #[arg(long)]
    layer: PathBuf,
    /// The program that the exec wrapper is to start
    #[arg(long)]
    program: PathBuf,
}

/// Measures everything `rounds` times.
pub(crate) fn run(files: &Files, rounds: u32) -> Result<Samples> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path().join("certificate.pem"))?;
    let mut samples = Samples::new();
    add(&mut samples, Figure::SizeOfExtension, megabytes(&files.extension)?);
    add(&mut samples, Figure::SizeOfExecWrapper, megabytes(&files.exec_wrapper)?);
    add(&mut samples, Figure::SizeOfLayer, megabytes(&files.layer)?);
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds} ...");
        for _ in 0..STARTS {
            starts::measure(&files.extension, &server, &mut samples)?;
            starts::measure_variables(files, &server, &mut samples)?;
        }
        requests::measure(&files.extension, &server, &mut samples)?;
        requests::measure_refresh(&files.extension, &server, &mut samples)?;
    }
    Ok(samples)
}

fn add(samples: &mut Samples, figure: Figure, value: f64) {
    samples.entry(figure).or_default().push(value);
}

/// The median of at least one time.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn megabytes(file: &Path) -> Result<f64> {
    let metadata = file.metadata().with_context(|| format!("no {}", file.display()))?;
    Ok(metadata.len() as f64 / 1e6)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What was freed settles within the time that a first invocation leaves.
const SETTLE: Duration = Duration::from_millis(100);
const STARTS: usize = 5;
