//! The files of a layer as Lambda will find them below `/opt`: of a directory, or of a zip as it is published.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use strongroom_core::diagnosis::{Entry, HEAD};
use zip::ZipArchive;

/// Those of the directory or zip at `path`.
///
/// # Errors
/// It cannot be read, or is no zip.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>> {
    let found = || format!("cannot read {}", path.display());
    if !fs::metadata(path).with_context(found)?.is_dir() {
        return of_zip(File::open(path).with_context(found)?).with_context(found);
    }
    let mut entries = Vec::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for file in fs::read_dir(&directory).with_context(found)? {
            let file = file.with_context(found)?.path();
            let metadata = fs::metadata(&file).with_context(found)?;
            if metadata.is_dir() {
                directories.push(file);
                continue;
            }
            let mut head = Vec::new();
            File::open(&file).with_context(found)?.take(HEAD as u64).read_to_end(&mut head)?;
            let below = file.strip_prefix(path).unwrap_or(&file);
            entries.push(Entry {
                path: below.to_string_lossy().into_owned(),
                mode: Some(metadata.permissions().mode()),
                size: metadata.len(),
                head,
            });
        }
    }
    Ok(entries)
}

/// Those of a zip.
///
/// # Errors
/// It is none.
pub(crate) fn of_zip(zip: impl Read + Seek) -> Result<Vec<Entry>> {
    let mut archive = ZipArchive::new(zip).context("it is no zip")?;
    let mut entries = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let file = archive.by_index(index)?;
        if file.is_dir() {
            continue;
        }
        let (path, mode, size) =
            (file.name()?.trim_start_matches("./").to_owned(), file.unix_mode(), file.size());
        let mut head = Vec::new();
        file.take(HEAD as u64).read_to_end(&mut head)?;
        entries.push(Entry { path, mode, size, head });
    }
    Ok(entries)
}
