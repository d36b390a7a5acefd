//! `cargo lab`: builds what `strongroom lab` runs, then becomes it.
//!
//! Nothing is written to standard output here, so that `cargo lab --json` is one object.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::beds::Bed;
use crate::build::{self, Arch, Profile};
use crate::command;
use crate::workspace::Workspace;

/// Runs `strongroom lab` with these arguments; returns only if it cannot be started.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    let extension = build::extension(workspace, Profile::Lab, Arch::host())?;
    let exec = build::exec_wrapper(workspace, Profile::Lab, Arch::host())?;
    let strongroom = build::command_line_without_aws(workspace)?;
    // From the caller's folder, not the root: `--vault PATH` may be relative.
    let mut lab = std::process::Command::new(&strongroom);
    lab.arg("lab").arg("--extension").arg(&extension.path).arg("--exec").arg(&exec.path);
    match Bed::Python.install(workspace) {
        Ok(python) => {
            lab.arg("--python").arg(python);
        }
        Err(error) => eprintln!("No Python runtime: {error:#}"),
    }
    let error = lab.args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", command::line(&lab)))
}
