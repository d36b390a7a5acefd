//! `strongroom explain` over the real binary, and that the extension says the same.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Stands wherever a secret may, and may be printed nowhere.
const CANARY: &str = "canary-7f3a";

const VARIABLES: &str = "\
# The function's variables.
VAULT_ADDR=http://127.0.0.1:8200
VLE_VAULT_ADDR=https://me:canary-7f3a@vault.example.com:8200
VAULT_AUTH_PROVIDER=aws
VAULT_TOKEN=canary-7f3a
VAULT_HEADERS={\"Authorization\":\"canary-7f3a\"}
AWS_SECRET_ACCESS_KEY=canary-7f3a
AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec
BAO_NAMESPACE=team
DB_URL=postgres://app:${vault:kv/data/app#password|canary-7f3a}@db/canary-7f3a
OF_NO_CONCERN=canary-7f3a
";

const FILE: &str = "\
VAULT_AUTH_ROLE = \"app\"
VAULT_DEFAULT_CACHE_TTL = \"60s\"
VAULT_ADDR = \"https://canary-7f3a\"

[[secret]]
path = \"kv/data/tls\"
file = \"tls.key\"
format = \"raw:key\"
mode = \"0400\"

[[secret]]
path = \"database/creds/app\"
variable = \"DB_USER\"
field = \"username\"
version = 3
default = \"canary-7f3a\"
";

/// A directory with the two files that [`FILES`] name.
fn given(variables: &str, file: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("function.env"), variables);
    write(&directory.path().join("strongroom.toml"), file);
    directory
}

const FILES: [&str; 4] = ["--env-file", "function.env", "--config", "strongroom.toml"];

#[expect(clippy::disallowed_methods, reason = "files of a test")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// Runs the command in `directory` with no variables but those that it is given.
fn explain(directory: &TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    command.env_clear().envs(variables.iter().copied()).current_dir(directory);
    command.arg("explain").args(arguments).output().unwrap()
}

/// Standard output, the other checked to be empty and both to be without the canary.
fn told(output: Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    text
}

fn object(directory: &TempDir, code: i32) -> Value {
    let arguments = [&FILES[..], &["--json"]].concat();
    serde_json::from_str(&told(explain(directory, &arguments, &[]), code)).unwrap()
}

#[test]
fn each_secret_is_told_with_where_it_goes_and_who_waits() {
    let directory = given(VARIABLES, FILE);
    let object = object(&directory, 0);
    assert_eq!(
        object["secrets"],
        json!([
            {
                "path": "kv/data/app", "version": null, "field": "password", "has_default": true,
                "target": { "kind": "variable", "name": "DB_URL" }, "waits": "wrapper",
                "set_by": "DB_URL", "source": { "kind": "environment" },
            },
            {
                "path": "database/creds/app", "version": 3, "field": "username", "has_default": true,
                "target": { "kind": "variable", "name": "DB_USER" }, "waits": "wrapper",
                "set_by": "DB_USER", "source": { "kind": "file", "file": "strongroom.toml", "line": 13 },
            },
            {
                "path": "kv/data/tls", "version": null, "field": null, "has_default": false,
                "target": { "kind": "file", "path": "/tmp/vault/tls.key", "format": "raw:key", "mode": "0400" },
                "waits": "wrapper if heeded, else registration", "set_by": "VAULT_SECRET_PATH_1",
                "source": { "kind": "file", "file": "strongroom.toml", "line": 6 },
            },
        ])
    );
    let cache = json!({ "ttl_ms": 60_000, "every_get": false, "bytes": 8_388_608 });
    assert_eq!(object["proxy"], json!({ "address": "http://127.0.0.1:8200", "cache": cache }));
    let place = json!({ "file": "strongroom.toml", "line": 3 });
    assert_eq!(object["overridden"], json!([{ "name": "VAULT_ADDR", "place": place }]));
    assert_eq!(object["errors"], json!([]));
    assert_eq!(object["warnings"][0]["about"], "VAULT_TOKEN");
    assert_eq!(object["settings_file"], "strongroom.toml");
}

#[test]
fn each_setting_is_told_with_its_source_and_masked_where_it_may_hold_a_secret() {
    let directory = given(VARIABLES, FILE);
    let object = object(&directory, 0);
    let settings = object["settings"].as_array().unwrap();
    let check = |name: &str, value: &str, kind: &str| {
        let setting = settings.iter().find(|setting| setting["name"] == name);
        let setting = setting.unwrap_or_else(|| panic!("{name} is not told"));
        let keys: Vec<_> = setting.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["meaning", "name", "source", "value"]);
        assert_eq!((&setting["value"], &setting["source"]["kind"]), (&json!(value), &json!(kind)));
        assert!(!setting["meaning"].as_str().unwrap().is_empty());
    };
    check("VLE_VAULT_ADDR", "https://********@vault.example.com:8200", "environment");
    check("VAULT_TOKEN", "********", "environment");
    check("VAULT_HEADERS", "********", "environment");
    check("AWS_SECRET_ACCESS_KEY", "********", "environment");
    check("BAO_NAMESPACE", "team", "environment");
    check("VAULT_AUTH_ROLE", "app", "file");
    check("STRONGROOM_FILE_MODE_1", "0400", "file");
    check("VAULT_RUN_MODE", "default", "default");
    let names = |wanted: &str| settings.iter().filter(|s| s["name"] == wanted).count();
    assert_eq!((names("VAULT_ADDR"), names("VAULT_NAMESPACE"), names("OF_NO_CONCERN")), (1, 0, 0));
}

#[test]
fn the_object_has_these_fields_and_no_others() {
    for (file, code) in [(FILE, 0), ("[x]", 1)] {
        let directory = given(VARIABLES, file);
        let object = object(&directory, code);
        let keys: Vec<_> = object.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "errors",
                "ok",
                "overridden",
                "proxy",
                "secrets",
                "settings",
                "settings_file",
                "warnings"
            ]
        );
        assert_eq!(object["ok"], code == 0);
    }
}

/// What follows the settings, whose meanings and defaults are not told twice here.
const END: &str = "\
note: strongroom.toml:3 is not used: the variable VAULT_ADDR wins

Secrets at start
┌───────────────────────────────┬────────────────┬────────────────────┬─────────────────────────┬──────────────────────┐
│ secret                        ┆ field          ┆ goes to            ┆ waits                   ┆ set by               │
╞═══════════════════════════════╪════════════════╪════════════════════╪═════════════════════════╪══════════════════════╡
│ kv/data/app                   ┆ password, or a ┆ variable DB_URL    ┆ wrapper                 ┆ DB_URL, environment  │
│                               ┆ default        ┆                    ┆                         ┆                      │
│ database/creds/app version 3  ┆ username, or a ┆ variable DB_USER   ┆ wrapper                 ┆ DB_USER,             │
│                               ┆ default        ┆                    ┆                         ┆ strongroom.toml:13   │
│ kv/data/tls                   ┆ by format      ┆ file               ┆ wrapper if heeded, else ┆ VAULT_SECRET_PATH_1, │
│                               ┆                ┆ /tmp/vault/tls.key ┆ registration            ┆ strongroom.toml:6    │
│                               ┆                ┆ (raw:key, 0400)    ┆                         ┆                      │
└───────────────────────────────┴────────────────┴────────────────────┴─────────────────────────┴──────────────────────┘

Local Vault API: http://127.0.0.1:8200, each GET that asks for it is cached for 60 s

warning: VAULT_TOKEN is ignored: VAULT_AUTH_PROVIDER and VAULT_AUTH_ROLE are set, so the extension logs in
The extension would start with this.
";

#[test]
fn people_read_tables() {
    let directory = given(VARIABLES, FILE);
    let text = told(explain(&directory, &FILES, &[]), 0);
    assert!(text.starts_with("Settings file: strongroom.toml\n\nSettings\n"), "{text}");
    // Names of settings are never broken in two, so that they can be searched for.
    for name in ["STRONGROOM_FILE_FORMAT_1", "VAULT_TOKEN_EXPIRY_GRACE_PERIOD"] {
        assert!(text.contains(name), "{text}");
    }
    let end = &text[text.find("note:").unwrap()..];
    assert_eq!(end, END);
}

#[test]
fn what_the_extension_would_refuse_is_told_with_exit_code_1() {
    let directory = given(
        "VAULT_ADDR=http://127.0.0.1:9200\nSTRONGROOM_REVOKE=perhaps\n",
        "VAULT_AUTH_ROL = \"canary-7f3a\"\nVAULT_AUTH_PROVIDER = \"aws\"\n",
    );
    let text = told(explain(&directory, &FILES, &[]), 1);
    let end = "\nerror: strongroom.toml:1: VAULT_AUTH_ROL is no setting of this version: did you mean VAULT_AUTH_ROLE?\n\
         error: VAULT_AUTH_ROLE is unset: set it to the Vault role of this function\n\
         error: STRONGROOM_REVOKE is none of auto, always, never\n\
         The extension would refuse to start, and no secret would be delivered.\n";
    assert!(text.ends_with(end), "{text}");
    let object = object(&directory, 1);
    assert_eq!(object["errors"][0]["place"], json!({ "file": "strongroom.toml", "line": 1 }));
    assert_eq!(object["errors"][0]["about"], "VAULT_AUTH_ROL");
    assert_eq!(object["secrets"], json!([]));
}

#[test]
fn without_a_file_the_variables_of_the_process_are_explained() {
    let directory = given("", "VAULT_AUTH_ROLE = 'app'");
    let file = "strongroom.toml";
    let base = [("VAULT_ADDR", "http://127.0.0.1:9200"), ("VAULT_AUTH_PROVIDER", "aws")];
    let [address, provider] = base;
    let named = [address, provider, ("STRONGROOM_CONFIG", file)];
    let text = told(explain(&directory, &[], &named), 0);
    assert!(text.contains(&format!("{file}:1")) && text.contains("Settings file: "), "{text}");
    // As the extension: a file that is named and is not there is its mistake, not ours.
    let absent = [address, provider, ("STRONGROOM_CONFIG", "/nowhere/s.toml")];
    let text = told(explain(&directory, &[], &absent), 1);
    assert!(
        text.contains("error: STRONGROOM_CONFIG is the settings file /nowhere/s.toml, which cannot be used: No such file"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_explained_is_told_with_exit_code_2() {
    let directory = given("A=1\nexport canary-7f3a\n", "");
    let check = |arguments: &[&str], expected: &str| {
        let output = explain(&directory, arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with(expected) && !told.contains(CANARY), "{told}");
    };
    check(&["--config", "/nowhere"], "error: cannot read /nowhere: No such file");
    check(&["--config", "/"], "error: cannot read /: Is a directory");
    check(&["--env-file", "/nowhere"], "error: cannot read /nowhere: No such file");
    check(&["--bogus"], "error: unexpected argument '--bogus'");
    let misplaced = "error: function.env: line 2 does not begin with NAME=";
    check(&["--env-file", "function.env"], misplaced);
}

#[test]
fn the_extension_says_the_same() {
    let test = "the_extension_says_the_same";
    let Some(extension) = super::part(test, "STRONGROOM_EXTENSION") else { return };
    let directory = given(
        "VAULT_ADDR=http://127.0.0.1:9200\nVAULT_RUN_MODE=perhaps\nSTRONGROOM_REVOKE=perhaps\n",
        "VAULT_AUTH_ROL = \"app\"\nVAULT_LOG_LEVEL = \"loud\"\nVAULT_TOKEN = [\"canary-7f3a\"]\n[[secret]]\n",
    );
    let object = object(&directory, 1);
    let messages = |kind: &str| {
        let all = object[kind].as_array().unwrap().iter();
        all.map(|said| said["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let output = Command::new(extension)
        .env_clear()
        .env("VAULT_ADDR", "http://127.0.0.1:9200")
        .env("VAULT_RUN_MODE", "perhaps")
        .env("STRONGROOM_REVOKE", "perhaps")
        .env("STRONGROOM_CONFIG", "strongroom.toml")
        .current_dir(&directory)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!log.contains(CANARY), "{log}");
    let warned = |line: &&str| line.contains("[WARN]");
    let warnings: Vec<_> = log.lines().filter(warned).collect();
    let expected = messages("warnings");
    assert_eq!(warnings.len(), expected.len(), "{log}");
    for (line, expected) in warnings.iter().zip(&expected) {
        assert!(line.ends_with(expected.as_str()), "{line}\n{expected}");
    }
    let errors = messages("errors");
    assert!(errors.len() >= 5, "{errors:?}");
    assert!(log.contains(&format!("the settings are wrong: {};", errors.join("; "))), "{log}");
}
