//! Makes the layer as Lambda wants it, for both processors, and proves what is promised of it: `docs/layer.md`.
//!
//! The same source gives the same archive, byte for byte.

mod archive;
mod contents;
mod elf;
mod proofs;
mod sbom;
mod twice;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::build::{self, Arch, Executable, Profile};
use crate::workspace::Workspace;
use crate::{command, progress};

use contents::Expected;
use sbom::Compiler;

/// Lambda runs every file of the layer's `extensions/`, under this name; so nothing else may lie there.
const EXTENSION: &str = "extensions/strongroom";
/// What `AWS_LAMBDA_EXEC_WRAPPER` names, below `/opt`.
const EXEC_WRAPPER: &str = "strongroom/exec";
const FOLDER: &str = "target/layer";

/// What is proved of a layer besides what can be seen by looking at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proofs {
    /// That it runs.
    pub(crate) running: bool,
    /// That it comes out the same when it is made twice.
    pub(crate) twice: bool,
}

impl Proofs {
    /// All.
    pub(crate) const ALL: Self = Self { running: true, twice: true };
}

/// The command `cargo xtask layer`: makes the layer for this processor, or for both, and proves what is promised of it.
pub(crate) fn run(workspace: &Workspace, arch: Option<Arch>, proofs: Proofs) -> Result<()> {
    let wanted = Arch::ALL.into_iter().filter(|one| arch.is_none_or(|arch| arch == *one));
    let layers = wanted.map(|arch| make(workspace, arch)).collect::<Result<Vec<_>>>()?;
    for layer in &layers {
        layer.check()?;
    }
    if proofs.running {
        proofs::run(workspace, &layers)?;
    }
    if proofs.twice {
        twice::check(workspace, &layers)?;
    }
    for layer in &layers {
        layer.report();
    }
    Ok(())
}

/// A layer, as it was made and written.
#[derive(Debug)]
pub(crate) struct Layer {
    arch: Arch,
    archive: Vec<u8>,
    files: [(&'static str, Executable, Vec<u8>); 2],
    path: PathBuf,
}

/// Builds the release binaries and writes `target/layer/strongroom-layer-ARCH.zip`, and its bill of materials beside it.
///
/// # Errors
/// If something cannot be built or written.
pub(crate) fn make(workspace: &Workspace, arch: Arch) -> Result<Layer> {
    let name = arch.name();
    let extension = progress::watching(&format!("Building the extension for {name}"), || {
        build::extension(workspace, Profile::Release, arch)
    })?;
    let exec_wrapper =
        progress::watching(&format!("Building the exec wrapper for {name}"), || {
            build::exec_wrapper(workspace, Profile::Release, arch)
        })?;
    let files =
        [(EXTENSION, extension), (EXEC_WRAPPER, exec_wrapper)].map(|(place, executable)| {
            let content = fs::read(&executable.path);
            let content =
                content.with_context(|| format!("cannot read {}", executable.path.display()));
            content.map(|content| (place, executable, content))
        });
    let [extension, exec_wrapper] = files;
    let files = [extension?, exec_wrapper?];
    let contents = files.iter().map(|(place, _, content)| (*place, content.as_slice()));
    let contents: Vec<_> = contents.collect();
    let archive =
        progress::watching(&format!("Packing the layer for {name}"), || archive::pack(&contents))?;
    let layer = Layer { arch, archive, files, path: path(workspace, arch) };

    fs::create_dir_all(workspace.root().join(FOLDER))
        .with_context(|| format!("cannot make {FOLDER}"))?;
    write(&layer.path, &layer.archive)?;
    if let Some(bill) = layer.bill_of_materials(workspace)? {
        write(&layer.path.with_extension("cdx.json"), bill.as_bytes())?;
    }
    Ok(layer)
}

/// Where [`make`] writes the layer.
pub(crate) fn path(workspace: &Workspace, arch: Arch) -> PathBuf {
    workspace.root().join(FOLDER).join(format!("{}.zip", name(arch)))
}

fn name(arch: Arch) -> String {
    format!("strongroom-layer-{}", arch.name())
}

#[expect(clippy::disallowed_methods, reason = "what is published, no secret")]
fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

impl Layer {
    /// Nothing, if it was built for the host's own target.
    fn bill_of_materials(&self, workspace: &Workspace) -> Result<Option<String>> {
        let mut executables = Vec::new();
        for (place, executable, content) in &self.files {
            let Some(linked) = &executable.linked else { return Ok(None) };
            executables.push(sbom::Executable { place, content, linked });
        }
        let version = command::output(workspace.command("rustc").arg("-vV"))?;
        let lock = fs::read_to_string(workspace.root().join("Cargo.lock"));
        let bill = sbom::of(&sbom::Layer {
            name: &name(self.arch),
            target: self.arch.static_target(),
            archive: &self.archive,
            executables,
            compiler: &Compiler::parse(&version)?,
            lock: &lock.context("cannot read Cargo.lock")?,
        })?;
        Ok(Some(format!("{}\n", serde_json::to_string_pretty(&bill)?)))
    }

    /// Looks at what was written.
    ///
    /// # Errors
    /// If it is not what it should be; all findings are printed.
    fn check(&self) -> Result<()> {
        let mut expected = Vec::new();
        for (place, executable, _) in &self.files {
            let Executable { compiled, linked, .. } = executable;
            let Some(linked) = linked else {
                bail!("the layer for {} is not static: its target cannot be had", self.arch.name())
            };
            expected.push(Expected { place, linked, compiled });
        }
        let written =
            fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        let findings = contents::check(&written, self.arch, &expected)?;
        for finding in &findings {
            eprintln!("{}: {finding}", self.path.display());
        }
        if !findings.is_empty() {
            bail!("the layer for {}: {} findings", self.arch.name(), findings.len());
        }
        Ok(())
    }

    /// Prints what a person wants to know of it.
    fn report(&self) {
        println!("{}", self.path.display());
        println!("sha256: {}", hex(&Sha256::digest(&self.archive)));
        let figure = |what: &str, bytes: usize, target: usize| {
            let verdict = match bytes.checked_sub(target) {
                None | Some(0) => "met".to_owned(),
                Some(over) => format!("missed by {over}"),
            };
            println!("{what}: {bytes} bytes, target {target}: {verdict}");
        };
        for ((place, _, content), target) in self.files.iter().zip(TARGETS) {
            figure(place, content.len(), target);
        }
        figure("zip", self.archive.len(), TARGET_OF_ZIP);
    }
}

/// What extension and exec wrapper should not exceed, in bytes.
const TARGETS: [usize; 2] = [3_000_000, 400_000];
/// The same of the archive.
const TARGET_OF_ZIP: usize = 1_250_000;

/// Digits, as people compare them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
