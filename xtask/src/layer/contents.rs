//! What a layer's archive may hold, and what each of its files must be.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use auditable_info::audit_info_from_slice;

use super::archive::{self, Entry};
use super::elf;
use crate::build::Arch;
use crate::linked::{Id, Linked};

/// A file that the archive must hold.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) place: &'a str,
    pub(crate) linked: &'a Linked,
    /// The crates that the compiler was given.
    pub(crate) compiled: &'a BTreeSet<Id>,
}

/// Findings against an archive for this processor, which must hold these files and nothing else: of `extensions/` Lambda
/// executes every file there is.
///
/// # Errors
/// If it is no archive.
pub(crate) fn check(archive: &[u8], arch: Arch, expected: &[Expected<'_>]) -> Result<Vec<String>> {
    let entries = archive::entries(archive)?;
    let mut findings = Vec::new();
    for entry in &entries {
        let found = match expected.iter().find(|file| file.place == entry.name) {
            None => vec!["does not belong into the layer".to_owned()],
            Some(file) => of_file(entry, arch, file)?,
        };
        findings.extend(found.into_iter().map(|finding| format!("{}: {finding}", entry.name)));
    }
    let missing =
        expected.iter().filter(|file| entries.iter().all(|entry| entry.name != file.place));
    findings.extend(missing.map(|file| format!("{}: is missing", file.place)));
    Ok(findings)
}

fn of_file(entry: &Entry, arch: Arch, expected: &Expected<'_>) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    if entry.mode != Some(0o755) {
        findings.push(format!("has mode {:o}, not 755", entry.mode.unwrap_or_default()));
    }
    findings.extend(elf::check(&entry.content, arch).context(entry.name.clone())?);
    let listed: BTreeSet<Id> = expected.linked.crates.keys().cloned().collect();
    let mut compiled = expected.compiled.clone();
    // The package of the executable, which need not have a library.
    compiled.insert(expected.linked.root.clone());
    findings.extend(difference("was compiled", &compiled, &listed));
    match says(&entry.content) {
        Ok(said) => findings.extend(difference("stands in section .dep-v0", &said, &listed)),
        Err(error) => findings.push(format!("does not say what is linked into it: {error:#}")),
    }
    Ok(findings)
}

/// What an executable says is linked into it.
fn says(content: &[u8]) -> Result<BTreeSet<Id>> {
    let said = audit_info_from_slice(content, LARGEST_LIST)?;
    Ok(said.packages.into_iter().map(|found| (found.name, found.version.to_string())).collect())
}

/// How many bytes of JSON the list may be: ours are 5 KB.
const LARGEST_LIST: usize = 1 << 20;

fn difference(what: &str, is: &BTreeSet<Id>, listed: &BTreeSet<Id>) -> Vec<String> {
    let more = is.difference(listed).map(|(name, version)| {
        format!("{name} {version} {what}, and is not in the bill of materials")
    });
    let less = listed.difference(is).map(|(name, version)| {
        format!("{name} {version} is in the bill of materials, but not what {what}")
    });
    more.chain(less).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;
    use crate::linked::tests::of_tree;

    /// Findings against an archive of this one file, of which nothing was compiled.
    fn findings(name: &str, mode: u32) -> Vec<String> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(mode);
        archive.start_file(name, options).unwrap();
        // A program of this machine: dynamic, and without a list.
        archive.write_all(&std::fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
        let (linked, compiled) = (of_tree(), BTreeSet::new());
        let expected = Expected { place: "strongroom/exec", linked: &linked, compiled: &compiled };
        let archive = archive.finish().unwrap().into_inner();
        check(&archive, Arch::host(), &[expected]).unwrap()
    }

    #[track_caller]
    fn check_found(findings: &[String], expected: &str) {
        assert!(findings.iter().any(|finding| finding == expected), "{findings:#?}");
    }

    #[test]
    fn a_file_that_lambda_would_run_too_is_found_and_one_that_is_missing() {
        let found = findings("extensions/other", 0o755);
        let missing = "strongroom/exec: is missing";
        assert_eq!(found, ["extensions/other: does not belong into the layer", missing]);
    }

    #[test]
    fn a_file_that_nobody_may_execute_is_found() {
        check_found(&findings("strongroom/exec", 0o644), "strongroom/exec: has mode 644, not 755");
    }

    #[test]
    fn a_program_that_is_not_static_or_does_not_say_what_is_linked_is_found() {
        let found = findings("strongroom/exec", 0o755);
        check_found(&found, "strongroom/exec: names a dynamic linker");
        check_found(&found, "strongroom/exec: needs a shared library");
        let silent = "strongroom/exec: does not say what is linked into it: ";
        assert!(found.iter().any(|finding| finding.starts_with(silent)), "{found:#?}");
    }

    #[test]
    fn a_crate_that_is_listed_and_was_not_compiled_is_found() {
        let expected =
            "strongroom/exec: zeroize 1.9.2 is in the bill of materials, but not what was compiled";
        check_found(&findings("strongroom/exec", 0o755), expected);
    }
}
