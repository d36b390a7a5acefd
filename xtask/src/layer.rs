//! Packs the layer as Lambda wants it: a zip with `extensions/strongroom`, executable.
//!
//! The same binary gives the same archive, byte for byte: no time of the day is in it.

use std::fs::{self, File};
use std::io::{Cursor, Write};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use crate::build::{self, Arch, Profile};
use crate::workspace::Workspace;

/// Lambda runs every file of the layer's `extensions/`, under this name.
const EXTENSION: &str = "extensions/strongroom";

/// Builds the release extension and writes `target/layer/strongroom-ARCH.zip`.
pub(crate) fn run(workspace: &Workspace, arch: Arch) -> Result<()> {
    let extension = build::extension(workspace, Profile::Release, arch)?;
    let binary = fs::read(&extension.path)
        .with_context(|| format!("cannot read {}", extension.path.display()))?;
    let archive = pack(&binary)?;

    let folder = workspace.root().join("target/layer");
    fs::create_dir_all(&folder).context("cannot make target/layer")?;
    let path = folder.join(format!("strongroom-{}.zip", arch.name()));
    let mut file =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&archive).with_context(|| format!("cannot write {}", path.display()))?;

    let digest: String =
        Sha256::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{}", path.display());
    println!("target: {}", extension.target.as_deref().unwrap_or("the host's own, not static"));
    println!("binary: {} bytes, zip: {} bytes", binary.len(), archive.len());
    println!("sha256: {digest}");
    Ok(())
}

/// The layer's archive around the extension.
fn pack(extension: &[u8]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    archive.start_file(EXTENSION, options)?;
    archive.write_all(extension)?;
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_layer_holds_one_executable_and_is_reproducible() {
        let archive = pack(b"an ELF file").unwrap();
        assert_eq!(archive, pack(b"an ELF file").unwrap());

        let mut reader = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        assert_eq!(reader.len(), 1);
        let mut file = reader.by_name("extensions/strongroom").unwrap();
        assert_eq!(file.unix_mode(), Some(0o100_755));
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "an ELF file");
    }
}
