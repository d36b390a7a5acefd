//! Layers as directories and zips; what is in them stands for the programs, as it is not run.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Bed, Fault, check, fault};

/// ELF's name of the processor that Lambda calls x86_64.
pub(super) const X86_64: u8 = 0x3e;
/// ELF's name of the processor that Lambda calls arm64.
pub(super) const ARM64: u8 = 0xb7;

const FAULTS: &[Fault] = &[
    fault(
        "no extension in it",
        |bed| {
            bed.file("layer/bin/strongroom", &program(X86_64));
            look_at(bed, "layer");
        },
        "layer",
        &["extensions/strongroom", "not there", "nobody says so"],
    ),
    fault(
        "a directory too many",
        |bed| {
            let file = bed.file("layer/opt/extensions/strongroom", &program(X86_64));
            executable(&file);
            look_at(bed, "layer");
        },
        "layer",
        &["it lies at opt/extensions/strongroom", "zip the content of the directory"],
    ),
    fault(
        "no permission to execute it",
        |bed| {
            whole(bed, X86_64);
            let file = bed.directory.path().join("layer/extensions/strongroom");
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
            look_at(bed, "layer");
        },
        "layer",
        &["permissions are 0644", "PermissionDenied", "chmod 755 extensions/strongroom"],
    ),
    fault(
        "a zip without permissions",
        |bed| {
            let zip =
                zip(bed, &[("extensions/strongroom", 0o644), ("strongroom/exec", 0o755)], X86_64);
            look_at(bed, &zip);
        },
        "layer",
        &["extensions/strongroom", "permissions are 0644"],
    ),
    fault(
        "no exec wrapper in it",
        |bed| {
            let zip = zip(bed, &[("extensions/strongroom", 0o755)], X86_64);
            look_at(bed, &zip);
        },
        "layer",
        &["strongroom/exec", "not there", "the runtime ends at once"],
    ),
    fault(
        "a script in place of the program",
        |bed| {
            whole(bed, X86_64);
            bed.file("layer/extensions/strongroom", b"#!/bin/sh\n");
            look_at(bed, "layer");
        },
        "layer",
        &["no 64-bit Linux executable", "exec format error"],
    ),
    fault(
        "a file that Lambda would execute",
        |bed| {
            whole(bed, X86_64);
            bed.file("layer/extensions/README.md", b"read me");
            look_at(bed, "layer");
        },
        "layer",
        &["extensions/README.md", "executes every file", "another directory"],
    ),
    fault(
        "vault-lambda-extension beside it",
        |bed| {
            whole(bed, X86_64);
            let file = bed.file("layer/extensions/vault-lambda-extension", &program(X86_64));
            executable(&file);
            look_at(bed, "layer");
        },
        "layer",
        &["both want port 8200", "take the layer of vault-lambda-extension off"],
    ),
    fault(
        "what is no zip",
        |bed| {
            bed.file("layer.zip", b"not a zip");
            look_at(bed, "layer.zip");
        },
        "layer",
        &["it is no zip"],
    ),
];

/// The head of an executable for this processor.
pub(super) fn program(machine: u8) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(18, 0);
    bytes.extend([machine, 0]);
    bytes.resize(64, 0);
    bytes
}

/// A layer as it should be, in the directory `layer`.
fn whole(bed: &Bed, machine: u8) {
    for name in ["layer/extensions/strongroom", "layer/strongroom/exec"] {
        executable(&bed.file(name, &program(machine)));
    }
}

fn executable(file: &Path) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn look_at(bed: &mut Bed, name: &str) {
    let path = bed.directory.path().join(name);
    bed.arguments.extend(["--layer".to_owned(), path.to_string_lossy().into_owned()]);
}

/// A zip with these files; returns its name.
fn zip(bed: &Bed, files: &[(&str, u32)], machine: u8) -> String {
    bed.file("layer.zip", &zipped(files, machine));
    "layer.zip".to_owned()
}

/// The bytes of a zip with programs of these names and permissions.
pub(super) fn zipped(files: &[(&str, u32)], machine: u8) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, mode) in files {
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
        zip.write_all(&program(machine)).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_layer_is_named() {
    check("doctor: layer", FAULTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_as_it_should_be_is_not_found_fault_with() {
    if !strongroom_tests::beds::available("doctor looks at a layer", &super::NEEDED) {
        return;
    }
    let mut bed = Bed::new();
    whole(&bed, ARM64);
    look_at(&mut bed, "layer");
    let examined = bed.examine();
    assert_eq!(examined.code, Some(0), "{}", examined.text);
    let name = PathBuf::from("/opt/extensions/strongroom");
    assert!(examined.text.contains(&*name.to_string_lossy()), "{}", examined.text);
}
