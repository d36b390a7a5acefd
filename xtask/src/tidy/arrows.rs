//! The arrows between the crates: only those listed here may stand in a manifest.
//!
//! `ARCHITECTURE.md` says why each is there and what the absent ones keep apart.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Findings;
use crate::command;
use crate::workspace::Workspace;

/// Each crate and the crates of ours that it may depend on.
const ARROWS: [(&str, Allowed); 16] = [
    ("bench", Allowed::Only(&["bench-chart", "lambda-api"])),
    ("bench-chart", Allowed::Only(&[])),
    ("bench-herd", Allowed::Only(&["bench-chart", "core", "vault"])),
    ("bench-program", Allowed::Only(&[])),
    ("chaos", Allowed::Any),
    ("cli", Allowed::Only(&["core", "devvault", "host", "vault"])),
    ("core", Allowed::Only(&[])),
    ("devvault", Allowed::Only(&[])),
    ("exec", Allowed::Only(&["core"])),
    ("extension", Allowed::Only(&["core", "lambda-api", "vault"])),
    ("faults", Allowed::Only(&[])),
    ("host", Allowed::Only(&["lambda-api"])),
    ("lambda-api", Allowed::Only(&[])),
    ("tests", Allowed::Any),
    ("vault", Allowed::Only(&["core"])),
    ("xtask", Allowed::Any),
];

/// Servers to test against: any crate's tests may use them, no crate's code gets an arrow by it.
const STAND_INS: [&str; 2] = ["devvault", "faults"];

#[derive(Clone, Copy, Debug)]
enum Allowed {
    Any,
    Only(&'static [&'static str]),
}

/// Compares the manifests with [`ARROWS`].
pub(super) fn check(workspace: &Workspace) -> Result<Findings> {
    let mut metadata = workspace.cargo();
    let metadata = metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Metadata = serde_json::from_str(&command::output(metadata)?)
        .context("cargo metadata is not what it was")?;
    Ok(metadata.packages.iter().flat_map(findings_in).collect())
}

/// What of `cargo metadata` matters here:
/// <https://doc.rust-lang.org/cargo/commands/cargo-metadata.html#json-format>
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
    /// The folder, if it is a crate of this workspace.
    path: Option<String>,
}

fn findings_in(package: &Package) -> Findings {
    let from = short(&package.name);
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
        return vec![format!("arrows: {from} is not listed in xtask/src/tidy/arrows.rs")];
    };
    let Allowed::Only(allowed) = allowed else { return Findings::new() };
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some())
        .filter(|dependency| {
            let to = short(&dependency.name);
            let for_tests = dependency.kind.as_deref() == Some("dev") && STAND_INS.contains(&to);
            !allowed.contains(&to) && !for_tests
        })
        .map(|dependency| format!("arrows: {from} may not depend on {}", short(&dependency.name)))
        .collect()
}

fn short(package: &str) -> &str {
    package.strip_prefix("strongroom-").unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed_arrows_stand_in_the_manifests() {
        let findings = check(&Workspace::of_this_build()).unwrap();
        assert!(findings.is_empty(), "{findings:#?}");
    }

    fn check_package(name: &str, dependencies: &str, expect: &[&str]) {
        let package = format!(r#"{{"name": "{name}", "dependencies": [{dependencies}]}}"#);
        assert_eq!(findings_in(&serde_json::from_str(&package).unwrap()), expect);
    }

    #[test]
    fn an_arrow_that_is_not_listed_is_found_in_every_kind_of_dependency() {
        let expect = &["arrows: core may not depend on vault"];
        for kind in ["null", r#""build""#, r#""dev""#] {
            let dependency =
                format!(r#"{{"name": "strongroom-vault", "kind": {kind}, "path": "/w"}}"#);
            check_package("strongroom-core", &dependency, expect);
        }
    }

    #[test]
    fn tests_may_use_stand_ins_and_code_may_not() {
        let dependency =
            |kind| format!(r#"{{"name": "strongroom-devvault", "kind": {kind}, "path": "/w"}}"#);
        check_package("strongroom-vault", &dependency(r#""dev""#), &[]);
        check_package(
            "strongroom-vault",
            &dependency("null"),
            &["arrows: vault may not depend on devvault"],
        );
    }

    #[test]
    fn foreign_crates_are_no_arrows() {
        check_package("strongroom-core", r#"{"name": "vault", "kind": null, "path": null}"#, &[]);
    }

    #[test]
    fn a_crate_that_nobody_listed_is_found() {
        check_package(
            "strongroom-utils",
            "",
            &["arrows: utils is not listed in xtask/src/tidy/arrows.rs"],
        );
    }
}
