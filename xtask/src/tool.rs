//! Subcommands of cargo that are no part of it: each is built once, in the release that we were written for.

use std::path::PathBuf;

use anyhow::Result;

use crate::progress;
use crate::workspace::Workspace;

/// Such a subcommand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// Where its program is; it is built first if it is nowhere.
    ///
    /// # Errors
    /// If it cannot be built.
    pub(crate) fn install(self, workspace: &Workspace) -> Result<PathBuf> {
        let Self { name, version } = self;
        let root = workspace.beds().join("cargo");
        let program = root.join("bin").join(name);
        // Cargo's own list, as not every tool tells its version.
        let installed = std::fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
        if program.exists() && is_listed(&installed, self) {
            return Ok(program);
        }
        let logs = workspace.beds().join("logs");
        std::fs::create_dir_all(&logs)?;
        let mut install = workspace.cargo();
        install.args(["install", "--locked", "--force", "--version", version, name]);
        // Unoptimised: it runs for a second and builds in half the time.
        install.arg("--debug").arg("--root").arg(&root);
        // Its artifacts belong in cargo's own temporary folder, not among ours.
        install.env_remove("CARGO_TARGET_DIR");
        let log = logs.join(format!("{name}.log"));
        progress::run(&format!("Building {name}"), &mut install, &log)?;
        Ok(program)
    }
}

/// Whether cargo says that it has installed this release.
fn is_listed(installed: &str, Tool { name, version }: Tool) -> bool {
    let entry = format!("\"{name} {version} (");
    installed.lines().any(|line| line.starts_with(&entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_release_is_not_the_one_wanted() {
        let installed =
            "[v1]\n\"cargo-deny 0.20.2 (registry+https://example.org)\" = [\"cargo-deny\"]\n";
        let check = |name, version, expected| {
            assert_eq!(is_listed(installed, Tool { name, version }), expected, "{name} {version}");
        };
        check("cargo-deny", "0.20.2", true);
        check("cargo-deny", "0.20.1", false);
        check("cargo-auditable", "0.20.2", false);
    }
}
