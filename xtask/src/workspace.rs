//! Where things lie in the working tree.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The working tree that this `xtask` was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The tree whose `xtask/` was compiled into this program.
    pub(crate) fn of_this_build() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        Self { root: root.expect("xtask lies in the workspace").to_owned() }
    }

    /// The tree's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the real parts are installed.
    /// Always below the tree's own `target`, whatever `CARGO_TARGET_DIR` says: they are shared by all builds.
    pub(crate) fn beds(&self) -> PathBuf {
        self.root.join("target/beds")
    }

    /// Where cargo keeps what it downloads, if that can be told.
    pub(crate) fn cargo_home(&self) -> Option<PathBuf> {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))
    }

    /// A `cargo` command that starts in the root.
    pub(crate) fn cargo(&self) -> Command {
        // Set by `cargo run`; absent when the binary is started by hand.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        self.command(cargo)
    }

    /// A command that starts in the root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }
}
