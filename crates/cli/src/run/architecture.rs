//! Whether a layer's programs are for this machine: that they are not would only be told by a failing `exec`.

use std::fs::{self, File};
use std::io::{Read, Result as IoResult};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Looks at what Lambda would start of a layer.
///
/// # Errors
/// The layer cannot be read, or is for another processor.
pub(super) fn check(layer: &Path) -> Result<()> {
    let unreadable = || format!("cannot read the layer {}", layer.display());
    let headers = if layer.is_dir() {
        of_directory(layer).with_context(unreadable)?
    } else {
        of_archive(layer).with_context(unreadable)?
    };
    for (name, header) in headers {
        let Some(machine) = machine(&header) else { continue };
        if machine != std::env::consts::ARCH {
            bail!(
                "the layer {} is for {machine}, by its {name}, and this machine is {}; hint: take the layer for \
                 {}, which Lambda calls {}",
                layer.display(),
                std::env::consts::ARCH,
                std::env::consts::ARCH,
                if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH },
            );
        }
    }
    Ok(())
}

type Header = Vec<u8>;

fn of_directory(layer: &Path) -> IoResult<Vec<(String, Header)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(layer.join(EXTENSIONS)).into_iter().flatten() {
        names.push(format!("{EXTENSIONS}/{}", entry?.file_name().to_string_lossy()));
    }
    names.extend(PROGRAMS.map(str::to_owned));
    let mut headers = Vec::new();
    for name in names {
        let path = layer.join(&name);
        if path.is_file() {
            headers.push((name, header(File::open(path)?)?));
        }
    }
    Ok(headers)
}

fn of_archive(layer: &Path) -> Result<Vec<(String, Header)>> {
    let mut archive = zip::ZipArchive::new(File::open(layer)?)?;
    let mut headers = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index(index)?;
        let name = file.name()?.into_owned();
        let parent = name.rsplit_once('/').map(|(parent, _)| parent);
        if file.is_file() && (parent == Some(EXTENSIONS) || PROGRAMS.contains(&name.as_str())) {
            headers.push((name, header(file)?));
        }
    }
    Ok(headers)
}

fn header(file: impl Read) -> IoResult<Header> {
    let mut header = Header::new();
    file.take(LENGTH).read_to_end(&mut header)?;
    Ok(header)
}

/// Of an ELF file, in the names of Rust. <https://man7.org/linux/man-pages/man5/elf.5.html>
fn machine(header: &[u8]) -> Option<&'static str> {
    if !header.starts_with(b"\x7fELF") {
        return None;
    }
    match header.get(18..20)? {
        [62, 0] => Some("x86_64"),
        [183, 0] => Some("aarch64"),
        _ => Some("another processor"),
    }
}

/// Lambda starts what lies there.
const EXTENSIONS: &str = "extensions";
/// What else of a layer is started by its path.
const PROGRAMS: [&str; 2] = ["bootstrap", "strongroom/exec"];
/// As much of an ELF file as says what it is for.
const LENGTH: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_what_it_is_for() {
        let elf = |machine: u8| [b"\x7fELF".as_slice(), &[0; 14], &[machine, 0]].concat();
        assert_eq!(machine(&elf(62)), Some("x86_64"));
        assert_eq!(machine(&elf(183)), Some("aarch64"));
        assert_eq!(machine(&elf(3)), Some("another processor"));
        assert_eq!(machine(b"#!/bin/sh\nexec extension"), None);
        assert_eq!(machine(b"\x7fELF"), None);
    }
}
