//! Go's decision on the same server, by the program in `tests/fixtures/go-client`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use strongroom_core::settings::{Authorities, Tls, Verification};

/// `ok`, or why not; `None` where there is no Go, or settings that the program does not know.
pub(super) fn decision(tls: &Tls, name: &str, address: SocketAddr) -> Option<String> {
    let authorities = match &tls.authorities {
        Authorities::File(path) => path.as_path(),
        _ if tls.verification == Verification::Skip => Path::new(""),
        _ => return None,
    };
    let (certificate, key) = match &tls.client_identity {
        Some(identity) => (identity.certificate.as_path(), identity.key.as_path()),
        None => (Path::new(""), Path::new("")),
    };
    let mode = if tls.verification == Verification::Skip { "skip" } else { "" };
    let output = Command::new(client()?)
        .args([&address.to_string(), name])
        .args([authorities, certificate, key])
        .arg(mode)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// The program, built once.
fn client() -> Option<&'static Path> {
    static CLIENT: OnceLock<Option<PathBuf>> = OnceLock::new();
    CLIENT.get_or_init(build).as_deref()
}

#[expect(clippy::print_stderr, reason = "names the part that is left out")]
fn build() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-client");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/go-client");
    let output = Command::new("go").args(["build", "-o"]).arg(&path).current_dir(source).output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(path)
        }
        Err(_) => {
            eprintln!("skipped: comparison with Go's TLS client (there is no go command)");
            None
        }
    }
}
