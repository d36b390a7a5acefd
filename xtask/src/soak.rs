//! Soaks the extension in requests and records how much memory it takes.

use anyhow::Result;

use crate::build::{self, Arch, Profile};
use crate::command;
use crate::workspace::Workspace;

/// The command `cargo xtask soak`.
pub(crate) fn run(workspace: &Workspace, requests: usize) -> Result<()> {
    let extension = build::extension(workspace, Profile::Release, Arch::host())?;
    let mut soak = workspace.cargo();
    soak.args(["run", "--profile", "lab", "--package", "strongroom-bench", "--", "soak"]);
    soak.arg("--extension").arg(&extension.path);
    soak.args(["--record", crate::bench::RESULTS, "--requests", &requests.to_string()]);
    command::run(&mut soak)
}
