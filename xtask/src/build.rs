//! Builds the binaries that other commands need.
//!
//! What the layer holds is built static for musl; where that target cannot be fetched, a line says
//! so and the host's own target is used.

mod audited;
mod message;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::beds::Bed;
use crate::command;
use crate::linked::{Id, Linked};
use crate::workspace::Workspace;

use message::Message;

/// A processor that Lambda offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Arch {
    #[value(alias = "aarch64")]
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

impl Arch {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// This machine's.
    pub(crate) fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 }
    }

    /// What Lambda calls it, and so our files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// What the layer is compiled for.
    pub(crate) fn static_target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-musl",
            Self::X86_64 => "x86_64-unknown-linux-musl",
        }
    }
}

/// How much the compiler may take its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For running here: built in seconds.
    Lab,
    /// For the layer.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Release => "release",
        }
    }
}

/// An executable of the layer.
#[derive(Debug)]
pub(crate) struct Executable {
    pub(crate) path: PathBuf,
    /// The target it was built for, or `None` for the host's own.
    pub(crate) target: Option<&'static str>,
    /// The crates that were compiled for that target, and not to run while others are.
    pub(crate) compiled: BTreeSet<Id>,
    /// What it says of itself to `cargo audit` and its like; for the layer only.
    pub(crate) linked: Option<Linked>,
}

/// Builds the extension.
///
/// # Errors
/// If it does not compile, or if another processor's target or compiler cannot be had.
pub(crate) fn extension(workspace: &Workspace, profile: Profile, arch: Arch) -> Result<Executable> {
    for_layer(workspace, "strongroom-extension", &[], profile.name(), arch)
}

/// Builds the extension with a clock that a test may set; it takes the place of the one without.
///
/// # Errors
/// As [`extension`].
pub(crate) fn extension_with_simulated_clock(workspace: &Workspace) -> Result<Executable> {
    let features = ["--features", "simulated-clock"];
    let profile = Profile::Lab.name();
    for_layer(workspace, "strongroom-extension", &features, profile, Arch::host())
}

/// Builds the exec wrapper.
///
/// # Errors
/// As [`extension`].
pub(crate) fn exec_wrapper(
    workspace: &Workspace,
    profile: Profile,
    arch: Arch,
) -> Result<Executable> {
    let profile = match profile {
        Profile::Lab => profile.name(),
        Profile::Release => "wrapper",
    };
    for_layer(workspace, "strongroom-exec", &[], profile, arch)
}

/// Builds the function's program of the benchmarks, as static as the layer.
///
/// # Errors
/// As [`extension`].
pub(crate) fn bench_program(workspace: &Workspace) -> Result<Executable> {
    for_layer(workspace, "strongroom-bench-program", &[], Profile::Lab.name(), Arch::host())
}

/// Builds the package's one executable as the layer holds it.
fn for_layer(
    workspace: &Workspace,
    package: &str,
    features: &[&str],
    profile: &str,
    arch: Arch,
) -> Result<Executable> {
    let target = arch.static_target();
    if let Err(error) = fetch_target(workspace, target) {
        if arch != Arch::host() {
            return Err(error);
        }
        eprintln!("{error:#}: building {package} for the host's own target instead");
        let path = executable(workspace.cargo().arg("build").args(features), package, profile)?;
        return Ok(Executable { path, target: None, compiled: BTreeSet::new(), linked: None });
    }
    let mut build = workspace.cargo();
    let mut tools = Vec::new();
    if arch == Arch::host() {
        // As .cargo/config.toml says for x86_64, and for the same reasons.
        let suffix = target.replace('-', "_");
        build.arg("build").env(format!("CC_{suffix}"), "gcc");
        build.env(format!("CFLAGS_{suffix}"), C_FLAGS);
    } else {
        tools.push(Bed::Zig.install(workspace)?);
        build.arg("zigbuild");
    }
    let mut linked = None;
    if profile != Profile::Lab.name() {
        build.arg("--config").arg(without_places(workspace, target)?);
        tools.push(audited::TOOL.install(workspace)?);
        linked = Some(audited::prepare(workspace, &mut build, package, target)?);
    }
    build.env("PATH", path_with(&tools)?);
    let messages = messages(build.args(["--target", target]).args(features), package, profile)?;
    let path = the_executable(&messages, package)?;
    let compiled = messages.iter().filter_map(|message| message.compiled_for(target)).collect();
    Ok(Executable { path, target: Some(target), compiled, linked })
}

/// Builds the operator's command line for this machine, without what asks AWS.
///
/// # Errors
/// If it does not compile.
pub(crate) fn command_line_without_aws(workspace: &Workspace) -> Result<PathBuf> {
    let build = &mut workspace.cargo();
    executable(
        build.args(["build", "--no-default-features"]),
        "strongroom-cli",
        Profile::Lab.name(),
    )
}

/// What the machine's gcc is told when it compiles ring's C code for musl.
const C_FLAGS: &str =
    "-U_FORTIFY_SOURCE -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables";

/// Makes the target's standard library available.
fn fetch_target(workspace: &Workspace, target: &str) -> Result<()> {
    let mut sysroot = workspace.command("rustc");
    let sysroot = command::output(sysroot.args(["--print", "sysroot"]))?;
    let library = PathBuf::from(sysroot.trim()).join("lib/rustlib").join(target).join("lib");
    if library.is_dir() {
        return Ok(());
    }
    eprintln!("Fetching the target {target} ...");
    let mut add = workspace.command("rustup");
    add.args(["target", "add", target]).stdin(Stdio::null()).stdout(Stdio::null());
    command::run(&mut add).with_context(|| format!("the target {target} cannot be fetched"))
}

/// What has the compiler leave out where this machine keeps the sources of libraries: it would stand in the binary with
/// each of their files in which something can panic, 6 KB in all, and be another on another machine.
fn without_places(workspace: &Workspace, target: &str) -> Result<String> {
    // On a new machine they are not there yet.
    command::run(workspace.cargo().args(["fetch", "--quiet", "--locked", "--target", target]))?;
    let home = workspace.cargo_home().context("there is no home directory")?;
    let sources = home.join("registry/src");
    let entries = std::fs::read_dir(&sources);
    let entries = entries.with_context(|| format!("cannot read {}", sources.display()))?;
    let flags =
        entries.map(|entry| Ok(format!("--remap-path-prefix={}/=", entry?.path().display())));
    let flags: Result<Vec<String>> = flags.collect();
    // What is a list of texts in JSON is one in TOML, too.
    Ok(format!("target.{target}.rustflags={}", serde_json::to_string(&flags?)?))
}

/// `PATH` with the folders of these programs in front.
fn path_with(programs: &[PathBuf]) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = programs.iter().filter_map(|program| Some(program.parent()?.to_owned()));
    let folders = first.chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("a folder of PATH holds a colon")
}

/// Runs a `cargo build` and returns the path of the package's one executable.
fn executable(build: &mut Command, package: &str, profile: &str) -> Result<PathBuf> {
    the_executable(&messages(build, package, profile)?, package)
}

/// Runs a `cargo build` and returns what cargo says that it has made.
fn messages(build: &mut Command, package: &str, profile: &str) -> Result<Vec<Message>> {
    build.args(["--profile", profile, "--package", package]);
    let messages = command::output(build.arg("--message-format=json-render-diagnostics"))?;
    Ok(message::parse(&messages))
}

fn the_executable(messages: &[Message], package: &str) -> Result<PathBuf> {
    let executables = messages.iter().filter_map(|message| message.executable.as_ref());
    match executables.collect::<Vec<_>>().as_slice() {
        [path] => Ok((*path).clone()),
        paths => bail!("{package} has {} executables, not one", paths.len()),
    }
}
