//! Makes layers once more, from a copy of the tree elsewhere and with crates that lie elsewhere, and compares.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::archive::{self, Entry};
use super::{Layer, make};
use crate::command;
use crate::workspace::Workspace;

/// Makes these layers again.
///
/// # Errors
/// If they come out otherwise; the error names the first file that does.
pub(super) fn check(workspace: &Workspace, layers: &[Layer]) -> Result<()> {
    // Not below the tree, whose settings of cargo would count, too.
    let folder = tempfile::Builder::new().prefix("strongroom-twice-").tempdir()?;
    let copy = workspace.copied_to(folder.path().join("tree"), folder.path().join("cargo"));
    eprintln!("Copying the tree to {} ...", copy.root().display());
    copy_tree(workspace, copy.root())?;
    share_downloads(workspace, &folder.path().join("cargo"))?;
    for layer in layers {
        eprintln!("Making the layer for {} once more ...", layer.arch.name());
        let again = make(&copy, layer.arch)?;
        if let Some(difference) = difference(&layer.archive, &again.archive)? {
            bail!("made twice, the layer for {} differs: {difference}", layer.arch.name());
        }
        let bill = |layer: &Layer| fs::read(layer.path.with_extension("cdx.json"));
        if bill(layer)? != bill(&again)? {
            bail!("made twice, the layer for {} has two bills of materials", layer.arch.name());
        }
        println!("made twice, the layer for {} is the same", layer.arch.name());
    }
    Ok(())
}

/// Copies what git knows, as it is in the tree.
fn copy_tree(workspace: &Workspace, target: &Path) -> Result<()> {
    let files = command::output(workspace.command("git").args(["ls-files", "-z"]))?;
    for file in files.split_terminator('\0') {
        let (from, to) = (workspace.root().join(file), target.join(file));
        // Deleted and not yet committed.
        if !from.exists() {
            continue;
        }
        let failed = || format!("cannot copy {file}");
        fs::create_dir_all(to.parent().context("a file lies in a folder")?).with_context(failed)?;
        fs::copy(from, to).with_context(failed)?;
    }
    Ok(())
}

/// Lends cargo the packages that were downloaded, so that they are unpacked anew and not fetched.
fn share_downloads(workspace: &Workspace, cargo_home: &Path) -> Result<()> {
    let from = workspace.cargo_home().context("there is no home directory")?;
    fs::create_dir_all(cargo_home.join("registry"))?;
    for shared in ["config.toml", "registry/cache", "registry/index"] {
        if from.join(shared).exists() {
            symlink(from.join(shared), cargo_home.join(shared))?;
        }
    }
    Ok(())
}

/// Where two archives differ first, if they do.
fn difference(first: &[u8], second: &[u8]) -> Result<Option<String>> {
    if first == second {
        return Ok(None);
    }
    let (first, second) = (archive::entries(first)?, archive::entries(second)?);
    let differs = |(one, other): &(&Entry, &Entry)| one != other;
    let Some((one, other)) = first.iter().zip(&second).find(differs) else {
        return Ok(Some("in how many files it has, or in how they are packed".to_owned()));
    };
    if one.name != other.name || one.mode != other.mode {
        return Ok(Some(format!("{} against {} in name or mode", one.name, other.name)));
    }
    let bytes = one.content.iter().zip(&other.content);
    let same = bytes.take_while(|(one, other)| one == other).count();
    Ok(Some(format!("{} from byte {same} on", one.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(first: &[(&str, &[u8])], second: &[(&str, &[u8])], expected: Option<&str>) {
        let [first, second] = [first, second].map(|files| archive::pack(files).unwrap());
        assert_eq!(difference(&first, &second).unwrap().as_deref(), expected);
    }

    #[test]
    fn the_first_file_that_differs_is_named() {
        let files: [(&str, &[u8]); 2] = [("a", b"alike"), ("b", b"alike too")];
        check(&files, &files, None);
        check(&files, &[("a", b"alike"), ("b", b"alike not")], Some("b from byte 6 on"));
        check(&files, &[("a", b"alike"), ("c", b"alike too")], Some("b against c in name or mode"));
        let fewer = "in how many files it has, or in how they are packed";
        check(&files, &files[..1], Some(fewer));
    }
}
