//! `cargo deny`: licences, bans and sources of every dependency, by `deny.toml`.
//!
//! Advisories are left out: their database is fetched from the network at every run.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{command, progress};

/// The release that `deny.toml` was written for.
const VERSION: &str = "0.20.2";

/// Checks everything that can be checked with a registry of crates and nothing else.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    eprintln!("cargo deny: advisories are not checked, their database is not at hand");
    let mut check = Command::new(program(workspace)?);
    check.current_dir(workspace.root());
    check.args(["--workspace", "--all-features", "check", "--hide-inclusion-graph"]);
    command::run(check.args(["bans", "licenses", "sources"]))
}

/// Where cargo-deny is; it is built first if it is nowhere.
fn program(workspace: &Workspace) -> Result<PathBuf> {
    let root = workspace.beds().join("cargo");
    let program = root.join("bin/cargo-deny");
    let is_right = command::output(Command::new(&program).arg("--version"))
        .is_ok_and(|version| version.trim() == format!("cargo-deny {VERSION}"));
    if is_right {
        return Ok(program);
    }
    let logs = workspace.beds().join("logs");
    std::fs::create_dir_all(&logs)?;
    let mut install = workspace.cargo();
    install.args(["install", "--locked", "--force", "--version", VERSION, "cargo-deny"]);
    // Unoptimised: it runs for a second and builds in half the time.
    install.arg("--debug").arg("--root").arg(&root);
    // Its thousand artifacts belong in cargo's own temporary folder, not among ours.
    install.env_remove("CARGO_TARGET_DIR");
    progress::run("Building cargo-deny", &mut install, &logs.join("cargo-deny.log"))?;
    Ok(program)
}
