//! Whether files have changed. They are looked at when it matters, at an invocation or a few times a second, and not
//! reported by the kernel: that is right on every file system, shared and mounted ones too, and what was changed just
//! before an invocation is never missed by it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files and what tells their versions apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Snapshot {
    files: BTreeMap<PathBuf, Version>,
}

/// When it was written, and its length.
type Version = (Option<SystemTime>, u64);

impl Snapshot {
    /// Of all files in and below `roots`; one that is not there is none.
    pub(super) fn of<'a>(roots: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut snapshot = Self::default();
        roots.into_iter().for_each(|root| snapshot.add(root));
        snapshot
    }

    fn add(&mut self, path: &Path) {
        if self.files.len() >= MOST_FILES {
            return;
        }
        // A link to a directory may lead to where it lies.
        let is_directory = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
        if !is_directory {
            if let Ok(metadata) = fs::metadata(path) {
                let version = (metadata.modified().ok(), metadata.len());
                self.files.insert(path.to_owned(), version);
            }
            return;
        }
        if path.file_name().is_some_and(|name| IGNORED.iter().any(|ignored| name == *ignored)) {
            return;
        }
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            self.add(&entry.path());
        }
    }

    /// A file that was added, removed or changed since.
    pub(super) fn difference<'a>(&'a self, newer: &'a Self) -> Option<&'a Path> {
        let here =
            self.files.iter().find(|(path, version)| newer.files.get(*path) != Some(*version));
        let there = || newer.files.iter().find(|(path, _)| !self.files.contains_key(*path));
        here.or_else(there).map(|(path, _)| path.as_path())
    }

    /// Whether there were more than are looked at.
    pub(super) fn is_incomplete(&self) -> bool {
        self.files.len() >= MOST_FILES
    }
}

/// What tools write by themselves.
const IGNORED: [&str; 2] = [".git", "__pycache__"];
/// So that a wrong directory costs no more than a moment.
pub(super) const MOST_FILES: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_changed_or_removed_is_named() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            #[expect(clippy::disallowed_methods, reason = "fixtures, no secrets")]
            fs::write(path, text).unwrap();
        };
        let look = || Snapshot::of([root.path(), Path::new("/nowhere")]);
        write("app.py", "1");
        write("lib/a.py", "1");
        let first = look();
        write(".git/index", "1");
        write("lib/__pycache__/a.pyc", "1");
        assert_eq!(first.difference(&look()), None);
        write("lib/a.py", "22");
        let second = look();
        assert_eq!(first.difference(&second), Some(root.path().join("lib/a.py").as_path()));
        write("lib/b.py", "1");
        let third = look();
        assert_eq!(second.difference(&third), Some(root.path().join("lib/b.py").as_path()));
        assert_eq!(third.difference(&second), Some(root.path().join("lib/b.py").as_path()));
    }
}
