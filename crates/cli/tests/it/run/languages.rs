//! Handlers in languages, by AWS's own runtime interface clients.

use std::process::Stdio;

use serde_json::json;

use super::{Ended, Site};
use crate::part;

#[test]
fn a_handler_in_python_is_called_and_one_that_is_not_there_is_told() {
    let test = "a_handler_in_python_is_called_and_one_that_is_not_there_is_told";
    let Some(python) = part(test, "STRONGROOM_PYTHON") else { return };
    let ask = "import sys; print('python3.%d' % sys.version_info[1])";
    let version = std::process::Command::new(&python).args(["-c", ask]).output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let site = Site::new();
    site.write(
        "code/app.py",
        "import os\ndef handler(event, context):\n    if event.get('fail'):\n        raise ValueError('told to')\n    return [event, os.environ['AWS_EXECUTION_ENV']]\n",
    );
    let run = |more: &[&str]| {
        let common = ["--runtime", version.trim(), "--interpreter", &python];
        Ended::of(site.command(&[&common, more].concat()).stdin(Stdio::null()))
    };
    let both = ["--handler", "app.handler", "--event", "{\"a\":1}", "--event", "{\"fail\":1}"];
    let ended = run(&both).exits_with(1);
    let environment = format!("AWS_Lambda_{}", version.trim());
    assert_eq!(ended.answers()[0], json!([{ "a": 1 }, environment]));
    assert_eq!(
        ended.count("error: the function failed with ValueError: told to"),
        1,
        "{}",
        ended.err
    );
    let ended = run(&["--handler", "nowhere.handler"]).exits_with(1);
    assert!(ended.err.contains("Runtime.ImportModuleError"), "{}", ended.err);
    assert!(ended.err.contains("No module named 'nowhere'"), "{}", ended.err);
}

#[test]
fn a_handler_in_node_is_called() {
    let Some(node) = part("a_handler_in_node_is_called", "STRONGROOM_NODE") else { return };
    let site = Site::new();
    site.write("code/app.mjs", "export const handler = async (event) => ({ got: event });\n");
    let arguments = ["--runtime", "nodejs22.x", "--handler", "app.handler", "--interpreter", &node];
    let ended = site.run(&[&arguments[..], &["--event", "[1]"]].concat()).exits_with(0);
    assert_eq!(ended.answers(), [json!({ "got": [1] })]);
    // A place that is not its own has no client, and is not looked past.
    let ended = site.run(&[&arguments[..], &["--client", "code"]].concat()).exits_with(2);
    assert!(ended.err.contains("there is no aws-lambda-ric"), "{}", ended.err);
}

#[test]
fn a_handler_in_java_is_called() {
    let test = "a_handler_in_java_is_called";
    let Some(java) = part(test, "STRONGROOM_JAVA") else { return };
    let Some(code) = part(test, "STRONGROOM_JAVA_EXAMPLE") else { return };
    let said = std::process::Command::new(&java).arg("-version").output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    let major = said.split('"').nth(1).unwrap().split('.').next().unwrap();
    let client = std::path::Path::new(&java).ancestors().nth(2).unwrap().join("lib");
    let site = Site::new();
    let mut command = super::bare(site.root.path());
    command.args(["--code", &code, "--handler", "example.App::handle", "--interpreter", &java]);
    command.args(["--runtime", &format!("java{major}"), "--timeout", "60"]);
    command.arg("--client").arg(client).stdin(Stdio::null());
    // Without Vault the example fails, in its own words: it has been called.
    let ended = Ended::of(&mut command).exits_with(1);
    assert!(ended.err.contains("at example.App"), "{}", ended.err);
}
