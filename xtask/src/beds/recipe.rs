//! The commands that make each part.

use std::path::Path;
use std::process::Command;

use super::Bed;
use crate::workspace::Workspace;

/// A step's title, as people see it, and its command.
pub(super) type Step = (String, Command);

impl Bed {
    /// The commands that install it, with their titles.
    pub(super) fn recipe(self, workspace: &Workspace) -> Vec<Step> {
        let source = workspace.root().join(self.source());
        let target = workspace.beds().join(self.name());
        match self {
            Self::AwsCli
            | Self::CfnLint
            | Self::CycloneDx
            | Self::Moto
            | Self::Python
            | Self::Zig => self.python_environment(workspace, &source, &target),
            Self::GoExample => vec![self.building(make(workspace, &source, &target))],
            Self::Java | Self::Node | Self::Qemu => {
                let mut install = workspace.command("sh");
                install.arg(source.join("install.sh")).arg(&target);
                vec![(format!("Installing {}", self.title()), install)]
            }
            Self::JavaExample => self.java_example(workspace, &source, &target),
            Self::Rie => {
                let tool =
                    "github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie";
                let mut build = self.go_build(workspace, &source);
                build.arg("-o").arg(workspace.beds().join(self.program())).arg(tool);
                vec![self.building(build)]
            }
            Self::RustExample => {
                let mut build = make(workspace, &source, &target);
                // The compiler's own target needs nothing fetched, and runs on this machine.
                build.arg(format!("TARGET={}-unknown-linux-gnu", std::env::consts::ARCH));
                // Beside what is made anew, so that a change of the example costs seconds.
                let artifacts = workspace.beds().join("example-rust-target");
                build.arg(format!("CARGO_TARGET_DIR={}", artifacts.display()));
                // The optimiser takes twice as long as all the rest, and no test measures this.
                build.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
                vec![self.building(build)]
            }
            Self::TerraformSchemas => self.terraform_schemas(workspace, &source, &target),
            Self::Vault => {
                let mut build = self.go_build(workspace, &source);
                // Upstream's tag that leaves most plugins out.
                build.args(["-tags", "minimal"]);
                build.arg("-o").arg(workspace.beds().join(self.program())).arg(".");
                vec![self.building(build)]
            }
        }
    }

    fn building(self, command: Command) -> Step {
        (format!("Building {}", self.title()), command)
    }

    fn go_build(self, workspace: &Workspace, source: &Path) -> Command {
        let mut build = workspace.command("go");
        // Go writes modules so that nobody can remove them, unless told.
        build.args(["build", "-mod=readonly", "-modcacherw", "-trimpath", "-ldflags", "-s -w"]);
        let scratch = self.scratch(workspace);
        build.env("GOMODCACHE", scratch.join("modules")).env("GOCACHE", scratch.join("build"));
        build.current_dir(source);
        build
    }

    fn python_environment(self, workspace: &Workspace, source: &Path, target: &Path) -> Vec<Step> {
        let mut create = workspace.command("python3");
        create.args(["-m", "venv", "--clear"]).arg(target);
        let mut install = workspace.command(target.join("bin/pip"));
        install.args(["install", "--disable-pip-version-check", "--requirement"]);
        install.arg(source.join("requirements.txt"));
        vec![
            (format!("Making a Python environment for {}", self.title()), create),
            (format!("Installing {}", self.title()), install),
        ]
    }

    /// The packages are read and never installed: what they need is large, and nobody runs it.
    fn terraform_schemas(self, workspace: &Workspace, source: &Path, target: &Path) -> Vec<Step> {
        let wheels = target.join("wheels");
        let mut create = workspace.command("python3");
        create.args(["-m", "venv", "--clear"]).arg(target);
        let mut fetch = workspace.command(target.join("bin/pip"));
        fetch.args(["download", "--disable-pip-version-check", "--no-deps", "--requirement"]);
        fetch.arg(source.join("requirements.txt")).arg("--dest").arg(&wheels);
        let mut extract = workspace.command(target.join("bin/python3"));
        extract.arg(source.join("extract.py")).arg(&wheels).arg(target.join("schemas.json"));
        vec![
            (format!("Making a Python environment for {}", self.title()), create),
            (format!("Fetching {}", self.title()), fetch),
            (format!("Reading {}", self.title()), extract),
        ]
    }

    /// Maven builds beside the source, so the source is copied; Lambda unpacks the jar.
    fn java_example(self, workspace: &Workspace, source: &Path, target: &Path) -> Vec<Step> {
        let copied = target.join("source");
        let mut copy = workspace.command("sh");
        copy.args(["-c", "mkdir -p \"$2\" && cp -R \"$1/pom.xml\" \"$1/src\" \"$2\"", "sh"]);
        copy.arg(source).arg(&copied);
        let mut build = workspace.command("mvn");
        build.args(["--batch-mode", "--no-transfer-progress", "--file"]);
        build.arg(copied.join("pom.xml")).arg("package");
        let mut unpack = workspace.command("sh");
        unpack.args(["-c", "mkdir -p \"$2\" && cd \"$2\" && jar -xf \"$1\"", "sh"]);
        unpack.arg(copied.join("target/app.jar")).arg(target.join("task"));
        vec![
            (format!("Copying {}", self.title()), copy),
            self.building(build),
            (format!("Unpacking {}", self.title()), unpack),
        ]
    }
}

/// Builds an example as its users do.
fn make(workspace: &Workspace, source: &Path, target: &Path) -> Command {
    let mut make = workspace.command("make");
    make.arg("-C").arg(source).arg(format!("ARTIFACTS_DIR={}", target.join("task").display()));
    make
}
