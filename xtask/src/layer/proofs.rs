//! Runs the layers that were made: `tests/layer`, in roots of their own and on the other processor.

use anyhow::{Result, bail};

use super::Layer;
use crate::beds::{self, Bed};
use crate::build::{self, Arch};
use crate::report::Report;
use crate::test;
use crate::workspace::Workspace;

/// What the tests need.
const BEDS: [Bed; 4] = [Bed::CycloneDx, Bed::Moto, Bed::Qemu, Bed::Vault];

/// Runs the tests on these layers, and says what took part.
///
/// # Errors
/// If one fails, and in CI also if one was left out.
pub(super) fn run(workspace: &Workspace, layers: &[Layer]) -> Result<()> {
    let mut report = Report::default();
    let mut tests = workspace.cargo();
    // Of the whole workspace, whose libraries are compiled with the same features as for all other tests.
    tests.args(["test", "--workspace", "--test", "layer"]);
    for bed in BEDS {
        test::give(&mut tests, bed, test::part(workspace, bed, false), &mut report);
    }
    tests.env("STRONGROOM_PROGRAM", build::bench_program(workspace)?.path);
    // What an outer shell names is not what was made.
    tests.env_remove("STRONGROOM_LAYER").env_remove("STRONGROOM_LAYER_ARM64");
    for layer in layers {
        if layer.arch == Arch::host() {
            tests.env("STRONGROOM_LAYER", &layer.path);
        }
        if layer.arch == Arch::Arm64 {
            tests.env("STRONGROOM_LAYER_ARM64", &layer.path);
        }
    }
    eprintln!("Running the layer in roots of its own ...");
    let outcome = test::observe(workspace, &mut tests, &mut report);
    println!("\n{report}");
    outcome?;
    if beds::are_required() && !report.is_whole() {
        bail!("something was left out, which in CI is a failure");
    }
    Ok(())
}
