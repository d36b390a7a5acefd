//! What is linked into an executable: its crates, and which of them needs which.
//!
//! It is asked of `cargo tree`, which resolves features for the one package that is built. `cargo metadata`, which tools
//! ask, resolves them for the whole workspace, and so names crates that only the tests need.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::command;
use crate::workspace::Workspace;

/// Where a crate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    CratesIo,
    Ours,
}

/// A name and a version.
pub(crate) type Id = (String, String);

/// A crate that is linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crate {
    pub(crate) origin: Origin,
    pub(crate) features: Vec<String>,
    /// An SPDX expression.
    pub(crate) license: String,
    pub(crate) repository: String,
    pub(crate) needs: BTreeSet<Id>,
}

/// All crates of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Linked {
    /// The package of the executable.
    pub(crate) root: Id,
    pub(crate) crates: BTreeMap<Id, Crate>,
}

/// What is linked into the package's executable for this target.
///
/// # Errors
/// If cargo does not say, or names a crate from elsewhere than crates.io.
pub(crate) fn linked(workspace: &Workspace, package: &str, target: &str) -> Result<Linked> {
    let mut tree = workspace.cargo();
    tree.args(["tree", "--locked", "--package", package, "--target", target]);
    // Procedural macros and build scripts run while it is compiled and are not in the binary.
    tree.args(["--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", FORMAT]);
    parse(&command::output(&mut tree)?)
}

/// Package, features, licence, repository.
const FORMAT: &str = "{p}\t{f}\t{l}\t{r}\t";

/// Reads a tree whose lines begin with their depth: a crate's line comes after that of the crate that needs it.
fn parse(tree: &str) -> Result<Linked> {
    let mut crates = BTreeMap::<Id, Crate>::new();
    // The way from the root to the last line's crate.
    let mut way: Vec<Id> = Vec::new();
    for line in tree.lines() {
        let (id, depth, found) = entry(line).with_context(|| format!("cargo tree: {line}"))?;
        crates.entry(id.clone()).or_insert(found);
        way.truncate(depth);
        if let Some(parent) = way.last().and_then(|parent| crates.get_mut(parent)) {
            parent.needs.insert(id.clone());
        }
        way.push(id);
    }
    let root = way.into_iter().next().context("cargo tree says nothing")?;
    Ok(Linked { root, crates })
}

fn entry(line: &str) -> Result<(Id, usize, Crate)> {
    let digits = line.find(|first: char| !first.is_ascii_digit()).context("no name")?;
    let (depth, rest) = line.split_at(digits);
    let [package, features, license, repository, ..] = rest.split('\t').collect::<Vec<_>>()[..]
    else {
        bail!("too few fields")
    };
    let [name, version, source @ ..] = &package.split(' ').collect::<Vec<_>>()[..] else {
        bail!("no version")
    };
    let origin = match source {
        [] => Origin::CratesIo,
        [path] if path.starts_with("(/") => Origin::Ours,
        _ => bail!("neither of crates.io nor ours"),
    };
    let id = ((*name).to_owned(), version.trim_start_matches('v').to_owned());
    let found = Crate {
        origin,
        features: features.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        // The older way to write that there is a choice.
        license: license.replace('/', " OR "),
        repository: repository.to_owned(),
        needs: BTreeSet::new(),
    };
    Ok((id, depth.parse()?, found))
}

impl Linked {
    /// The same as cargo itself will write it for tools, once that is stable; cargo-auditable reads it.
    /// <https://doc.rust-lang.org/cargo/reference/unstable.html#sbom>
    pub(crate) fn precursor(&self) -> Value {
        let index: BTreeMap<&Id, usize> = self.crates.keys().zip(0..).collect();
        let crates = self.crates.iter().map(|((name, version), found)| {
            let source = match found.origin {
                Origin::CratesIo => "registry+https://github.com/rust-lang/crates.io-index",
                // Not where it lies on this machine: that would be another on another machine.
                Origin::Ours => "path+file:///strongroom",
            };
            let needs = found.needs.iter().map(|id| json!({"index": index[id], "kind": "normal"}));
            json!({
                "id": format!("{source}#{name}@{version}"),
                "kind": ["lib"],
                "features": found.features,
                "dependencies": needs.collect::<Vec<_>>(),
            })
        });
        json!({
            "version": 1,
            "root": index[&self.root],
            "crates": crates.collect::<Vec<_>>(),
            // Asked for, and not read.
            "rustc": {"version": "", "commit_hash": "", "host": "", "verbose_version": ""},
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tree as cargo prints it; `cargo tree` names the crates below one only the first time.
    pub(crate) const TREE: &str = "\
0strongroom-exec v0.1.0 (/work/crates/exec)\t\tApache-2.0\t\t
1httparse v1.10.1\tstd\tMIT/Apache-2.0\thttps://github.com/seanmonstar/httparse\t
1strongroom-core v0.1.0 (/work/crates/core)\t\tApache-2.0\t\t
2secrecy v0.10.3\t\tMIT OR Apache-2.0\thttps://github.com/iqlusioninc/crates\t
3zeroize v1.9.2\talloc,serde\tApache-2.0 OR MIT\t\t
1secrecy v0.10.3\t\tMIT OR Apache-2.0\thttps://github.com/iqlusioninc/crates\t (*)
";

    fn id(name: &str, version: &str) -> Id {
        (name.to_owned(), version.to_owned())
    }

    pub(crate) fn of_tree() -> Linked {
        parse(TREE).unwrap()
    }

    #[test]
    fn a_crate_needs_what_stands_below_it() {
        let linked = of_tree();
        let root = id("strongroom-exec", "0.1.0");
        assert_eq!(linked.root, root);
        assert_eq!(linked.crates.len(), 5);
        let secrecy = id("secrecy", "0.10.3");
        let expected = [id("httparse", "1.10.1"), secrecy.clone(), id("strongroom-core", "0.1.0")];
        assert_eq!(linked.crates[&root].needs, BTreeSet::from(expected));
        assert_eq!(linked.crates[&secrecy].needs, BTreeSet::from([id("zeroize", "1.9.2")]));
        let httparse = &linked.crates[&id("httparse", "1.10.1")];
        assert_eq!((&*httparse.license, httparse.origin), ("MIT OR Apache-2.0", Origin::CratesIo));
    }

    #[test]
    fn a_crate_from_elsewhere_is_refused() {
        let tree = "0a v1.0.0 (https://example.org/a#0123)\t\t\t\t\n";
        let error = format!("{:#}", parse(tree).unwrap_err());
        assert!(error.ends_with("neither of crates.io nor ours"), "{error}");
    }

    #[test]
    fn the_precursor_points_from_each_crate_to_those_that_it_needs() {
        let precursor = of_tree().precursor();
        let name = |index: &Value| {
            let index = usize::try_from(index.as_u64().unwrap()).unwrap();
            precursor["crates"][index]["id"].as_str().unwrap().rsplit_once('#').unwrap().1
        };
        assert_eq!(name(&precursor["root"]), "strongroom-exec@0.1.0");
        let core = precursor["crates"].as_array().unwrap().iter();
        let mut core = core.filter(|found| found["id"].as_str().unwrap().contains("core@"));
        let needs = core.next().unwrap()["dependencies"].as_array().unwrap().clone();
        assert_eq!(needs.len(), 1);
        assert_eq!(name(&needs[0]["index"]), "secrecy@0.10.3");
    }
}
