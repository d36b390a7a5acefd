//! Secrets as files: read side by side, written aside and renamed, readable for the owner only.
//!
//! The files stay until the environment ends: the function may read them at any time.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::OFlags;
use strongroom_core::settings::{MissingSecret, SecretFile};
use strongroom_vault::client::Read;
use strongroom_vault::clock::Deadline;
use strongroom_vault::error::Error;
use tokio::task::JoinSet;

use crate::exit::{Category, Failure};
use crate::store::Store;

/// Writes every secret to its file, or says why not for each that failed.
pub(crate) async fn deliver(
    store: &Arc<Store>,
    files: &[SecretFile],
    missing: MissingSecret,
    deadline: Deadline,
) -> Result<(), Failure> {
    let mut reads = JoinSet::new();
    for (index, file) in files.iter().enumerate() {
        let (store, path) = (Arc::clone(store), file.path.clone());
        reads.spawn(async move { (index, store.read(&path, deadline).await) });
    }
    let mut failures = Vec::new();
    while let Some(done) = reads.join_next().await {
        let Ok((index, outcome)) = done else {
            failures.push(Failure::new(
                Category::File,
                "a secret was not read because of a defect of the extension",
            ));
            continue;
        };
        let file = &files[index];
        if let Err(failure) = write_one(store, file, outcome, missing, deadline).await {
            failures.push(failure);
        }
    }
    for failure in failures.iter().skip(1) {
        tracing::error!(hint = failure.hint.as_deref().unwrap_or_default(), "{failure}");
    }
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// Removes what an earlier process of ours left half written in the files' directories.
pub(crate) fn remove_leftovers(files: &[SecretFile]) {
    let mut seen: Vec<&Path> = Vec::new();
    for directory in files.iter().filter_map(|file| file.file.parent()) {
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

async fn write_one(
    store: &Arc<Store>,
    file: &SecretFile,
    outcome: Result<Read, Arc<Error>>,
    missing: MissingSecret,
    deadline: Deadline,
) -> Result<(), Failure> {
    let attempt = format!("cannot read {} (from {})", file.path, file.variable);
    let read = outcome.map_err(|error| Failure::of_vault(&attempt, &error))?;
    let document =
        read.document.filter(|document| read.status != 404 || document.has_data_or_warnings());
    for warning in document.iter().flat_map(|document| document.warnings()) {
        tracing::warn!(path = file.path, "Vault warns: {warning}");
    }
    let is_missing =
        read.status == 404 || document.as_ref().is_none_or(|document| document.is_without_secret());
    if is_missing && missing == MissingSecret::Fail {
        let has_warnings =
            document.as_ref().is_some_and(|document| document.warnings().next().is_some());
        let better =
            if has_warnings { store.versioned_path(&file.path, deadline).await } else { None };
        return Err(not_there(file, &read.status, better));
    }
    let content = document.as_ref().map(|document| document.to_json());
    let bytes: &[u8] = content.as_ref().map_or(b"null", |content| content);
    write_aside(&file.file, bytes).map_err(|error| not_written(file, &error))?;
    tracing::debug!(path = file.path, file = %file.file.display(), "secret written");
    Ok(())
}

fn not_there(file: &SecretFile, status: &u16, better: Option<String>) -> Failure {
    let message = format!(
        "there is no secret at {} (from {}): Vault answered {status}",
        file.path, file.variable
    );
    Failure::new(Category::SecretMissing, message).with_hint(match better {
        Some(better) => {
            format!("this is a KV v2 secrets engine: set {} to {better}", file.variable)
        }
        None => format!(
            "check the path, whether the secret or its version was deleted, and VAULT_NAMESPACE; \
             STRONGROOM_MISSING_SECRET=null starts the function all the same, with null in {}",
            file.file.display()
        ),
    })
}

fn not_written(file: &SecretFile, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "/tmp is full: raise the function's ephemeral storage, or clear it".to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "only /tmp can be written in Lambda: give a file below it".to_owned()
        }
        _ => format!("check {}", file.variable.replacen("PATH", "FILE", 1)),
    };
    Failure::new(Category::File, format!("cannot write {}: {error}", file.file.display()))
        .with_hint(hint)
}

/// Writes a new file in the same directory and renames it, so that a reader sees the old content
/// or the new, never a part.
fn write_aside(file: &Path, content: &[u8]) -> io::Result<()> {
    let directory = file.parent().unwrap_or_else(|| Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let aside = aside(directory)?;
    let written = create(&aside, content).and_then(|()| fs::rename(&aside, file));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Never follows a link and never takes a file that is there: `/tmp` is the function's, too.
fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options.open(path)?.write_all(content)
}

fn aside(directory: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the kernel gave no random bytes"))?;
    let name = format!("{ASIDE_BEGIN}{:016x}{ASIDE_END}", u64::from_le_bytes(random));
    Ok(directory.join(name))
}

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
        write_aside(&file, b"{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            (mode(&file), mode(&root.path().join("a/b")), mode(&root.path().join("a"))),
            (0o600, 0o700, 0o700)
        );
    }

    #[test]
    fn a_reader_keeps_the_old_content_and_a_planted_link_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let victim = root.path().join("victim");
        create(&victim, b"untouched").unwrap();
        let file = root.path().join("secret.json");
        std::os::unix::fs::symlink(&victim, &file).unwrap();
        write_aside(&file, b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let before = fs::metadata(&file).unwrap().ino();
        write_aside(&file, b"newer").unwrap();
        assert_ne!(fs::metadata(&file).unwrap().ino(), before);
    }

    #[test]
    fn leftovers_of_ours_go_and_everything_else_stays() {
        let root = tempfile::tempdir().unwrap();
        for name in [".strongroom-0123.tmp", "secret.json", ".strongroom-keep"] {
            create(&root.path().join(name), b"").unwrap();
        }
        let file = root.path().join("secret.json");
        remove_leftovers(&[SecretFile {
            variable: "VAULT_SECRET_PATH".into(),
            path: "a".into(),
            file,
        }]);
        let mut left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".strongroom-keep", "secret.json"]);
    }
}
