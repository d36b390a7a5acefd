//! The bill of materials of a layer, in CycloneDX's JSON: its executables and every crate that is linked into them.
//! <https://cyclonedx.org/docs/1.6/json/>
//!
//! It is made here and not by `cargo cyclonedx`, which asks `cargo metadata` and so would list crates that only tests
//! need, and draws a number by chance. The same layer has the same bill, so that it can be compared byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::linked::{Crate, Id, Linked, Origin};

/// A layer and what it is made of.
#[derive(Debug)]
pub(crate) struct Layer<'a> {
    /// The archive's name without its ending.
    pub(crate) name: &'a str,
    pub(crate) target: &'a str,
    pub(crate) archive: &'a [u8],
    pub(crate) executables: Vec<Executable<'a>>,
    pub(crate) compiler: &'a Compiler,
    /// `Cargo.lock`.
    pub(crate) lock: &'a str,
}

/// An executable of the layer.
#[derive(Debug)]
pub(crate) struct Executable<'a> {
    /// Where it lies in the archive.
    pub(crate) place: &'a str,
    pub(crate) content: &'a [u8],
    pub(crate) linked: &'a Linked,
}

/// The compiler, whose standard library is linked into every executable.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) release: String,
    pub(crate) commit: String,
}

impl Compiler {
    /// Reads what `rustc -vV` prints.
    ///
    /// # Errors
    /// If it says neither release nor commit.
    pub(crate) fn parse(version: &str) -> Result<Self> {
        let field = |name: &str| -> Result<String> {
            let line = version.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.with_context(|| format!("rustc says no {name}"))?.trim().to_owned())
        };
        Ok(Self { release: field("release:")?, commit: field("commit-hash:")? })
    }

    fn library(&self) -> String {
        format!("rust-std@{}", self.release)
    }
}

/// The layer's bill of materials.
///
/// # Errors
/// If `Cargo.lock` cannot be read.
pub(crate) fn of(layer: &Layer<'_>) -> Result<Value> {
    let checksums = checksums(layer.lock)?;
    let mut crates = BTreeMap::<&Id, &Crate>::new();
    let mut needs = BTreeMap::<String, BTreeSet<String>>::new();
    let mut roots = BTreeSet::new();
    for Executable { linked, .. } in &layer.executables {
        for (id, found) in &linked.crates {
            crates.insert(id, found);
            let needed = found.needs.iter().map(|need| reference(need, &linked.crates[need]));
            needs.entry(reference(id, found)).or_default().extend(needed);
        }
        let root = reference(&linked.root, &linked.crates[&linked.root]);
        // Its crates need it, too, but there is no use in saying so for each.
        needs.entry(root.clone()).or_default().insert(layer.compiler.library());
        roots.insert(root);
    }
    let version = layer.executables.first().map(|executable| executable.linked.root.1.as_str());

    let mut components: Vec<Value> = layer.executables.iter().map(executable).collect();
    let roots_of: Vec<&Id> =
        layer.executables.iter().map(|executable| &executable.linked.root).collect();
    let linked = crates.iter().filter(|(id, _)| !roots_of.contains(*id));
    components.extend(linked.map(|(id, found)| library(id, found, checksums.get(*id))));
    components.push(standard_library(layer));
    let mut dependencies = vec![json!({"ref": layer.name, "dependsOn": roots})];
    needs.entry(layer.compiler.library()).or_default();
    dependencies.extend(needs.iter().map(|(of, on)| json!({"ref": of, "dependsOn": on})));

    let mut bill = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": layer.name,
                "name": layer.name,
                "version": version,
                "description": "AWS Lambda layer: secrets from HashiCorp Vault or OpenBao",
                "licenses": [{"expression": "Apache-2.0"}],
                "hashes": hashes(layer.archive),
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    // The number must be one of its own for each bill; by chance it would be another for the same.
    bill["serialNumber"] = serial_number(&bill.to_string()).into();
    Ok(bill)
}

fn executable(Executable { place, content, linked }: &Executable<'_>) -> Value {
    let (name, version) = &linked.root;
    let found = &linked.crates[&linked.root];
    json!({
        "type": "application",
        "bom-ref": reference(&linked.root, found),
        "name": name,
        "version": version,
        "licenses": [{"expression": found.license}],
        "hashes": hashes(content),
        "evidence": {"occurrences": [{"location": place}]},
    })
}

fn library(id: &Id, found: &Crate, checksum: Option<&String>) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(id, found),
        "name": id.0,
        "version": id.1,
    });
    if !found.license.is_empty() {
        component["licenses"] = json!([{"expression": found.license}]);
    }
    if found.origin == Origin::CratesIo {
        component["purl"] = reference(id, found).into();
    }
    if let Some(checksum) = checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if !found.repository.is_empty() {
        component["externalReferences"] = json!([{"type": "vcs", "url": found.repository}]);
    }
    component
}

/// No crate, and in every executable.
fn standard_library(layer: &Layer<'_>) -> Value {
    json!({
        "type": "library",
        "bom-ref": layer.compiler.library(),
        "name": "rust-std",
        "version": layer.compiler.release,
        "description": format!(
            "Rust's standard library for {}, commit {}, with the musl libc and the unwinder that come with it",
            layer.target, layer.compiler.commit
        ),
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "externalReferences": [{"type": "vcs", "url": "https://github.com/rust-lang/rust"}],
    })
}

/// What others refer to a crate by. Ours are not on crates.io, and a package URL would say that they are.
fn reference((name, version): &Id, found: &Crate) -> String {
    match found.origin {
        // A plus sign, as in toml_parser's versions, would stand for a blank.
        Origin::CratesIo => format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")),
        Origin::Ours => format!("{name}@{version}"),
    }
}

fn hashes(content: &[u8]) -> Value {
    json!([{"alg": "SHA-256", "content": super::hex(&Sha256::digest(content))}])
}

/// A UUID of the kind that is left to applications, version 8: <https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-8>
fn serial_number(bill: &str) -> String {
    let mut bytes = Sha256::digest(bill);
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let digits = super::hex(&bytes[..16]);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}

/// The SHA-256 of each package of crates.io, as it was downloaded.
fn checksums(lock: &str) -> Result<BTreeMap<Id, String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let lock: Lock = toml::from_str(lock).context("Cargo.lock")?;
    let packages = lock.package.into_iter();
    Ok(packages.filter_map(|found| Some(((found.name, found.version), found.checksum?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linked::tests::of_tree;

    const LOCK: &str = r#"
[[package]]
name = "httparse"
version = "1.10.1"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "6dbf3de79e51f3d586ab4cb9d5c3e2c14aa28ed23d180cf89b4df0454a69cc87"

[[package]]
name = "strongroom-core"
version = "0.1.0"
"#;

    fn bill(content: &[u8]) -> Value {
        let linked = of_tree();
        let version = "rustc 1.95.0\nrelease: 1.95.0\ncommit-hash: 59807616\n";
        of(&Layer {
            name: "strongroom-layer-x86_64",
            target: "x86_64-unknown-linux-musl",
            archive: b"a zip",
            executables: vec![Executable { place: "strongroom/exec", content, linked: &linked }],
            compiler: &Compiler::parse(version).unwrap(),
            lock: LOCK,
        })
        .unwrap()
    }

    #[test]
    fn every_crate_is_listed_once_and_whoever_needs_it() {
        let bill = bill(b"an executable");
        let names = |list: &Value, field: &str| -> Vec<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
        };
        let mut listed = names(&bill["components"], "bom-ref");
        let expected = [
            "pkg:cargo/httparse@1.10.1",
            "pkg:cargo/secrecy@0.10.3",
            "pkg:cargo/zeroize@1.9.2",
            "rust-std@1.95.0",
            "strongroom-core@0.1.0",
            "strongroom-exec@0.1.0",
        ];
        listed.sort();
        assert_eq!(listed, expected);
        let mut explained = names(&bill["dependencies"], "ref");
        explained.sort();
        let layer = "strongroom-layer-x86_64".to_owned();
        assert_eq!(explained, [listed, vec![layer]].concat());
        let dependencies = bill["dependencies"].as_array().unwrap().iter();
        let mut core = dependencies.filter(|entry| entry["ref"] == "strongroom-core@0.1.0");
        assert_eq!(core.next().unwrap()["dependsOn"], json!(["pkg:cargo/secrecy@0.10.3"]));
    }

    #[test]
    fn a_package_of_the_registry_has_its_checksum_and_ours_have_no_package_url() {
        let bill = bill(b"an executable");
        let component = |name: &str| {
            let mut components = bill["components"].as_array().unwrap().iter();
            components.find(|component| component["name"] == name).unwrap().clone()
        };
        let httparse = component("httparse");
        assert!(httparse["hashes"][0]["content"].as_str().unwrap().starts_with("6dbf3de7"));
        assert_eq!(httparse["purl"], "pkg:cargo/httparse@1.10.1");
        assert_eq!(component("strongroom-core")["purl"], Value::Null);
    }

    #[test]
    fn the_number_of_a_bill_is_its_contents() {
        let number = |content| bill(content)["serialNumber"].as_str().unwrap().to_owned();
        assert_eq!(number(b"one"), number(b"one"));
        assert_ne!(number(b"one"), number(b"two"));
        let one = number(b"one");
        let (version, variant) =
            (&one["urn:uuid:".len()..][14..15], &one["urn:uuid:".len()..][19..20]);
        assert_eq!(version, "8", "{one}");
        assert!("89ab".contains(variant), "{one}");
    }
}
