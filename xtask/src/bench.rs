//! Measures the release binary: builds it and the program that measures, and runs the one on the other.

use anyhow::Result;

use crate::build::{self, Arch, Profile};
use crate::command;
use crate::workspace::Workspace;

/// Where results are recorded; checked in.
const RESULTS: &str = "bench/results";

/// The command `cargo xtask bench`.
pub(crate) fn run(workspace: &Workspace, rounds: u32) -> Result<()> {
    let extension = build::extension(workspace, Profile::Release, Arch::host())?;
    let mut measure = workspace.cargo();
    measure.args(["run", "--profile", "lab", "--package", "strongroom-bench", "--", "measure"]);
    measure.arg("--extension").arg(&extension.path);
    measure.args(["--record", RESULTS, "--rounds", &rounds.to_string()]);
    command::run(&mut measure)
}
