//! How a file is written: aside, and then renamed, for its owner only or as its mode says.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::OFlags;

/// Removes what an earlier process of ours left half written in the files' directories.
pub(super) fn remove_leftovers<'a>(files: impl Iterator<Item = &'a Path>) {
    let mut seen: Vec<&Path> = Vec::new();
    for directory in files.filter_map(Path::parent) {
        if seen.contains(&directory) {
            continue;
        }
        seen.push(directory);
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_ours = name
                .to_str()
                .is_some_and(|name| name.starts_with(ASIDE_BEGIN) && name.ends_with(ASIDE_END));
            if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                // Another user's file stays where it is.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Writes a new file in the same directory and renames it, so that a reader sees the old content
/// or the new, never a part.
pub(super) fn write_aside(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = file.parent().unwrap_or_else(|| Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let aside = aside(directory)?;
    let written = create(&aside, content, mode).and_then(|()| fs::rename(&aside, file));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Never follows a link and never takes a file that is there: `/tmp` is the function's, too.
fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let mut file = options.open(path)?;
    file.write_all(content)?;
    // Not at creation, where the process's mask would be taken off it.
    if mode != OWNER_ONLY { file.set_permissions(Permissions::from_mode(mode)) } else { Ok(()) }
}

fn aside(directory: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the kernel gave no random bytes"))?;
    let name = format!("{ASIDE_BEGIN}{:016x}{ASIDE_END}", u64::from_le_bytes(random));
    Ok(directory.join(name))
}

/// What to do about a file that cannot be written; `setting` names it.
pub(super) fn hint_for(error: &io::Error, setting: &str) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "/tmp is full: raise the function's ephemeral storage, or clear it".to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "only /tmp can be written in Lambda: give a file below it".to_owned()
        }
        _ => format!("check {setting}"),
    }
}

const OWNER_ONLY: u32 = 0o600;
const ASIDE_BEGIN: &str = ".strongroom-";
const ASIDE_END: &str = ".tmp";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_file_is_for_its_owner_only_and_its_directories_too() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a/b/secret.json");
        write_aside(&file, b"{}", 0o600).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            (mode(&file), mode(&root.path().join("a/b")), mode(&root.path().join("a"))),
            (0o600, 0o700, 0o700)
        );
    }

    #[test]
    fn a_file_has_the_mode_that_is_asked_for_whatever_the_mask() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("secret");
        for mode in [0o640, 0o444, 0o400, 0o600] {
            write_aside(&file, b"", mode).unwrap();
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, mode);
        }
    }

    #[test]
    fn a_reader_keeps_the_old_content_and_a_planted_link_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let victim = root.path().join("victim");
        create(&victim, b"untouched", 0o600).unwrap();
        let file = root.path().join("secret.json");
        std::os::unix::fs::symlink(&victim, &file).unwrap();
        write_aside(&file, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let before = fs::metadata(&file).unwrap().ino();
        write_aside(&file, b"newer", 0o600).unwrap();
        assert_ne!(fs::metadata(&file).unwrap().ino(), before);
    }

    #[test]
    fn leftovers_of_ours_go_and_everything_else_stays() {
        let root = tempfile::tempdir().unwrap();
        for name in [".strongroom-0123.tmp", "secret.json", ".strongroom-keep"] {
            create(&root.path().join(name), b"", 0o600).unwrap();
        }
        let file = root.path().join("secret.json");
        remove_leftovers([file.as_path()].into_iter());
        let mut left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".strongroom-keep", "secret.json"]);
    }
}
