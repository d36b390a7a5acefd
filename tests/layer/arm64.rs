//! The layer for arm64, under qemu on whatever processor this is: under the local Lambda of `host`, against real Vault
//! over TLS.
//!
//! The kernel here cannot start a program of another processor by itself: where Lambda finds extension and wrapper, a
//! script starts qemu.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use strongroom_host::Layer;
use strongroom_tests::beds::{self, Part, practice, shared_moto};
use strongroom_tests::stage::practice::Practice;
use tempfile::TempDir;

const NEEDED: [Part; 5] =
    [Part::Arm64Layer, Part::Moto, Part::PrivateNetwork, Part::Qemu, Part::Vault];
const FUNCTION: &str = env!("CARGO_BIN_EXE_strongroom-tests-function");

/// The practice over TLS with the layer for arm64, whose executables lie in `/opt/arm64`.
fn practice() -> Practice {
    let unpacked = TempDir::new().unwrap();
    super::unpack(&beds::arm64_layer(), unpacked.path());
    let extension = unpacked.path().join("extensions/strongroom");
    let practice = Practice::over_tls_with(&extension, FUNCTION.as_ref(), shared_moto());
    let Layer::Directory(opt) = &practice.config.layers[0] else {
        unreachable!("the layer of the tests is a directory")
    };
    fs::create_dir(opt.join("arm64")).unwrap();
    // Elsewhere it might lie below a folder that processes of the environment do not see.
    fs::copy(beds::qemu(), opt.join("arm64/qemu")).unwrap();
    for extension in fs::read_dir(opt.join("extensions")).unwrap() {
        emulate(opt, &extension.unwrap().path());
    }
    fs::create_dir(opt.join("strongroom")).unwrap();
    let exec = opt.join("strongroom/exec");
    fs::copy(unpacked.path().join("strongroom/exec"), &exec).unwrap();
    emulate(opt, &exec);
    practice
}

/// Moves a program of the layer aside, and puts a script in its place.
fn emulate(opt: &Path, program: &Path) {
    let name = program.file_name().unwrap().to_str().unwrap();
    fs::rename(program, opt.join("arm64").join(name)).unwrap();
    // Under the name that Lambda calls, as an extension registers by it.
    script(program, &format!("exec /opt/arm64/qemu -0 \"$0\" /opt/arm64/{name} \"$@\""));
}

fn script(path: &Path, command: &str) {
    #[expect(clippy::disallowed_methods, reason = "a script of a test")]
    fs::write(path, format!("#!/bin/sh\n{command}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_arm64_a_function_reads_its_secret_by_file_and_proxy_over_tls() {
    if !beds::available("the layer for arm64", &NEEDED) {
        return;
    }
    let practice = practice();
    let environment = practice.ready().await;
    let url = format!("/v1/{}", practice::SECRET_PATH);
    let seen = environment.invoke(&["/tmp/vault/secret.json"], &[&url]).await;
    let held = practice.vault.read(practice::SECRET_PATH)["data"].clone();
    assert_eq!(held["data"], json!({practice::SECRET_KEY: practice::SECRET_VALUE}));
    for text in [&seen["files"][0], &seen["get"][0]["body"]] {
        let text = text.as_str().unwrap_or_else(|| panic!("{seen}\n{}", environment.log()));
        let answer: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(answer["data"], held, "{seen}");
    }
    let ended = environment.shut_down().await;
    assert_eq!(ended.exit(&environment.source()), Some("exit status 0"), "{ended:?}");
    assert_eq!(practice.vault.login_accessors(), [""; 0], "the token is not revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_arm64_a_program_starts_with_its_secret_in_a_variable() {
    if !beds::available("the exec wrapper for arm64", &NEEDED) {
        return;
    }
    let mut practice = practice();
    let code = practice.config.function.code.clone();
    fs::rename(code.join("bootstrap"), code.join("app")).unwrap();
    script(&code.join("bootstrap"), "exec /opt/strongroom/exec ./app");
    let reference = format!("vault:{}#{}", practice::SECRET_PATH, practice::SECRET_KEY);
    practice.set("API_KEY", &reference);
    let environment = practice.ready().await;
    let seen = environment.variables(&["API_KEY"]).await;
    assert_eq!(seen, [Some(practice::SECRET_VALUE.to_owned())], "{}", environment.log());
}
