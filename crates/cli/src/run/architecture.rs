//! Whether a layer's programs are for this machine: that they are not would only be told by a failing `exec`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use strongroom_core::diagnosis::{Architecture, Entry};

use crate::layer::files;

/// Looks at what Lambda would start of a layer.
///
/// # Errors
/// The layer cannot be read, or is for another processor.
pub(super) fn check(layer: &Path) -> Result<()> {
    let entries =
        files::read(layer).with_context(|| format!("cannot use the layer {}", layer.display()))?;
    let here =
        if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };
    for entry in entries.iter().filter(|entry| is_started(entry)) {
        // What is no executable of Linux may be a script.
        let Some(found) = Architecture::of_executable(&entry.head).filter(|found| *found != here)
        else {
            continue;
        };
        bail!(
            "the layer {} is for {}, by its {}, and this machine is {here}; hint: take the layer for {here}",
            layer.display(),
            found.name(),
            entry.path,
            here = here.name()
        );
    }
    Ok(())
}

fn is_started(entry: &Entry) -> bool {
    let parent = entry.path.rsplit_once('/').map(|(parent, _)| parent);
    parent == Some("extensions") || ["bootstrap", "strongroom/exec"].contains(&entry.path.as_str())
}
