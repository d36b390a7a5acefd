//! The layer's zip: two executables with their modes, and nothing of when, where or by whom it was made.

use std::io::{Cursor, Read as _, Write as _};

use anyhow::{Context as _, Result};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipArchive, ZipWriter};

/// The archive's deflate is zopfli's, with its default of 15 rounds: 5 % less than the usual one, for 8 s of time.
/// Whatever can read a zip can read it. More rounds save a hundred bytes.
const LEVEL: i64 = 24;

/// A file of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Its permissions, without what kind of file it is.
    pub(crate) mode: Option<u32>,
    pub(crate) content: Vec<u8>,
}

/// An archive with these executables, in their order.
///
/// # Errors
/// If a name cannot stand in a zip.
pub(crate) fn pack(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_level(Some(LEVEL))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    for (name, content) in files {
        archive.start_file(*name, options)?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// What is in an archive, folders included.
///
/// # Errors
/// If it is no zip.
pub(crate) fn entries(archive: &[u8]) -> Result<Vec<Entry>> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).context("no zip")?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let mode = file.unix_mode().map(|mode| mode & 0o7777);
        entries.push(Entry { name: file.name()?.into_owned(), mode, content });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_executable_and_the_same_each_time() {
        let files: [(&str, &[u8]); 2] =
            [("extensions/one", b"an ELF file"), ("other/two", b"another ELF file")];
        let archive = pack(&files).unwrap();
        assert_eq!(archive, pack(&files).unwrap());
        let expected = files.map(|(name, content)| Entry {
            name: name.to_owned(),
            mode: Some(0o755),
            content: content.to_vec(),
        });
        assert_eq!(entries(&archive).unwrap(), expected);
    }
}
