//! Where things lie in the working tree.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The working tree that this `xtask` was built from, or a copy of it.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    copy: Option<Copy>,
}

/// What a copy does otherwise.
#[derive(Debug)]
struct Copy {
    cargo_home: PathBuf,
    of: PathBuf,
}

impl Workspace {
    /// The tree whose `xtask/` was compiled into this program.
    pub(crate) fn of_this_build() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        Self { root: root.expect("xtask lies in the workspace").to_owned(), copy: None }
    }

    /// The same for a copy of this one, where cargo keeps what it downloads in a folder of its own. It shares the parts
    /// that are installed.
    pub(crate) fn copied_to(&self, root: PathBuf, cargo_home: PathBuf) -> Self {
        Self { root, copy: Some(Copy { cargo_home, of: self.root.clone() }) }
    }

    /// What this is a copy of, if it is one, or itself.
    pub(crate) fn original(&self) -> Self {
        let root = self.copy.as_ref().map_or(&self.root, |copy| &copy.of).clone();
        Self { root, copy: None }
    }

    /// The tree's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the real parts are installed.
    /// Always below the tree's own `target`, whatever `CARGO_TARGET_DIR` says: they are shared by all builds.
    pub(crate) fn beds(&self) -> PathBuf {
        self.original().root.join("target/beds")
    }

    /// Where cargo keeps what it downloads, if that can be told.
    pub(crate) fn cargo_home(&self) -> Option<PathBuf> {
        if let Some(copy) = &self.copy {
            return Some(copy.cargo_home.clone());
        }
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
        if let Some(copy) = &self.copy {
            command.env("CARGO_HOME", &copy.cargo_home);
            command.env("CARGO_TARGET_DIR", self.root.join("target"));
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_packages_and_artifacts_of_its_own_and_the_parts_of_its_original() {
        let workspace = Workspace::of_this_build();
        let copy = workspace.copied_to("/copy/tree".into(), "/copy/cargo".into());
        assert_eq!(copy.beds(), workspace.beds());
        assert_eq!(copy.original().root(), workspace.root());
        let command = copy.cargo();
        let variable = |name: &str| {
            let mut variables = command.get_envs().filter(|(set, _)| *set == name);
            variables.next().and_then(|(_, value)| value)
        };
        assert_eq!(variable("CARGO_HOME"), Some("/copy/cargo".as_ref()));
        assert_eq!(variable("CARGO_TARGET_DIR"), Some("/copy/tree/target".as_ref()));
        assert_eq!(command.get_current_dir(), Some(Path::new("/copy/tree")));
    }
}
