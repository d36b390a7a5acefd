//! The bill of materials beside each zip, by the schema of those who define it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part};
use tempfile::NamedTempFile;

/// What the schema says against a file; empty if it is as it should be.
fn findings(file: &Path) -> String {
    let mut python = Command::new(beds::cyclonedx());
    let output = python.args(["-c", VALIDATE]).arg(file).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const VALIDATE: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
print(repr(error) if error else '')
";

fn beside(archive: &Path) -> PathBuf {
    archive.with_extension("cdx.json")
}

fn check(archive: &Path) {
    let file = beside(archive);
    assert_eq!(findings(&file), "");
    let bill: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    // It is the bill of this very zip.
    let digest = sha2::Digest::finalize(sha2::Digest::chain_update(
        <sha2::Sha256 as sha2::Digest>::new(),
        fs::read(archive).unwrap(),
    ));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], json!(digest));
}

#[test]
fn the_bill_of_materials_is_as_its_schema_says() {
    if beds::available("the bill of materials", &[Part::CycloneDx, Part::Layer]) {
        check(&beds::layer());
    }
}

#[test]
fn the_bill_of_materials_for_arm64_is_as_its_schema_says() {
    if beds::available("the bill of materials for arm64", &[Part::Arm64Layer, Part::CycloneDx]) {
        check(&beds::arm64_layer());
    }
}

#[test]
fn what_the_schema_does_not_know_is_found() {
    if !beds::available("what the schema does not know", &[Part::CycloneDx, Part::Layer]) {
        return;
    }
    let bill = fs::read_to_string(beside(&beds::layer())).unwrap();
    let mut bill: Value = serde_json::from_str(&bill).unwrap();
    bill["components"][0]["type"] = json!("no type");
    let file = NamedTempFile::new().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a file of a test")]
    fs::write(file.path(), bill.to_string()).unwrap();
    assert_ne!(findings(file.path()), "");
}
