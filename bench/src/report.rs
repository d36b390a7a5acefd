//! The results as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::machine;
use crate::measure::{Figure, Samples};

/// Writes `results.json` and `results.md` into `folder` and prints the table.
#[expect(clippy::disallowed_methods, reason = "results hold no secrets")]
pub(crate) fn write(samples: &Samples, target: &str, rounds: u32, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let table = table(samples, target, rounds);
    std::fs::write(folder.join("results.md"), &table)?;
    let figures: serde_json::Map<String, Value> =
        samples.iter().map(|(figure, values)| (format!("{figure:?}"), json!(values))).collect();
    let results = json!({
        "machine": machine::describe(), "load": machine::load(), "target": target, "rounds": rounds, "samples": figures,
    });
    std::fs::write(folder.join("results.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    println!("{table}");
    Ok(())
}

fn table(samples: &Samples, target: &str, rounds: u32) -> String {
    let mut table = format!(
        "Measured by `cargo xtask bench` on {} (load {} at the end), binaries for {target}, {rounds} rounds, over TLS to \
         a server in another process on the same machine. Median [least .. most].\n\n| figure | unit | measured | target \
         | |\n|---|---|--:|--:|---|\n",
        machine::describe(),
        machine::load(),
    );
    for Row { figure, name, unit, target } in ROWS {
        let Some(values) = samples.get(figure) else { continue };
        let (least, median, most) = spread(values);
        // A size is what it is.
        let spread = (values.len() > 1).then_some((least, most));
        let _ = writeln!(table, "{}", row(name, unit, median, spread, *target));
    }
    table.push_str(NOTES);
    table
}

fn row(
    name: &str,
    unit: &str,
    median: f64,
    spread: Option<(f64, f64)>,
    target: Option<f64>,
) -> String {
    let spread =
        spread.map_or_else(String::new, |(least, most)| format!(" [{least:.3} .. {most:.3}]"));
    let (target, verdict) = match target {
        Some(target) if median <= target => (target.to_string(), "met"),
        Some(target) => (target.to_string(), "missed"),
        None => (String::new(), ""),
    };
    format!("| {name} | {unit} | {median:.3}{spread} | {target} | {verdict} |")
}

fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}

struct Row {
    figure: Figure,
    name: &'static str,
    unit: &'static str,
    target: Option<f64>,
}

const fn measured(
    figure: Figure,
    name: &'static str,
    unit: &'static str,
    target: Option<f64>,
) -> Row {
    Row { figure, name, unit, target }
}

/// In the order of the report.
const ROWS: &[Row] = &[
    measured(Figure::SizeOfExtension, "extension binary", "MB", Some(3.0)),
    measured(Figure::SizeOfExecWrapper, "exec wrapper binary", "MB", Some(0.4)),
    measured(Figure::SizeOfLayer, "layer zip", "MB", Some(1.25)),
    measured(Figure::Init, "exec to first `event/next`, one secret file", "ms", Some(3.2)),
    measured(Figure::Register, "exec to `register`, proxy only", "ms", Some(1.6)),
    measured(
        Figure::RegisterWithVariables,
        "exec to `register`, one file and three references, the wrapper waits",
        "ms",
        Some(1.6),
    ),
    measured(Figure::InitWithVariables, "the same to first `event/next`", "ms", None),
    measured(Figure::CpuInInit, "CPU time in init", "ms", Some(2.1)),
    measured(Figure::RssAfterInit, "resident memory after init", "kB", Some(3_200.0)),
    measured(Figure::AnonymousAfterInit, "of which anonymous", "kB", Some(500.0)),
    measured(
        Figure::RssAfterInitWithVariables,
        "resident memory after init, one file and three references",
        "kB",
        None,
    ),
    measured(Figure::RssAfterLoad, "resident memory after 50,000 requests", "kB", Some(4_200.0)),
    measured(
        Figure::ProgramAlone,
        "the function's program alone: spawn to its first statement",
        "ms",
        None,
    ),
    measured(
        Figure::ProgramHeld,
        "environment by reference: the same by the exec wrapper, value held",
        "ms",
        Some(2.0),
    ),
    measured(Figure::ProgramHeldAdded, "of which the wrapper", "ms", None),
    measured(
        Figure::ProgramCold,
        "environment by reference: at a cold start, from `register` on",
        "ms",
        Some(2.0),
    ),
    measured(Figure::ProgramColdAdded, "of which the wrapper, login and read", "ms", None),
    measured(Figure::DirectLatency, "direct request to the server, p50", "us", None),
    measured(Figure::UncachedLatency, "request through the proxy, p50", "us", None),
    measured(Figure::UncachedOverhead, "what the proxy adds, p50", "us", Some(145.0)),
    measured(Figure::CachedLatency, "cached request, p50", "us", Some(72.0)),
    measured(Figure::CachedOverDirect, "cached over direct", "ratio", None),
    measured(Figure::CpuPerUncached, "CPU per request, not cached, one at a time", "us", None),
    measured(Figure::CpuPerCached, "CPU per request, cached, one at a time", "us", None),
    measured(Figure::InvokeToNext, "INVOKE to `event/next`, nothing due, p50", "us", Some(75.0)),
    measured(Figure::InvokeToNextDue, "INVOKE to `event/next`, a file is due, p50", "us", None),
    measured(
        Figure::InvokeToNextDueAfterPause,
        "the same after a pause, with a new TLS connection",
        "us",
        None,
    ),
    measured(Figure::ShutdownRevoked, "SHUTDOWN to exit, token revoked", "ms", Some(1.5)),
];

/// What the rows cannot say of themselves.
const NOTES: &str = "
Environment by reference, one reference: from just before the exec wrapper is spawned to the first statement of the \
program that it executes, so one fork, the wrapper's exec, its question to the extension, the program's exec and the \
start of a program that is as static as the layer and does nothing else. The same program without the wrapper, in turn \
with it, is the floor. Value held: the extension has its answers before. Cold start: the wrapper is spawned when the \
extension registers, and the time is from there, so login and read are in it. All binaries are in the page cache.

A file that is due costs one read, which the server counts; the secret is the same, so the file stays as it is. Such \
INVOKEs come 3 ms apart, those with nothing due one after the other.
";
