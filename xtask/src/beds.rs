//! Installs the real parts that the tests run against; what they are is said in `beds/README.md`.
//!
//! A part is made anew only when the files of its folder, its toolchain or its recipe have changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::workspace::Workspace;
use crate::{command, progress};

/// A part that is installed under `target/beds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bed {
    Moto,
    Python,
    Rie,
    Vault,
    Zig,
}

impl Bed {
    /// The parts that tests run against, the quick ones first.
    pub(crate) const TESTED: [Self; 4] = [Self::Python, Self::Moto, Self::Rie, Self::Vault];

    /// What people call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Moto => "moto",
            Self::Python => "awslambdaric and hvac",
            Self::Rie => "AWS's Lambda runtime interface emulator",
            Self::Vault => "HashiCorp Vault",
            Self::Zig => "cargo-zigbuild",
        }
    }

    /// The variable by which tests learn where its program is.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Moto => "STRONGROOM_MOTO",
            Self::Python => "STRONGROOM_PYTHON",
            Self::Rie => "STRONGROOM_RIE",
            Self::Vault => "STRONGROOM_VAULT",
            Self::Zig => "STRONGROOM_ZIG",
        }
    }

    /// Its folder under `beds/`, and its name in logs and stamps.
    fn folder(self) -> &'static str {
        match self {
            Self::Moto => "moto",
            Self::Python => "python",
            Self::Rie => "rie",
            Self::Vault => "vault",
            Self::Zig => "zig",
        }
    }

    /// The program that it is used by, below `target/beds`.
    fn program(self) -> &'static str {
        match self {
            Self::Moto => "moto/bin/moto_server",
            Self::Python => "python/bin/python3",
            Self::Rie => "aws-lambda-rie",
            Self::Vault => "vault",
            Self::Zig => "zig/bin/cargo-zigbuild",
        }
    }

    fn toolchain(self) -> Toolchain {
        match self {
            Self::Moto | Self::Python | Self::Zig => Toolchain::Python,
            Self::Rie | Self::Vault => Toolchain::Go,
        }
    }

    /// The commands that install it, with their titles.
    fn recipe(self, workspace: &Workspace) -> Vec<(String, Command)> {
        let source = workspace.root().join("beds").join(self.folder());
        let target = workspace.beds().join(self.program());
        if self.toolchain() == Toolchain::Go {
            let mut build = workspace.command("go");
            build.args(["build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w"]);
            match self {
                // Upstream's tag that leaves most plugins out.
                Self::Vault => build.args(["-tags", "minimal"]).arg("-o").arg(&target).arg("."),
                _ => build
                    .arg("-o")
                    .arg(&target)
                    .arg("github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie"),
            };
            build.current_dir(source);
            return vec![(format!("Building {}", self.title()), build)];
        }
        let environment = workspace.beds().join(self.folder());
        let mut create = workspace.command("python3");
        create.args(["-m", "venv", "--clear"]).arg(&environment);
        let mut install = workspace.command(environment.join("bin/pip"));
        install.args(["install", "--disable-pip-version-check", "--requirement"]);
        install.arg(source.join("requirements.txt"));
        vec![
            (format!("Making a Python environment for {}", self.title()), create),
            (format!("Installing {}", self.title()), install),
        ]
    }

    /// Installs it if it is not there or not up to date, and returns its program's path.
    ///
    /// # Errors
    /// If the toolchain is missing or the installation fails, with the reason.
    pub(crate) fn install(self, workspace: &Workspace) -> Result<PathBuf> {
        let beds = workspace.beds();
        let program = beds.join(self.program());
        let toolchain = self.toolchain().version()?;
        let stamp_file = beds.join("stamps").join(self.folder());
        for folder in ["stamps", "logs"] {
            fs::create_dir_all(beds.join(folder)).context("cannot make target/beds")?;
        }
        // Two runs in one tree must not install the same part at once.
        let lock = File::create(stamp_file.with_extension("lock"))?;
        lock.lock().context("cannot lock target/beds")?;

        let recipe = self.recipe(workspace);
        let stamp = stamp(&workspace.root().join("beds").join(self.folder()), &toolchain, &recipe)?;
        if program.exists() && fs::read_to_string(&stamp_file).is_ok_and(|last| last == stamp) {
            return Ok(program);
        }
        let log = beds.join("logs").join(format!("{}.log", self.folder()));
        let _ = fs::remove_file(&log);
        let _ = fs::remove_file(&stamp_file);
        for (title, mut step) in recipe {
            progress::run(&title, &mut step, &log)?;
        }
        #[expect(clippy::disallowed_methods, reason = "a stamp, no secret")]
        fs::write(&stamp_file, stamp).context("cannot write the stamp")?;
        Ok(program)
    }
}

/// What a part is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toolchain {
    Go,
    Python,
}

impl Toolchain {
    /// Its version, as it prints it.
    fn version(self) -> Result<String> {
        let (program, argument) = match self {
            Self::Go => ("go", "version"),
            Self::Python => ("python3", "--version"),
        };
        match command::output(Command::new(program).arg(argument)) {
            Ok(version) => Ok(version),
            Err(_) => bail!("{program} is not installed"),
        }
    }
}

/// Installs every tested part; the command `cargo xtask beds`.
pub(crate) fn install_all(workspace: &Workspace) -> Result<()> {
    let mut missing = 0;
    for bed in Bed::TESTED {
        match bed.install(workspace) {
            Ok(path) => println!("{}: {}", bed.title(), path.display()),
            Err(error) => {
                eprintln!("{}: {error:#}", bed.title());
                missing += 1;
            }
        }
    }
    if missing > 0 {
        bail!("{missing} of {} parts could not be installed", Bed::TESTED.len());
    }
    Ok(())
}

/// What a part was made from: the files of its folder, the toolchain and the commands.
fn stamp(source: &Path, toolchain: &str, recipe: &[(String, Command)]) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(source)
        .with_context(|| format!("cannot read {}", source.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|path| path.is_file());
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
        add(path.file_name().unwrap_or_default().as_encoded_bytes());
        add(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
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
        let first = stamp(dir.path(), "go1", &recipe("x")).unwrap();
        assert_eq!(first, stamp(dir.path(), "go1", &recipe("x")).unwrap());
        assert_ne!(first, stamp(dir.path(), "go2", &recipe("x")).unwrap());
        assert_ne!(first, stamp(dir.path(), "go1", &recipe("y")).unwrap());
        fs::write(dir.path().join("go.mod"), "module b").unwrap();
        assert_ne!(first, stamp(dir.path(), "go1", &recipe("x")).unwrap());
    }

    #[test]
    fn every_part_has_its_folder() {
        let workspace = Workspace::of_this_build();
        for bed in Bed::TESTED.into_iter().chain([Bed::Zig]) {
            let folder = workspace.root().join("beds").join(bed.folder());
            assert!(folder.is_dir(), "{}", folder.display());
        }
    }
}
