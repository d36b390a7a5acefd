//! The binary from end to end, as a person or a program calls it.
//!
//! `STRONGROOM_EXTENSION` and `STRONGROOM_EXEC` name the layer's binaries, without which there is nothing to try;
//! `STRONGROOM_PYTHON` `bin/python` with `awslambdaric`; `STRONGROOM_VAULT` a real Vault.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod explain;
mod run;

use std::io::Write as _;
use std::process::{Command, Output};

use serde_json::Value;

/// The checks of every run, in order, whichever Vault and runtime take part.
const CHECKS: [&str; 17] = [
    "by variable the function saw what Vault holds",
    "by file the function saw what Vault holds",
    "by proxy the function saw what Vault holds",
    "warm, it saw the same in every way",
    "the file was 0600",
    "after the rotation the proxy shows the new value",
    "after the rotation a cached read shows the old value",
    "one invocation later the file shows the new value",
    "the variable shows the value of its program's start",
    "one login and the expected reads and no more reached Vault",
    "after SHUTDOWN the token is refused",
    "a new environment sees the new value in every way",
    "a wrong secret key is refused for that reason",
    "an unbound role is refused for that reason",
    "a wrong server id is refused for that reason",
    "no step after set-up used the root token",
    "the practice ran to its end",
];
const SECRET: &str = "ABCDEFG9876";

#[test]
fn every_check_holds_with_the_embedded_vault_and_a_compiled_function() {
    let test = "every_check_holds_with_the_embedded_vault_and_a_compiled_function";
    let Some([extension, exec]) = layer(test) else { return };
    let object = object_of(&["--extension", &extension, "--exec", &exec], 0);
    assert_all_hold(&object, "embedded");
    assert!(object["runtime"].as_str().unwrap().starts_with("provided"), "{object}");
}

#[test]
fn every_check_holds_with_the_embedded_vault_and_python() {
    let test = "every_check_holds_with_the_embedded_vault_and_python";
    let Some([extension, exec]) = layer(test) else { return };
    let Some(python) = part(test, "STRONGROOM_PYTHON") else { return };
    let object = object_of(&["--extension", &extension, "--exec", &exec, "--python", &python], 0);
    assert_all_hold(&object, "embedded");
    assert!(object["runtime"].as_str().unwrap().starts_with("python3."), "{object}");
}

#[test]
fn every_check_holds_with_real_vault() {
    let test = "every_check_holds_with_real_vault";
    let Some([extension, exec]) = layer(test) else { return };
    let Some(vault) = part(test, "STRONGROOM_VAULT") else { return };
    let object = object_of(&["--extension", &extension, "--exec", &exec, "--vault", &vault], 0);
    assert_all_hold(&object, "external");
}

#[test]
fn the_tables_mask_values_unless_they_are_to_be_revealed() {
    let test = "the_tables_mask_values_unless_they_are_to_be_revealed";
    let Some([extension, exec]) = layer(test) else { return };
    let said = |arguments: &[&str]| {
        let output = lab(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let masked = said(&["--extension", &extension, "--exec", &exec]);
    assert!(masked.contains("17 of 17 checks held"), "{masked}");
    assert!(!masked.contains(SECRET), "{masked}");
    let revealed = said(&["--extension", &extension, "--exec", &exec, "--reveal"]);
    assert!(revealed.contains(SECRET), "{revealed}");
}

#[test]
fn a_program_that_is_no_extension_breaks_the_practice_and_is_named() {
    let object = object_of(&["--extension", "/bin/true", "--exec", "/bin/true"], 1);
    assert_eq!(object["ok"], false);
    let last = object["checks"].as_array().unwrap().last().unwrap();
    assert_eq!(last["name"], "the practice ran to its end");
    assert_eq!(last["ok"], false);
    let detail = last["detail"].as_str().unwrap();
    assert!(detail.contains("cold invocation") && detail.contains("--extension"), "{detail}");
}

#[test]
fn what_cannot_be_used_is_told_with_what_to_do() {
    let check = |arguments: &[&str], expected: &str| {
        let object = object_of(arguments, 1);
        assert_eq!(object["steps"], serde_json::json!([]));
        let detail = object["checks"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{detail}");
    };
    check(&["--extension", "/nowhere"], "there is no extension at /nowhere; hint:");
    let no_exec = ["--extension", "/bin/true", "--exec", "/nowhere"];
    check(&no_exec, "there is no exec wrapper at /nowhere; hint:");
    check(
        &["--extension", "/bin/true", "--exec", "/bin/true", "--vault", "/bin/true"],
        "/bin/true is no Vault",
    );
    check(
        &["--extension", "/bin/true", "--exec", "/bin/true", "--vault", "/nowhere"],
        "cannot run /nowhere",
    );
    check(
        &["--extension", "/bin/true", "--exec", "/bin/true", "--python", "/bin/false"],
        "has no awslambdaric",
    );
}

#[test]
fn an_unknown_argument_is_a_mistake_of_usage() {
    let output = lab(&["--bogus"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

/// The one object on standard output.
fn object_of(arguments: &[&str], code: i32) -> Value {
    let output = lab(&[arguments, &["--json"]].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}\n{told}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(SECRET) && !told.contains(SECRET), "{text}{told}");
    serde_json::from_str(&text).unwrap()
}

fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strongroom")).arg("lab").args(arguments).output().unwrap()
}

fn assert_all_hold(object: &Value, kind: &str) {
    assert_eq!(object["ok"], true, "{object:#}");
    assert_eq!(object["vault"]["kind"], kind);
    assert!(object["vault"]["version"].as_str().unwrap().starts_with("1."), "{object}");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(object), ["checks", "ok", "runtime", "steps", "vault"]);
    assert_eq!(keys(&object["vault"]), ["kind", "version"]);
    let steps = object["steps"].as_array().unwrap();
    assert!(steps.len() >= 18, "{steps:?}");
    for step in steps {
        assert_eq!(keys(step), ["ms", "name"]);
        assert!(step["ms"].is_number() && step["name"].is_string(), "{step}");
    }
    let checks = object["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, CHECKS);
    for check in checks {
        assert_eq!(keys(check), ["detail", "name", "ok"]);
        assert_eq!(check["ok"], true, "{check}");
        assert!(!check["detail"].as_str().unwrap().is_empty());
    }
}

/// What the layer holds.
fn layer(test: &str) -> Option<[String; 2]> {
    Some([part(test, "STRONGROOM_EXTENSION")?, part(test, "STRONGROOM_EXEC")?])
}

/// A part that only the caller can name; without it the test is skipped, and says so.
fn part(test: &str, variable: &str) -> Option<String> {
    let part = std::env::var(variable).ok();
    if part.is_none() {
        let line = format!("SKIPPED: {test}: {variable} is unset\n");
        // Past the harness's capture, and in one call: other tests write too.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        if let Some(file) = std::env::var_os("STRONGROOM_SKIPPED") {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.append(true).create(true).open(file).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
    }
    part
}
