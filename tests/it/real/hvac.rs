//! Vault clients of others through the local Vault API: hvac, and the `vault` command.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part, practice};
use strongroom_tests::stage::practice::Practice;

use super::practice_of;

/// Where the practice's KV v2 engine is mounted.
const VERSIONED: &str = "kv/data/test";
/// Where these tests mount a KV v1 engine.
const PLAIN: &str = "plain";
const SCRIPT: &str = include_str!("hvac.py");
const POLICY: &str = r#"
path "kv/data/test/*" { capabilities = ["create", "delete", "list", "patch", "read", "update"] }
path "kv/data/test/data/forbidden" { capabilities = ["deny"] }
path "plain/*" { capabilities = ["create", "delete", "list", "read", "update"] }
"#;

/// The practice, whose role may do with secrets what it wants.
fn practice_of_writer(test: &str) -> Option<Practice> {
    let practice = practice_of(test)?;
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": POLICY}));
    practice.vault.write("sys/mounts/plain", &json!({"type": "kv", "options": {"version": "1"}}));
    Some(practice)
}

#[tokio::test(flavor = "multi_thread")]
async fn hvac_does_through_the_proxy_what_it_does_at_vault() {
    let test = "hvac through the proxy";
    if !beds::available(test, &[Part::Python]) {
        return;
    }
    let Some(practice) = practice_of_writer(test) else { return };
    practice.vault.write("sys/auth/userpass", &json!({"type": "userpass"}));
    practice.vault.write("auth/userpass/users/app", &json!({"password": "of-the-test"}));
    let environment = practice.ready().await;
    let address = format!("http://{}", environment.proxy());
    let mut script = Command::new(beds::python());
    script.args(["-c", SCRIPT, &address, VERSIONED, PLAIN]);
    let output = script.env_clear().output().expect("python starts");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{}", environment.log());
    let seen: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let expected = json!({
        "read": {practice::SECRET_KEY: practice::SECRET_VALUE},
        "authenticated": true,
        "versions written": [1, 2],
        "latest": {"n": 2, "colour": "red"},
        "first version": {"n": 1, "colour": "red"},
        "create over it": [
            "InvalidRequest",
            ["check-and-set parameter did not match the current version"],
        ],
        "patched": {"n": 2, "colour": "blue"},
        "list": ["own"],
        "metadata": {
            "current_version": 3,
            "custom_metadata": {"owner": "tests"},
            "max_versions": 5,
        },
        "deleted": "InvalidPath",
        "undeleted": {"n": 2, "colour": "blue"},
        "destroyed": "InvalidPath",
        "gone": "InvalidPath",
        "forbidden": "Forbidden",
        "missing": "InvalidPath",
        "plain read": {"n": 1},
        "plain list": ["own"],
        "plain gone": "InvalidPath",
        "token": {"path": "auth/aws/login", "policies": ["default", "lambda"]},
        "own token": "auth/userpass/login/app",
        "unwrapped by body": {"n": 3},
        "unwrapped by header": {practice::SECRET_KEY: practice::SECRET_VALUE},
        "unwrapped twice": "InvalidRequest",
    });
    assert_eq!(seen, expected);
    // Neither the refusal by policy nor the strange tokens cost another login.
    assert_eq!(practice.audit.count(super::LOGIN), 1);
}

/// The `vault` command of this machine, if there is one.
fn vault_command() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("STRONGROOM_VAULT_CLI") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("vault")).find(|file| file.is_file())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_command_does_through_the_proxy_what_it_does_at_vault() {
    let Some(command) = vault_command() else {
        // It is a part that nobody need have.
        #[expect(clippy::print_stderr, reason = "for who runs the tests")]
        {
            eprintln!("not on this machine: vault command");
        }
        return;
    };
    let Some(practice) = practice_of_writer("the vault command through the proxy") else { return };
    let environment = practice.ready().await;
    let address = format!("http://{}", environment.proxy());
    let home = tempfile::tempdir().expect("a temporary directory");
    let run = |arguments: &[&str]| {
        let mut vault = Command::new(&command);
        vault.args(arguments).env_clear().env("HOME", home.path()).env("VAULT_ADDR", &address);
        let output = vault.env("VAULT_FORMAT", "json").output().expect("the vault command starts");
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        let value = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        (output.status.code(), value, printed)
    };
    let mount = format!("-mount={VERSIONED}");
    let (status, read, printed) = run(&["kv", "get", &mount, "lambda"]);
    assert_eq!(status, Some(0), "{printed}");
    assert_eq!(read["data"]["data"][practice::SECRET_KEY], practice::SECRET_VALUE);
    let (status, put, printed) = run(&["kv", "put", &mount, "own", "n=1"]);
    assert_eq!((status, &put["data"]["version"]), (Some(0), &json!(1)), "{printed}");
    let (status, list, printed) = run(&["kv", "list", &mount]);
    assert_eq!((status, list), (Some(0), json!(["lambda", "own"])), "{printed}");
    let (status, _, printed) = run(&["kv", "delete", &mount, "own"]);
    assert_eq!(status, Some(0), "{printed}");
    assert_eq!(practice.vault.read("kv/data/test/metadata/own")["data"]["current_version"], 1);
    let (status, _, printed) = run(&["kv", "get", &mount, "forbidden"]);
    assert_eq!(status, Some(2));
    assert!(printed.contains("permission denied"), "{printed}");
}
