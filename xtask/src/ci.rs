//! Everything that CI checks, in one command; `.ci/run` calls it and so may anyone.
//!
//! A failed step does not stop the others: one run shows all there is to mend.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{chaos, command, deny, docs, fuzz, layer, progress, test, tidy};

type Step = (&'static str, fn(&Workspace) -> Result<()>);

/// What is checked, the quick things first; the test report comes late so that it stands at the end.
const STEPS: [Step; 11] = [
    ("format", format),
    ("tidy", |workspace| tidy::run(workspace, false)),
    ("generated pages", docs::check),
    ("clippy", clippy),
    ("rustdoc", rustdoc),
    ("deny", deny::check),
    ("tests", |workspace| test::run(workspace, false, &[])),
    ("layer", |workspace| layer::run(workspace, None, layer::Proofs::ALL)),
    ("fuzz", fuzz::run_short),
    ("chaos", chaos::run_short),
    ("clean tree", clean_tree),
];

/// What lies below `target` while Vault is built, and at the end, in GB.
const DISK: u64 = 6;

/// The command `cargo xtask ci`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    warn_of_full_disk(workspace);
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        let began = Instant::now();
        eprintln!("\n==> {name}");
        match step(workspace) {
            Ok(()) => eprintln!("==> {name}: ok, {}", progress::seconds(began.elapsed())),
            Err(error) => {
                eprintln!("==> {name}: {error:#}");
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// A full disk looks like a hundred other faults: linkers die of it, and tests say anything.
fn warn_of_full_disk(workspace: &Workspace) {
    let Ok(disk) = rustix::fs::statvfs(workspace.root()) else { return };
    let free = disk.f_bavail * disk.f_frsize / 1_000_000_000;
    if free < DISK {
        eprintln!(
            "{free} GB of disk are free, and all steps together take {DISK} on a new machine"
        );
    }
}

fn format(workspace: &Workspace) -> Result<()> {
    command::run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let runs: [&[&str]; 3] = [
        &["--workspace", "--all-targets"],
        // Not among all targets, as only `cargo xtask layer` runs them.
        &["--workspace", "--test", "layer"],
        // As `cargo lab` builds it.
        &["--package", "strongroom-cli", "--no-default-features"],
    ];
    runs.into_iter().try_for_each(|what| {
        let mut clippy = workspace.cargo();
        command::run(clippy.arg("clippy").args(what).args(["--", "-D", "warnings"]))
    })
}

fn rustdoc(workspace: &Workspace) -> Result<()> {
    let mut doc = workspace.cargo();
    doc.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    command::run(&mut doc)
}

/// Neither the checks nor what they generate may leave anything behind.
fn clean_tree(workspace: &Workspace) -> Result<()> {
    let mut status = workspace.command("git");
    let status = command::output(status.args(["status", "--porcelain"]))?;
    if !status.is_empty() {
        bail!("the tree is not clean:\n{}", status.trim_end());
    }
    Ok(())
}
