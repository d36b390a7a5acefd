//! Packs the layer as Lambda wants it: a zip with `extensions/strongroom` and `strongroom/exec`, executable.
//!
//! The same binaries give the same archive, byte for byte: no time of the day is in it.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use crate::build::{self, Arch, Profile};
use crate::workspace::Workspace;

/// Lambda runs every file of the layer's `extensions/`, under this name; so nothing else may lie there.
const EXTENSION: &str = "extensions/strongroom";
/// What `AWS_LAMBDA_EXEC_WRAPPER` names, below `/opt`.
const EXEC_WRAPPER: &str = "strongroom/exec";
const FOLDER: &str = "target/layer";

/// The command `cargo xtask layer`: makes the layer for this processor, or for both.
pub(crate) fn run(workspace: &Workspace, arch: Option<Arch>) -> Result<()> {
    for arch in Arch::ALL.into_iter().filter(|one| arch.is_none_or(|arch| arch == *one)) {
        make(workspace, arch)?;
    }
    Ok(())
}

/// Builds the release binaries and writes `target/layer/strongroom-layer-ARCH.zip`.
pub(crate) fn make(workspace: &Workspace, arch: Arch) -> Result<()> {
    let extension = build::extension(workspace, Profile::Release, arch)?;
    let exec_wrapper = build::exec_wrapper(workspace, Profile::Release, arch)?;
    let files = [(EXTENSION, read(&extension.path)?), (EXEC_WRAPPER, read(&exec_wrapper.path)?)];
    let archive = pack(&files)?;

    let path = path(workspace, arch);
    fs::create_dir_all(workspace.root().join(FOLDER))
        .with_context(|| format!("cannot make {FOLDER}"))?;
    let mut file =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&archive).with_context(|| format!("cannot write {}", path.display()))?;

    let digest: String =
        Sha256::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{}", path.display());
    println!("target: {}", extension.target.unwrap_or("the host's own, not static"));
    for (name, content) in &files {
        println!("{name}: {} bytes", content.len());
    }
    println!("zip: {} bytes", archive.len());
    println!("sha256: {digest}");
    Ok(())
}

/// Where [`make`] writes the layer.
pub(crate) fn path(workspace: &Workspace, arch: Arch) -> PathBuf {
    workspace.root().join(FOLDER).join(format!("strongroom-layer-{}.zip", arch.name()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The layer's archive with these executables, in their order.
fn pack(files: &[(&str, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    for (name, content) in files {
        archive.start_file(*name, options)?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_layer_holds_two_executables_and_is_reproducible() {
        let files =
            [(EXTENSION, b"an ELF file".to_vec()), (EXEC_WRAPPER, b"another ELF file".to_vec())];
        let archive = pack(&files).unwrap();
        assert_eq!(archive, pack(&files).unwrap());

        let mut reader = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        assert_eq!(reader.len(), 2);
        let mut check = |name: &str, expect: &str| {
            let mut file = reader.by_name(name).unwrap();
            assert_eq!(file.unix_mode(), Some(0o100_755), "{name}");
            let mut content = String::new();
            file.read_to_string(&mut content).unwrap();
            assert_eq!(content, expect, "{name}");
        };
        check("extensions/strongroom", "an ELF file");
        check("strongroom/exec", "another ELF file");
    }
}
