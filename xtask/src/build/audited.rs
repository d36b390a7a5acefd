//! Binaries that say what is linked into them, in the section that `cargo audit` and scanners of images read.
//! <https://github.com/rust-secure-code/cargo-auditable>

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::linked::{self, Linked};
use crate::tool::Tool;
use crate::workspace::Workspace;

/// What writes the section, as a wrapper of the compiler.
pub(super) const TOOL: Tool = Tool { name: "cargo-auditable", version: "0.7.7" };

/// Where lists are written for it.
const FOLDER: &str = "target/layer/linked";

/// Has this build of the package write the section; [`TOOL`] must be found by `PATH`.
///
/// # Errors
/// If cargo does not say what is linked.
pub(super) fn prepare(
    workspace: &Workspace,
    build: &mut Command,
    package: &str,
    target: &str,
) -> Result<Linked> {
    let linked = linked::linked(workspace, package, target)?;
    let folder = workspace.root().join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {FOLDER}"))?;
    let file = folder.join(format!("{package}-{target}.json"));
    #[expect(clippy::disallowed_methods, reason = "names of crates, no secret")]
    fs::write(&file, linked.precursor().to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    // What `cargo auditable` does, but for two things. It is called by its name alone: cargo has the wrapper's path go
    // into the names of symbols, so that the binary would be another wherever the tool lies elsewhere. And it is given
    // the list: by itself it asks `cargo metadata`, which names crates that are not linked.
    build.env("RUSTC_WORKSPACE_WRAPPER", TOOL.name);
    build.env("CARGO_AUDITABLE_ORIG_ARGS", ARGUMENTS);
    build.env("CARGO_SBOM_PATH", &file);
    Ok(linked)
}

/// That there are no arguments that it should pass on to `cargo metadata`.
const ARGUMENTS: &str = r#"{"offline":false,"locked":true,"frozen":false,"config":[]}"#;
