//! `cargo deny`: licences, bans and sources of every dependency, by `deny.toml`.
//!
//! Advisories are left out: their database is fetched from the network at every run.

use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The release that `deny.toml` was written for.
const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// Checks everything that can be checked with a registry of crates and nothing else.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    eprintln!("cargo deny: advisories are not checked, their database is not at hand");
    let mut check = Command::new(CARGO_DENY.install(workspace)?);
    check.current_dir(workspace.root());
    check.args(["--workspace", "--all-features", "check", "--hide-inclusion-graph"]);
    command::run(check.args(["bans", "licenses", "sources"]))
}
