//! What an executable says of itself: for which processor it is, and what it needs to start.

use anyhow::{Context as _, Result};
use object::Endianness;
use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, PT_INTERP};
use object::read::elf::{Dyn as _, ElfFile64, FileHeader as _, ProgramHeader as _};

use crate::build::Arch;

/// Findings against an executable that is to run on this processor, in any root.
///
/// # Errors
/// If it is no ELF file of 64 bits.
pub(crate) fn check(content: &[u8], arch: Arch) -> Result<Vec<String>> {
    let file = ElfFile64::<Endianness>::parse(content).context("no ELF file of 64 bits")?;
    let endian = file.endian();
    let mut findings = Vec::new();
    let expected = match arch {
        Arch::Arm64 => EM_AARCH64,
        Arch::X86_64 => EM_X86_64,
    };
    let machine = file.elf_header().e_machine(endian);
    if machine != expected {
        findings.push(format!("is for machine {machine}, not {expected} ({})", arch.name()));
    }
    for header in file.elf_program_headers() {
        if header.p_type(endian) == PT_INTERP {
            findings.push("names a dynamic linker".to_owned());
        }
        let Some(dynamic) = header.dynamic(endian, content)? else { continue };
        if dynamic.iter().any(|entry| entry.tag(endian) == DT_NEEDED) {
            findings.push("needs a shared library".to_owned());
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_for_another_processor_is_found() {
        let here = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let is_of_machine = |arch| {
            let findings = check(&here, arch).unwrap();
            !findings.iter().any(|finding| finding.starts_with("is for machine"))
        };
        for arch in Arch::ALL {
            assert_eq!(is_of_machine(arch), arch == Arch::host(), "{arch:?}");
        }
    }

    #[test]
    fn a_script_is_no_program() {
        assert!(check(b"#!/bin/sh\nexec true\n", Arch::host()).is_err());
    }
}
