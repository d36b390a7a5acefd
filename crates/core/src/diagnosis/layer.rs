//! Whether a layer holds what Lambda needs to start the extension.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>

use super::sayings::sandbox;
use super::{Check, Report};

/// A file of a layer.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its path below `/opt`.
    pub path: String,
    /// Its permissions; `None` if the archive says nothing of them.
    pub mode: Option<u32>,
    /// Its bytes.
    pub size: u64,
    /// The first [`HEAD`] of them.
    pub head: Vec<u8>,
}

/// How many bytes of a file tell what it is: an ELF header up to its machine.
pub const HEAD: usize = 20;

/// A processor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Architecture {
    /// Lambda's `arm64`.
    Arm64,
    /// Lambda's `x86_64`.
    X86_64,
}

impl Architecture {
    /// All that Lambda has.
    pub const ALL: [Self; 2] = [Self::Arm64, Self::X86_64];

    /// Lambda's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// What Lambda calls so.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|architecture| architecture.name() == name)
    }

    /// The processor that an executable is for. <https://man7.org/linux/man-pages/man5/elf.5.html>
    #[must_use]
    pub fn of_executable(head: &[u8]) -> Option<Self> {
        if !head.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        match head.get(18..20)? {
            [0x3e, 0] => Some(Self::X86_64),
            [0xb7, 0] => Some(Self::Arm64),
            _ => None,
        }
    }
}

const EXTENSION: &str = "extensions/strongroom";
const WRAPPER: &str = "strongroom/exec";

/// Judges the files of a layer, or of all layers of a function together.
pub fn judge_layer(
    report: &mut Report,
    entries: &[Entry],
    architecture: Option<Architecture>,
    needs_wrapper: bool,
) {
    let found_before = report.findings.len();
    let Some(extension) = entries.iter().find(|entry| entry.path == EXTENSION) else {
        return no_extension(report, entries);
    };
    judge_program(report, extension, architecture);
    match entries.iter().find(|entry| entry.path == WRAPPER) {
        // Both were built and packed together: what is wrong with one is wrong with the other.
        Some(wrapper) if report.findings.len() == found_before => {
            judge_program(report, wrapper, architecture);
        }
        None if needs_wrapper => report.fault(&sandbox::NO_WRAPPER, &[]),
        _ => {}
    }
    for other in entries.iter().filter(|entry| is_extension(entry) && entry.path != EXTENSION) {
        judge_other(report, other);
    }
    let bytes: u64 = entries.iter().map(|entry| entry.size).sum();
    if bytes > LARGEST {
        report.fault(&sandbox::TOO_LARGE, &[&(bytes >> 20).to_string()]);
    }
    if report.findings.len() == found_before {
        let size = (extension.size >> 10).to_string();
        let found = Architecture::of_executable(&extension.head).map_or("", Architecture::name);
        let text = "/opt/extensions/strongroom for {0}, executable, {1} KB";
        report.holds(Check::Layer, text, &[found, &size]);
    }
}

/// Lambda starts every file that lies in `extensions` itself.
fn is_extension(entry: &Entry) -> bool {
    entry
        .path
        .strip_prefix("extensions/")
        .is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

fn no_extension(report: &mut Report, entries: &[Entry]) {
    if let Some(entry) = entries.iter().find(|entry| entry.path.ends_with(EXTENSION)) {
        return report.fault(&sandbox::ELSEWHERE, &[&entry.path]);
    }
    let mut others = String::new();
    for entry in entries.iter().filter(|entry| is_extension(entry)) {
        others.push_str(if others.is_empty() { "" } else { ", " });
        others.push_str(&entry.path);
    }
    report.fault(&sandbox::NO_EXTENSION, &[if others.is_empty() { "none" } else { &others }]);
}

fn judge_program(report: &mut Report, entry: &Entry, architecture: Option<Architecture>) {
    let path = entry.path.as_str();
    if entry.size == 0 {
        return report.fault(&sandbox::EMPTY, &[path]);
    }
    if entry.mode.is_none_or(|mode| mode & 0o111 != 0o111) {
        let mode = entry.mode.map(|mode| format!("{:04o}", mode & 0o7777));
        report.fault(
            &sandbox::NOT_EXECUTABLE,
            &[path, mode.as_deref().unwrap_or("none: the archive holds no permissions")],
        );
    }
    match (Architecture::of_executable(&entry.head), architecture) {
        (None, _) => report.fault(&sandbox::NO_EXECUTABLE, &[path]),
        (Some(found), Some(wanted)) if found != wanted => {
            let target = if wanted == Architecture::Arm64 { "aarch64" } else { "x86_64" };
            report.fault(&sandbox::OTHER_PROCESSOR, &[path, found.name(), wanted.name(), target]);
        }
        _ => {}
    }
}

/// Lambda executes whatever lies there, and takes the port that another takes, too.
fn judge_other(report: &mut Report, entry: &Entry) {
    let path = entry.path.as_str();
    if entry.mode.is_none_or(|mode| mode & 0o111 == 0) {
        report.fault(&sandbox::STRAY_FILE, &[path]);
    } else if path.ends_with("/vault-lambda-extension") {
        report.fault(&sandbox::BESIDE_INCUMBENT, &[path]);
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LARGEST: u64 = 250 << 20;

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn program(path: &str, machine: u8) -> Entry {
        let mut head = b"\x7fELF\x02\x01".to_vec();
        head.resize(18, 0);
        head.extend([machine, 0]);
        Entry { path: path.to_owned(), mode: Some(0o755), size: 3_000_000, head }
    }

    fn check(entries: &[Entry], needs_wrapper: bool, expect: &[&str]) {
        let mut report = Report::default();
        judge_layer(&mut report, entries, Some(Architecture::X86_64), needs_wrapper);
        let faults: Vec<_> =
            report.findings.iter().filter(|found| found.outcome == Outcome::Fault).collect();
        assert_eq!(faults.len(), expect.len(), "{faults:?}");
        for (fault, expect) in faults.iter().zip(expect) {
            assert!(format!("{fault:?}").contains(expect), "{fault:?}");
        }
        assert_eq!(report.findings.len(), expect.len().max(1));
    }

    #[test]
    fn what_lambda_would_stumble_over_is_told() {
        let extension = || program(EXTENSION, 0x3e);
        let other = |name: &str, mode| Entry { mode: Some(mode), ..program(name, 0x3e) };
        check(&[extension()], false, &[]);
        check(&[extension(), program(WRAPPER, 0x3e)], true, &[]);
        check(&[], false, &["add the layer"]);
        check(&[extension()], true, &["/opt/strongroom/exec"]);
        check(&[program("layer/extensions/strongroom", 0x3e)], false, &["zip the content"]);
        check(&[program(EXTENSION, 0xb7)], false, &["for arm64, and the function runs on x86_64"]);
        check(&[other(EXTENSION, 0o644)], false, &["permissions are 0644"]);
        check(&[Entry { mode: None, ..extension() }], false, &["no permissions"]);
        check(&[Entry { size: 0, ..extension() }], false, &["empty"]);
        check(&[Entry { head: b"#!/bin/sh".to_vec(), ..extension() }], false, &["no 64-bit"]);
        check(
            &[extension(), other("extensions/README.md", 0o644)],
            false,
            &["executes every file"],
        );
        check(&[extension(), other("extensions/datadog", 0o755)], false, &[]);
        check(&[extension(), other("extensions/d/README", 0o644)], false, &[]);
        check(&[extension(), other("extensions/vault-lambda-extension", 0o755)], false, &["8200"]);
        let large = Entry { size: 300 << 20, ..other("data", 0o644) };
        check(&[extension(), large], false, &["250 MB"]);
    }
}
