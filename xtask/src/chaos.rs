//! Invokes a function again and again while everything around it goes wrong: builds what `tests/chaos` needs and runs it.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::beds::{self, Bed};
use crate::build::{self, Arch, Profile};
use crate::command;
use crate::workspace::Workspace;

/// The part of a run that CI plays: the same each time.
const SHORT: [&str; 4] = ["--seed", "1", "--invocations", "300"];

/// The command `cargo xtask chaos`; its arguments are those of the program.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    let [vault, moto] = [Bed::Vault, Bed::Moto].map(|bed| bed.install(workspace));
    play(workspace, vault?, moto?, arguments)
}

/// A short run, the same each time; where a real part cannot be had it is left out, but not in CI.
pub(crate) fn run_short(workspace: &Workspace) -> Result<()> {
    let [vault, moto] = [Bed::Vault, Bed::Moto].map(|bed| bed.install(workspace));
    match (vault, moto) {
        (Ok(vault), Ok(moto)) => play(workspace, vault, moto, &SHORT.map(OsString::from)),
        (Err(error), _) | (_, Err(error)) => {
            if beds::are_required() {
                bail!("a part is missing: {error:#}");
            }
            eprintln!("left out: {error:#}");
            Ok(())
        }
    }
}

fn play(
    workspace: &Workspace,
    vault: PathBuf,
    moto: PathBuf,
    arguments: &[OsString],
) -> Result<()> {
    let exec = build::exec_wrapper(workspace, Profile::Lab, Arch::host())?;
    let built = build::extension_with_simulated_clock(workspace)?;
    // Its place is that of the extension without the feature, which whoever builds next puts there again.
    let folder = workspace.root().join("target/chaos");
    fs::create_dir_all(&folder).context("cannot make target/chaos")?;
    let extension = folder.join("strongroom-extension");
    fs::copy(&built.path, &extension).context("cannot copy the extension")?;
    let _plain = build::extension(workspace, Profile::Lab, Arch::host())?;
    // The program finds the function's beside it, which `cargo run` alone would not build.
    command::run(workspace.cargo().args(["build", "--package", "strongroom-chaos"]))?;
    let mut chaos = workspace.cargo();
    chaos.args(["run", "--package", "strongroom-chaos", "--bin", "strongroom-chaos", "--"]);
    chaos.args(arguments);
    for (variable, path) in [
        ("STRONGROOM_EXEC", exec.path),
        ("STRONGROOM_EXTENSION", extension),
        (Bed::Moto.variable(), moto),
        (Bed::Vault.variable(), vault),
    ] {
        chaos.env(variable, path);
    }
    command::run(&mut chaos)
}
