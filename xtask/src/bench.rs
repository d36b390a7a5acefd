//! Measures the layer: builds it and the programs that measure, and runs these on it.

use anyhow::Result;

use crate::build::{self, Arch, Profile};
use crate::workspace::Workspace;
use crate::{command, layer};

/// Where results are recorded; checked in.
pub(crate) const RESULTS: &str = "bench/results";

/// The command `cargo xtask bench`.
pub(crate) fn run(workspace: &Workspace, rounds: u32) -> Result<()> {
    let arch = Arch::host();
    layer::make(workspace, arch)?;
    let extension = build::extension(workspace, Profile::Release, arch)?;
    let exec_wrapper = build::exec_wrapper(workspace, Profile::Release, arch)?;
    let program = build::bench_program(workspace)?;
    let mut measure = workspace.cargo();
    measure.args(["run", "--profile", "lab", "--package", "strongroom-bench", "--", "measure"]);
    measure.arg("--extension").arg(&extension.path);
    measure.arg("--exec-wrapper").arg(&exec_wrapper.path);
    measure.arg("--layer").arg(layer::path(workspace, arch));
    measure.arg("--program").arg(&program.path);
    let target = extension.target.unwrap_or("the host's own target, not static");
    measure.args(["--target", target]);
    measure.args(["--record", RESULTS, "--rounds", &rounds.to_string()]);
    command::run(&mut measure)
}
