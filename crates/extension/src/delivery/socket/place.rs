//! Where the socket lies: a directory that nobody else can enter, and nothing that somebody else has put there.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::exit::{Category, Failure};

/// The socket's place; given up when it is dropped.
pub(super) struct Place {
    path: PathBuf,
    inode: u64,
}

impl Place {
    /// Binds a socket under a new name and puts it in the place of one that an earlier process may have left.
    pub(super) fn take(path: &Path) -> Result<(Self, UnixListener), Failure> {
        let failed = |problem: String, hint: &str| {
            let message = format!("cannot have a socket at {}: {problem}", path.display());
            Failure::new(Category::Listener, message).with_hint(hint)
        };
        let directory = path.parent().unwrap_or_else(|| Path::new("/"));
        own(directory).map_err(|problem| failed(problem, OTHER_PLACE))?;
        let io_failed = |error: io::Error| failed(error.to_string(), OTHER_PLACE);
        let aside = aside(path);
        let _ = fs::remove_file(&aside);
        let listener = UnixListener::bind(&aside).map_err(io_failed)?;
        fs::set_permissions(&aside, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&aside, path))
            .map_err(io_failed)?;
        let inode = fs::symlink_metadata(path).map_err(io_failed)?.ino();
        Ok((Self { path: path.to_owned(), inode }, listener))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Not if a later process has taken it.
        if fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the directory, or sees that it is ours and for nobody else.
fn own(directory: &Path) -> Result<(), String> {
    let shown = directory.display();
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(format!("cannot make the directory {shown}: {error}")),
    }
    let there = fs::symlink_metadata(directory)
        .map_err(|error| format!("cannot look at the directory {shown}: {error}"))?;
    let ours = rustix::process::geteuid().as_raw();
    if !there.is_dir() {
        Err(format!("{shown} is no directory, but {}", kind(&there)))
    } else if there.uid() != ours {
        Err(format!("{shown} belongs to user {}, not to {ours}", there.uid()))
    } else if there.mode() & 0o077 != 0 {
        Err(format!("{shown} has mode {:04o}: others can enter it", there.mode() & 0o7777))
    } else {
        Ok(())
    }
}

fn kind(metadata: &fs::Metadata) -> &'static str {
    if metadata.is_symlink() { "a symbolic link" } else { "a file" }
}

/// The name under which it is bound: no other process of ours is there at the same time.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

const OTHER_PLACE: &str = "something else has made what is there: remove it, or set STRONGROOM_SOCKET to a path in a \
                           directory of its own below /tmp";

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &Path) -> String {
        Place::take(path).err().map(|failure| failure.message).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_successors_is_left() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("own/socket");
        let (first, _) = Place::take(&path).unwrap();
        let (second, _listener) = Place::take(&path).unwrap();
        drop(first);
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_directory_that_is_not_ours_alone_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(problem(&open.join("socket")).contains("has mode 0755"));

        let target = root.path().join("target");
        DirBuilder::new().mode(0o700).create(&target).unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(problem(&link.join("socket")).contains("a symbolic link"));

        let foreign = root.path().join("foreign");
        DirBuilder::new().mode(0o700).create(&foreign).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&foreign, Some(993), Some(990)).unwrap();
            assert!(problem(&foreign.join("socket")).contains("belongs to user 993"));
        }
    }
}
