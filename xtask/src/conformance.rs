//! Replays the recorded cases of the extension that Strongroom replaces against ours.
//!
//! The runner and its data are in `tests/conformance/`; it needs Python, user namespaces or root,
//! `ip` and `openssl`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::build::{self, Arch, Profile};
use crate::command;
use crate::report::Tally;
use crate::workspace::Workspace;

/// The command `cargo xtask conformance`.
pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result<()> {
    if let Some(reason) = unavailable(workspace) {
        bail!("{reason}");
    }
    let extension = build::extension(workspace, Profile::Lab, Arch::host())?;
    let tally = replay(workspace, &extension.path, only)?;
    if tally.failed > 0 {
        bail!("{} cases differ without intent", tally.failed);
    }
    Ok(())
}

/// Why the cases cannot be replayed here, if they cannot.
pub(crate) fn unavailable(workspace: &Workspace) -> Option<String> {
    let has = |program: &str, arguments: &[&str]| {
        command::succeeds(workspace.command(program).args(arguments))
    };
    if !script(workspace).exists() {
        return Some("there is no tests/conformance/conform.py".to_owned());
    }
    for (program, argument) in [("python3", "--version"), ("ip", "-V"), ("openssl", "version")] {
        if !has(program, &[argument]) {
            return Some(format!("{program} is not installed"));
        }
    }
    let may_unshare =
        has("unshare", &["-m", "-n", "true"]) || has("unshare", &["-r", "-m", "true"]);
    (!may_unshare).then(|| "this user may not make namespaces".to_owned())
}

/// Replays the cases, their lines passed through, and counts them.
///
/// # Errors
/// If the runner does not start, fails without a difference, or does not say how it ended.
pub(crate) fn replay(
    workspace: &Workspace,
    extension: &std::path::Path,
    only: &[String],
) -> Result<Tally> {
    let folder = workspace.root().join("tests/conformance");
    let mut runner = workspace.command("python3");
    runner.arg(script(workspace)).arg("replay").arg("--bin").arg(extension);
    runner.arg("--cases").arg(folder.join("cases.json"));
    runner.arg("--expect").arg(folder.join("transcripts.json"));
    runner.arg("--intended").arg(folder.join("intended.json"));
    if !only.is_empty() {
        runner.arg("--only").args(only);
    }
    let mut child = runner
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the conformance runner")?;
    let output = child.stdout.take().context("the runner's output is piped")?;
    let mut tally = None;
    for line in BufReader::new(output).lines() {
        let line = line.context("output of the conformance runner")?;
        println!("{line}");
        tally = closing_line(&line).or(tally);
    }
    let status = child.wait()?;
    match tally {
        Some(tally) if status.success() || tally.failed > 0 => Ok(tally),
        _ => bail!("the conformance runner failed: {status}"),
    }
}

fn script(workspace: &Workspace) -> PathBuf {
    workspace.root().join("tests/conformance/conform.py")
}

/// Reads `3 same, 2 differ as intended, 1 DIFFER`.
fn closing_line(line: &str) -> Option<Tally> {
    let mut counts = [" same", " differ as intended", " DIFFER"].into_iter().zip(line.split(", "));
    let mut next = || {
        let (suffix, count) = counts.next()?;
        count.strip_suffix(suffix)?.parse::<usize>().ok()
    };
    let (same, intended, differ) = (next()?, next()?, next()?);
    Some(Tally { passed: same + intended, failed: differ })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_closing_line_is_counted() {
        assert_eq!(
            closing_line("90 same, 31 differ as intended, 2 DIFFER"),
            Some(Tally { passed: 121, failed: 2 })
        );
        assert_eq!(closing_line("cache-get: same"), None);
        assert_eq!(closing_line("1 same, 2 differ as intended"), None);
    }
}
