//! What is linked into the layer: every crate of it is listed, and some may never be.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{Findings, Lists, list};
use crate::command;
use crate::workspace::Workspace;

/// The packages of the layer's executables, and the lists of what is linked into each, with versions.
const LISTS: [(&str, &str); 2] = [
    ("strongroom-extension", "xtask/layer-dependencies.txt"),
    ("strongroom-exec", "xtask/wrapper-dependencies.txt"),
];

/// Too large or too slow to start for the layer, or a second way to do one thing.
/// A dash at the end stands for a whole family.
const FORBIDDEN: [&str; 8] = [
    "anyhow",
    "async-trait",
    "aws-",
    "clap",
    "native-tls",
    "openssl",
    "reqwest",
    "tracing-subscriber",
];

/// Compares the layer's dependencies with [`LISTS`] and [`FORBIDDEN`].
pub(super) fn check(workspace: &Workspace, lists: Lists) -> Result<Findings> {
    let mut findings = Findings::new();
    for (package, list) in LISTS {
        let mut tree = workspace.cargo();
        tree.args(["tree", "--package", package, "--prefix", "none"]);
        // Procedural macros run at build time and are not in the binary.
        tree.args(["--edges", "normal,no-proc-macro", "--target", "x86_64-unknown-linux-musl"]);
        let linked = linked(&command::output(&mut tree)?);
        findings.extend(forbidden(&linked));
        findings.extend(twice(&linked));
        findings.extend(list::check(workspace, list, &linked, lists)?);
    }
    Ok(findings)
}

/// `name version` of each foreign crate of `cargo tree`'s output, `name` of each of ours.
fn linked(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, version) = (words.next()?, words.next()?);
            let is_ours = words.next().is_some_and(|word| word.starts_with("(/"));
            Some(match is_ours {
                true => name.to_owned(),
                false => format!("{name} {}", version.trim_start_matches('v')),
            })
        })
        .collect()
}

fn name(entry: &str) -> &str {
    entry.split(' ').next().unwrap_or(entry)
}

fn forbidden(linked: &BTreeSet<String>) -> Findings {
    let is_forbidden = |name: &str| {
        FORBIDDEN.iter().any(|ban| match ban.ends_with('-') {
            true => name.starts_with(ban),
            false => name == *ban,
        })
    };
    linked
        .iter()
        .filter(|entry| is_forbidden(name(entry)))
        .map(|entry| format!("layer: {entry} may not be linked into it"))
        .collect()
}

/// Crates that are linked in two versions.
fn twice(linked: &BTreeSet<String>) -> Findings {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in linked {
        versions.entry(name(entry)).or_default().push(entry);
    }
    versions
        .into_values()
        .filter(|entries| entries.len() > 1)
        .map(|entries| format!("layer: linked in more than one version: {}", entries.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
strongroom-extension v0.1.0 (/work/crates/extension)
bytes v1.11.0
hyper v1.8.1
bytes v1.11.0 (*)
strongroom-core v0.1.0 (/work/crates/core)
";

    #[test]
    fn the_tree_is_read_as_names_and_versions() {
        let linked = linked(TREE);
        let expect = ["bytes 1.11.0", "hyper 1.8.1", "strongroom-core", "strongroom-extension"];
        assert_eq!(linked.iter().collect::<Vec<_>>(), expect);
        assert!(forbidden(&linked).is_empty());
        assert!(twice(&linked).is_empty());
    }

    #[test]
    fn a_forbidden_crate_is_found_by_name_or_family() {
        let linked = linked("aws-config v1.0.0\nclap v4.5.0\nclap_lex v0.7.0\nanyhow v1.0.0\n");
        assert_eq!(
            forbidden(&linked),
            [
                "layer: anyhow 1.0.0 may not be linked into it",
                "layer: aws-config 1.0.0 may not be linked into it",
                "layer: clap 4.5.0 may not be linked into it",
            ]
        );
    }

    #[test]
    fn two_versions_of_one_crate_are_found() {
        let linked = linked("http v0.2.12\nhttp v1.3.1\n");
        assert_eq!(
            twice(&linked),
            ["layer: linked in more than one version: http 0.2.12, http 1.3.1"]
        );
    }
}
