//! Simulates many cold starts at once and records what came out, in `bench/results` and `docs/herd.md`.

use anyhow::Result;

use crate::command;
use crate::workspace::Workspace;

/// The command `cargo xtask herd`.
pub(crate) fn run(workspace: &Workspace, environments: u32, seed: u64) -> Result<()> {
    let mut herd = workspace.cargo();
    herd.args(["run", "--quiet", "--profile", "lab", "--package", "strongroom-bench-herd", "--"]);
    herd.args(["--environments", &environments.to_string(), "--seed", &seed.to_string()]);
    herd.arg("--record").arg(workspace.root());
    command::run(&mut herd)
}
