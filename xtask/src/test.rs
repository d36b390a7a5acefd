//! The test command: installs the real parts, builds what the layer holds, runs every test, says what took part.
//!
//! Tests learn of the parts through variables (`STRONGROOM_VAULT` and so on) and report back by
//! appending lines to the files that `STRONGROOM_TOOK_PART` and `STRONGROOM_SKIPPED` name,
//! because libtest swallows what a passing test prints.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::beds::{self, Bed};
use crate::build::{self, Arch, Profile};
use crate::conformance;
use crate::report::{Report, Tally};
use crate::workspace::Workspace;

/// The command `cargo xtask test`: prints the report and fails if anything did,
/// and in CI also if anything was left out.
pub(crate) fn run(workspace: &Workspace, quick: bool, filter: &[String]) -> Result<()> {
    let (report, outcome) = run_all(workspace, quick, filter)?;
    println!("\n{report}");
    outcome?;
    if beds::are_required() && !report.is_whole() {
        bail!("something was left out, which in CI is a failure");
    }
    Ok(())
}

/// Runs everything that can run; the second part says whether all of it ended well.
fn run_all(workspace: &Workspace, quick: bool, filter: &[String]) -> Result<(Report, Result<()>)> {
    let mut report = Report::default();
    // Installing keeps a processor busy at times, and compiling the others.
    let (parts, built) = std::thread::scope(|scope| {
        let parts = scope.spawn(|| Bed::TESTED.map(|bed| (bed, part(workspace, bed, quick))));
        let built = build::extension(workspace, Profile::Lab, Arch::host()).and_then(|extension| {
            Ok((extension, build::exec_wrapper(workspace, Profile::Lab, Arch::host())?))
        });
        (parts.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), built)
    });
    let (extension, exec_wrapper) = built?;
    let mut tests = workspace.cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]);
    tests.env("STRONGROOM_EXTENSION", &extension.path);
    tests.env("STRONGROOM_EXEC", &exec_wrapper.path);
    tests.env("STRONGROOM_CLI", command_line(workspace));
    for (bed, part) in parts {
        give(&mut tests, bed, part, &mut report);
    }
    if !filter.is_empty() {
        tests.arg("--").args(filter);
    }

    let mut outcome = observe(workspace, &mut tests, &mut report);
    // A filter names tests; whoever gives one does not want to wait for the cases.
    if filter.is_empty() {
        let replayed = replay(workspace, &extension.path, quick, &mut report);
        outcome = outcome.and(replayed);
    }
    let failed = report.tally.failed;
    if failed > 0 {
        outcome = outcome.and_then(|()| bail!("{failed} failed"));
    }
    Ok((report, outcome))
}

/// Tells tests of a part, or the report why they are not told.
pub(crate) fn give(
    tests: &mut Command,
    bed: Bed,
    part: Result<PathBuf, String>,
    report: &mut Report,
) {
    // A part that an outer shell names is not a part of this run.
    tests.env_remove(bed.variable());
    match part {
        Ok(program) => {
            tests.env(bed.variable(), program);
        }
        Err(reason) => {
            report.missing.insert(format!("{}: {reason}", bed.title()));
        }
    }
}

/// Runs tests, their lines passed through, and reports how they ended and what took part.
pub(crate) fn observe(
    workspace: &Workspace,
    tests: &mut Command,
    report: &mut Report,
) -> Result<()> {
    let notes = workspace.root().join("target/beds/notes");
    let _ = fs::remove_dir_all(&notes);
    fs::create_dir_all(&notes).context("cannot make target/beds/notes")?;
    let (took_part, skipped) = (notes.join("took-part"), notes.join("skipped"));
    tests.env("STRONGROOM_TOOK_PART", &took_part).env("STRONGROOM_SKIPPED", &skipped);
    let outcome = cargo_test(tests, &mut report.tally);
    report.took_part = lines(&took_part);
    report.skipped_tests = lines(&skipped);
    outcome
}

/// The command line as `cargo test` has just built it, to test that package, too.
fn command_line(workspace: &Workspace) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| workspace.root().join("target")).join("debug/strongroom")
}

/// Installs a real part, or says in one line why it cannot take part.
pub(crate) fn part(workspace: &Workspace, bed: Bed, quick: bool) -> Result<PathBuf, String> {
    if quick {
        return Err("--quick".to_owned());
    }
    bed.install(workspace).map_err(|error| {
        let error = format!("{error:#}");
        eprintln!("{}: {error}", bed.title());
        // What a failed step printed follows the first line and has now been shown.
        error.lines().next().unwrap_or_default().to_owned()
    })
}

/// Replays the conformance cases, or notes why not.
fn replay(workspace: &Workspace, extension: &Path, quick: bool, report: &mut Report) -> Result<()> {
    let unavailable =
        if quick { Some("--quick".to_owned()) } else { conformance::unavailable(workspace) };
    if let Some(reason) = unavailable {
        report.missing.insert(format!("conformance cases: {reason}"));
        return Ok(());
    }
    println!("\nReplaying the conformance cases, about three minutes:");
    report.tally += conformance::replay(workspace, extension, &[])?;
    Ok(())
}

/// Runs `cargo test`, its lines passed through, and adds its closing lines up.
fn cargo_test(tests: &mut Command, tally: &mut Tally) -> Result<()> {
    let mut child = tests.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let output = child.stdout.take().context("cargo test's output is piped")?;
    for line in BufReader::new(output).split(b'\n') {
        // A failing test may print bytes that are no text.
        let line = line.context("output of cargo test")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        *tally += Tally::of_libtest(&line).unwrap_or_default();
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo test failed: {status}");
    }
    Ok(())
}

/// The different lines of a file, none if it does not exist.
fn lines(path: &Path) -> BTreeSet<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
