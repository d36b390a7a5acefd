//! dotenv files, read by those who read dotenv files: a shell, python-dotenv and Node. What is written, all three read
//! as Vault holds it; what they would read differently is refused.

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};
use strongroom_core::document::Document;
use strongroom_core::format::{Format, written};
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::{Environment, SECRET_PATH};

use super::stage_with;

const FILE: &str = "/tmp/secrets/.env";
/// What is special to one reader or another, and what is not.
const PIECES: [&str; 26] = [
    "",
    "a",
    " ",
    "\t",
    "'",
    "\"",
    "`",
    "\\",
    "\\\\",
    "\\'",
    "\\\"",
    "\\n",
    "\n",
    "\n\n#",
    "\nV0=",
    "#",
    " # c",
    "$HOME",
    "${V0}",
    "$(id)",
    "`id`",
    "=",
    "!",
    "*;&|",
    "\u{e9}\u{1f600}",
    "\u{2028}\u{85}\u{b}\u{c}\u{7f}\u{1}\u{feff}",
];
/// Those that quotes are about.
const QUOTING: [&str; 7] = ["'", "\"", "`", "\\", "$", "\n", "a"];

const SHELL: &str = r#"
. "$1"
i=0
while [ $i -lt "$2" ]; do
    eval "printf '%s\0' \"\$V$i\""
    i=$((i + 1))
done
"#;
const PYTHON: &str = r#"
import sys
from dotenv import dotenv_values
values = dotenv_values(sys.argv[1], interpolate=False)
for index in range(int(sys.argv[2])):
    sys.stdout.buffer.write(str(values.get(f"V{index}")).encode() + b"\0")
"#;
const NODE: &str = r#"
const values = require('node:util').parseEnv(require('node:fs').readFileSync(process.argv[1], 'utf8'));
for (let index = 0; index < Number(process.argv[2]); index += 1) {
    process.stdout.write(values[`V${index}`] + '\0');
}
"#;
const ALL_BY_PYTHON: &str = r#"
import json, sys
from dotenv import dotenv_values
print(json.dumps(dotenv_values(sys.argv[1], interpolate=False)))
"#;
const ALL_BY_NODE: &str = r#"
const text = require('node:fs').readFileSync(process.argv[1], 'utf8');
console.log(JSON.stringify(require('node:util').parseEnv(text)));
"#;

#[tokio::test]
async fn odd_values_are_read_as_vault_holds_them_or_refused() {
    let (accepted, refused): (Vec<_>, Vec<_>) = values().into_iter().partition(is_written);
    // Each that is refused is one that no quotes of all three can hold.
    for value in &refused {
        assert!(value.contains(['\\', '\'']), "{value:?} is refused");
    }
    assert!(accepted.len() > 2 * refused.len(), "{} of {}", refused.len(), accepted.len());
    let fields = accepted.iter().enumerate();
    let fields = fields.map(|(index, value)| (format!("V{index}"), json!(value))).collect();
    let Some(environment) = deliver("odd values are read as Vault holds them", fields).await else {
        return;
    };
    let file = environment.host.tmp().join("secrets/.env");
    for (reader, command) in [
        ("sh", command("sh", &["-c", SHELL, "sh"])),
        ("python-dotenv", command(beds::python(), &["-c", PYTHON])),
        ("Node", command(beds::node(), &["-e", NODE])),
    ] {
        let read = read(command, &file, accepted.len());
        for (index, (read, expect)) in read.iter().zip(&accepted).enumerate() {
            assert_eq!(read, expect, "{reader} reads V{index} so");
        }
        assert_eq!(read.len(), accepted.len(), "{reader}");
    }
}

#[tokio::test]
async fn names_that_no_shell_takes_are_read_by_the_others() {
    let names = ["api-key", "spring.datasource.url", "_A1", "lower_case"];
    let fields: Map<_, _> =
        names.map(|name| (name.to_owned(), json!("it's"))).into_iter().collect();
    let Some(environment) = deliver("names that no shell takes", fields.clone()).await else {
        return;
    };
    let file = environment.host.tmp().join("secrets/.env");
    for command in [
        command(beds::python(), &["-c", ALL_BY_PYTHON]),
        command(beds::node(), &["-e", ALL_BY_NODE]),
    ] {
        let read: Value = serde_json::from_str(&read(command, &file, 0)[0]).unwrap();
        assert_eq!(read, Value::from(fields.clone()));
    }
}

/// The environment of a function that has a secret of these fields in its dotenv file.
async fn deliver(test: &str, fields: Map<String, Value>) -> Option<Environment> {
    let parts = [Part::Extension, Part::Node, Part::Python];
    let mut stage = stage_with(test, &parts, strongroom_devvault::Release::default()).await?;
    stage.set("VAULT_SECRET_PATH", SECRET_PATH);
    stage.set("VAULT_SECRET_FILE", FILE);
    stage.set("STRONGROOM_FILE_FORMAT", "dotenv");
    stage.write(SECRET_PATH, json!({ "data": fields })).await;
    Some(stage.ready().await)
}

/// Every two pieces, and every three of those that quotes are about.
fn values() -> Vec<String> {
    let pairs = PIECES.iter().flat_map(|a| PIECES.iter().map(move |b| format!("{a}{b}")));
    let triples = QUOTING.iter().flat_map(|a| {
        QUOTING.iter().flat_map(move |b| QUOTING.iter().map(move |c| format!("{a}{b}{c}")))
    });
    let mut values: Vec<_> = pairs.chain(triples).collect();
    values.sort();
    values.dedup();
    values
}

/// Whether the extension writes it; whether it then writes it well is for the readers to say.
fn is_written(value: &String) -> bool {
    let answer = json!({ "data": { "V": value } }).to_string();
    let document = Document::parse(answer.as_bytes()).unwrap();
    written(&Format::Dotenv, &document).is_ok()
}

fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// What a reader prints of so many values, each with a NUL behind it.
fn read(mut reader: Command, file: &Path, count: usize) -> Vec<String> {
    let output = reader.arg(file).arg(count.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.split_terminator('\0').map(str::to_owned).collect()
}
