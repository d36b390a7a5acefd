//! Feeds what parses foreign input with inputs that a fuzzer makes up, guided by coverage.
//!
//! libFuzzer on the installed stable compiler: coverage is a pass of LLVM's, which any compiler has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command;
use crate::workspace::Workspace;

/// How long each target runs in CI, in seconds.
const SHORT: u32 = 5;

/// The command `cargo xtask fuzz`.
pub(crate) fn run(workspace: &Workspace, seconds: u32, only: &[String]) -> Result<()> {
    // Programs, corpora and failing inputs.
    let folder = &workspace.root().join("target/fuzz");
    let program = build(workspace, folder)?;
    let listed = command::output(&mut Command::new(&program))?;
    let targets: Vec<_> = listed.lines().map(str::to_owned).collect();
    if let Some(unknown) = only.iter().find(|name| !targets.contains(name)) {
        bail!("there is no target {unknown}, but {}", targets.join(", "));
    }
    let chosen = targets.iter().filter(|name| only.is_empty() || only.contains(name));
    let mut failed = Vec::new();
    for name in chosen {
        eprintln!("fuzzing {name} for {seconds} s");
        let corpus = folder.join("corpus").join(name);
        fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        let mut fuzz = Command::new(&program);
        fuzz.env("STRONGROOM_FUZZ_TARGET", name).arg(&corpus);
        fuzz.arg(format!("-max_total_time={seconds}"));
        fuzz.arg(format!("-artifact_prefix={}/{name}-", folder.display()));
        fuzz.args(["-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"]);
        let output = fuzz.output().context("cannot run the fuzzer")?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            eprintln!(
                "{}",
                said.lines().rfind(|line| line.starts_with("Done")).unwrap_or_default()
            );
        } else {
            eprintln!("{said}");
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!(
            "{} failed; the inputs lie in {}: make each a test of the crate",
            failed.join(", "),
            folder.display()
        );
    }
    Ok(())
}

/// A short run, for CI.
pub(crate) fn run_short(workspace: &Workspace) -> Result<()> {
    run(workspace, SHORT, &[])
}

fn build(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let flags = [
        "--cfg=fuzzing",
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        // With more units the linker drops tables of the coverage.
        "-Ccodegen-units=1",
    ];
    // Named, so that build scripts and macros are built without coverage.
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    build.args(["--target", &target]).env("RUSTFLAGS", flags.join(" "));
    build.env("CARGO_TARGET_DIR", folder);
    command::run(&mut build)?;
    Ok(folder.join(target).join("release/strongroom-fuzz"))
}
