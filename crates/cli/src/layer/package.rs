//! The layer's zip, looked at before it is sent: what Lambda would only find out at a cold start is found here.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use strongroom_core::diagnosis::{Architecture, Outcome, Report, judge_layer};

use super::files;

/// The layer's zip.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) architecture: Architecture,
    pub(super) path: PathBuf,
    pub(super) content: Vec<u8>,
}

impl Package {
    /// Reads the zip at `path`.
    ///
    /// # Errors
    /// It is none of the layer's.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut content = Vec::new();
        let file = File::open(path).with_context(|| {
            format!(
                "cannot open {}; hint: cargo xtask layer builds it, or name it by --zip",
                path.display()
            )
        })?;
        file.take(LARGEST + 1)
            .read_to_end(&mut content)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let architecture = architecture_of(&content)
            .with_context(|| format!("{} is not Strongroom's layer", path.display()))?;
        Ok(Self { architecture, path: path.to_owned(), content })
    }

    /// Its hash, as Lambda tells it of a layer's version.
    pub(super) fn digest(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.content))
    }
}

/// The processor that the binaries of the layer in this zip are for.
fn architecture_of(zip: &[u8]) -> Result<Architecture> {
    if zip.len() as u64 > LARGEST {
        bail!("it is larger than {LARGEST} bytes");
    }
    let mut entries = files::of_zip(Cursor::new(zip))?;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let names: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    if names != BINARIES {
        bail!("it holds {}, and not {}", names.join(", "), BINARIES.join(", "));
    }
    let architecture = entries.first().and_then(|entry| Architecture::of_executable(&entry.head));
    let mut report = Report::default();
    judge_layer(&mut report, &entries, architecture, true);
    if let Some(fault) = report.findings.iter().find(|found| found.outcome == Outcome::Fault) {
        bail!("{}: {}: {}", fault.tried, fault.came_back, fault.means);
    }
    architecture.context("it holds nothing for Lambda")
}

/// All that the layer holds, in the order of their names.
const BINARIES: [&str; 2] = ["extensions/strongroom", "strongroom/exec"];
/// What Lambda takes directly. <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LARGEST: u64 = 50 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::SimpleFileOptions;

    use super::*;

    fn elf(machine: u16) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        header[18..20].copy_from_slice(&machine.to_le_bytes());
        header
    }

    fn zip_of(files: &[(&str, u32, Vec<u8>)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in files {
            zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn what_could_not_start_in_lambda_is_no_layer() {
        let [extension, exec] = BINARIES;
        let check = |files: &[(&str, u32, Vec<u8>)], expect: Result<Architecture, &str>| {
            let found = architecture_of(&zip_of(files)).map_err(|error| format!("{error:#}"));
            match (found, expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (found, expect) => panic!("{found:?} is not {expect:?}"),
            }
        };
        check(&[(extension, 0o755, elf(62)), (exec, 0o755, elf(62))], Ok(Architecture::X86_64));
        check(&[(exec, 0o755, elf(183)), (extension, 0o755, elf(183))], Ok(Architecture::Arm64));
        check(&[(extension, 0o755, elf(62)), (exec, 0o755, elf(183))], Err("it is for arm64"));
        check(&[(extension, 0o644, elf(62)), (exec, 0o755, elf(62))], Err("0644"));
        check(
            &[(extension, 0o755, elf(62))],
            Err("and not extensions/strongroom, strongroom/exec"),
        );
        let stray = ("extensions/readme", 0o755, elf(62));
        check(
            &[(extension, 0o755, elf(62)), (exec, 0o755, elf(62)), stray],
            Err("extensions/readme"),
        );
        check(
            &[(extension, 0o755, b"#!/bin/sh".to_vec()), (exec, 0o755, elf(62))],
            Err("no 64-bit Linux executable"),
        );
        check(
            &[(extension, 0o755, elf(3)), (exec, 0o755, elf(62))],
            Err("no 64-bit Linux executable"),
        );
        assert!(architecture_of(b"PK").is_err());
    }
}
