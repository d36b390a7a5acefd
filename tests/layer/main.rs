//! The layer as it is published: its zips, named by `STRONGROOM_LAYER` and `STRONGROOM_LAYER_ARM64`. `cargo xtask layer`
//! makes them and runs these tests on them; without it they are not run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alpine;
mod arm64;
mod bill_of_materials;
mod container;
mod dockerfile;
mod empty_root;
mod lambda;
mod root;
mod sandbox;

use std::fs::File;
use std::path::Path;

/// Lays the layer out as Lambda does, with the modes that its zip says.
fn unpack(archive: &Path, folder: &Path) {
    let archive = File::open(archive).unwrap_or_else(|error| panic!("{archive:?}: {error}"));
    zip::ZipArchive::new(archive).unwrap().extract(folder).unwrap();
}
