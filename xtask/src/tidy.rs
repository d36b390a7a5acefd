//! Checks what no compiler checks. Each check returns its findings; none stops the others.

mod arrows;
mod layer;
mod list;
mod sources;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// What a check found wrong, one line each.
type Findings = Vec<String>;

/// What to do with the checked-in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lists {
    Compare,
    Write,
}

/// The command `cargo xtask tidy`.
pub(crate) fn run(workspace: &Workspace, write: bool) -> Result<()> {
    let lists = if write { Lists::Write } else { Lists::Compare };
    let mut findings = arrows::check(workspace)?;
    findings.extend(sources::check(workspace, lists)?);
    findings.extend(layer::check(workspace, lists)?);
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    bail!("tidy: {} findings", findings.len());
}
