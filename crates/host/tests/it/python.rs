//! A managed Python, with AWS's own runtime interface client.
//!
//! `STRONGROOM_PYTHON` names `bin/python` of a virtual environment that holds `awslambdaric`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_host::{Config, Host, InitializationType, Paths, Runtime, What};

use crate::probe::{Stage, credentials, skipped, write};

const HANDLER: &str = r#"
import os

print("loaded")

def handler(event, context):
    if event == "raise":
        raise ValueError("told to")
    return {
        "event": event,
        "request": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "wrapped": os.environ.get("WRAPPED"),
        "environment": os.environ.get("AWS_EXECUTION_ENV"),
        "root": os.environ.get("LAMBDA_TASK_ROOT"),
    }
"#;

const HOOKS: &str = r#"
from snapshot_restore_py import register_after_restore, register_before_snapshot

run = []

def say(when):
    run.append(when)
    print("hook: " + when, flush=True)

register_before_snapshot(say, "before the snapshot")
register_after_restore(say, "restored")

def handler(event, context):
    return f"{len(run)} hooks"
"#;

const WRAPPER: &str = "#!/bin/sh\nexport WRAPPED=\"$#\"\nexec \"$@\"\n";

fn function(test: &str) -> Option<(Stage, Config)> {
    let Some(interpreter) = std::env::var_os("STRONGROOM_PYTHON").map(PathBuf::from) else {
        skipped(test, "STRONGROOM_PYTHON does not name an interpreter with awslambdaric");
        return None;
    };
    let stage = Stage::new(&json!({ "guard": ["register", "events_until_shutdown"] }));
    write(&stage.code().join("probe.py"), HANDLER, 0o644);
    write(&stage.layer().join("wrapper"), WRAPPER, 0o755);
    write(&stage.layer().join("unusable"), WRAPPER, 0o644);
    let mut config = stage.config();
    config.function.runtime = Runtime::Python { interpreter };
    Some((stage, config))
}

#[tokio::test]
async fn a_handler_is_called_and_its_error_told() {
    let Some((_stage, config)) = function("a_handler_is_called_and_its_error_told") else {
        return;
    };
    for paths in [Paths::LambdaIfAllowed, Paths::Translated] {
        let mut config = config.clone();
        config.paths = paths;
        let arn = config.function_arn();
        let host = Host::start(config).await.unwrap();

        let answer = host.invoke(r#"{"n":1}"#).await.unwrap();
        let error = host.invoke(r#""raise""#).await.unwrap();

        let body: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(body["event"], json!({ "n": 1 }));
        assert_eq!(body["request"], answer.request_id);
        assert_eq!(body["arn"], arn);
        assert!(body["wrapped"].is_null());
        assert!(body["environment"].as_str().unwrap().starts_with("AWS_Lambda_python3."));
        assert_eq!(error.function_error.as_deref(), Some("Runtime.Unknown"));
        let body: Value = serde_json::from_slice(&error.payload).unwrap();
        assert_eq!(body["errorType"], "ValueError");
        assert!(host.logs().iter().any(|line| line.text == "loaded"));
    }
}

#[tokio::test]
async fn the_exec_wrapper_runs_the_interpreter() {
    let Some((_stage, config)) = function("the_exec_wrapper_runs_the_interpreter") else { return };
    for paths in [Paths::LambdaIfAllowed, Paths::Translated] {
        let mut config = config.clone();
        config.paths = paths;
        let wrapper = ("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/opt/wrapper".to_owned());
        config.variables.extend([wrapper]);
        let host = Host::start(config).await.unwrap();
        let answer = host.invoke("1").await.unwrap();
        let body: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(body["wrapped"], "2", "the interpreter and its script");
    }
}

#[tokio::test]
async fn a_wrapper_that_cannot_run_ends_the_runtime_with_lambdas_code() {
    let test = "a_wrapper_that_cannot_run_ends_the_runtime_with_lambdas_code";
    let Some((_stage, config)) = function(test) else { return };
    let cases = [
        ("/opt/nothing", "127", "does not exist"),
        ("/opt/unusable", "126", "is not an executable"),
    ];
    for (wrapper, code, line) in cases {
        let mut config = config.clone();
        config.variables.insert("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), wrapper.to_owned());
        let host = Host::start(config).await.unwrap();
        let answer = host.invoke("1").await.unwrap();
        assert_eq!(answer.function_error.as_deref(), Some("Runtime.ExitError"));
        let body = String::from_utf8(answer.payload.to_vec()).unwrap();
        assert!(body.contains(&format!("Runtime exited with error: exit status {code}")), "{body}");
        assert!(host.logs().iter().any(|entry| entry.text.ends_with(line)), "{:?}", host.logs());
    }
}

#[tokio::test]
async fn a_snapshot_of_python_is_restored() {
    let Some((_stage, mut config)) = function("a_snapshot_of_python_is_restored") else { return };
    config.initialization = InitializationType::SnapStart;
    let host = Host::start(config).await.unwrap();
    let answer = host.invoke("1").await.unwrap();
    assert_eq!(answer.function_error, None, "{:?}", answer.payload);
}

#[tokio::test]
async fn pythons_hooks_run_around_the_snapshot_and_before_any_invocation() {
    let test = "pythons_hooks_run_around_the_snapshot_and_before_any_invocation";
    let Some((stage, mut config)) = function(test) else { return };
    write(&stage.code().join("probe.py"), HOOKS, 0o644);
    config.initialization = InitializationType::SnapStart;
    let host = Host::start(config).await.unwrap();
    host.initialize().await.unwrap();
    let said = |text: &'static str| move |what: &What| matches!(what, What::Line(line) if line.text == text);
    host.observed(said("hook: before the snapshot")).await;
    assert!(!host.observations().iter().any(|seen| said("hook: restored")(&seen.what)));
    host.restore(credentials("AKIDRESTORED")).await.unwrap();
    host.observed(said("hook: restored")).await;
    let invoked = |what: &What| matches!(what, What::InvocationStarted { .. });
    assert!(!host.observations().iter().any(|seen| invoked(&seen.what)));
    assert_eq!(host.invoke("1").await.unwrap().payload, "\"2 hooks\"");
}

#[tokio::test]
async fn python_takes_invocations_at_once_on_managed_instances() {
    let test = "python_takes_invocations_at_once_on_managed_instances";
    let Some((stage, mut config)) = function(test) else { return };
    let plan = json!({ "guard": [["register", ["SHUTDOWN"]], "extension_next"] });
    write(&stage.layer().join("plan.json"), &plan.to_string(), 0o644);
    config.initialization = InitializationType::ManagedInstances;
    config.max_concurrency = 2;
    config.timeout = Duration::from_secs(10);
    let host = Host::start(config).await.unwrap();
    let (first, second) = tokio::join!(host.invoke("1"), host.invoke("2"));
    for answer in [first.unwrap(), second.unwrap()] {
        assert_eq!(answer.function_error, None, "{:?}", answer.payload);
    }
}
