//! SnapStart: init, a snapshot, and what is restored from it.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_host::{Host, HostError, InitPhase, InitializationType, What};

use crate::probe::{Stage, credentials, echo, noted, record_of, requests_of};

#[tokio::test]
async fn a_snapshot_is_frozen_and_restored_with_other_credentials() {
    let stage = Stage::new(&json!({
        "bootstrap": [
            "variable_names", "restore_next", "credentials", ["credentials", "wrong"], "echo"
        ],
        "guard": ["variable_names", "register", "credentials", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.initialization = InitializationType::SnapStart;
    let host = Host::start(config).await.unwrap();
    host.initialize().await.unwrap();
    host.observed(|what| *what == What::Frozen).await;
    host.replace_credentials(credentials("AKIDRESTORED")).await.unwrap();

    let invocation = host.invoke("1").await.unwrap();

    assert_eq!(invocation.payload, "1");
    let observations = host.observations();
    let thawed = |what: &What| matches!(what, What::Thawed { gap } if *gap > Duration::ZERO);
    assert!(observations.iter().any(|seen| thawed(&seen.what)));
    let restored =
        |what: &What| matches!(what, What::Initialized { phase: InitPhase::Restore, .. });
    assert!(observations.iter().any(|seen| restored(&seen.what)));
    assert_eq!(
        requests_of(host.tmp(), "bootstrap"),
        [
            "restore/next 200",
            "credentials 200",
            "credentials 404",
            "invocation/next 200",
            "response 202"
        ]
    );
    let key = |who: &str| {
        let entries = record_of(host.tmp(), who);
        let entry = entries.iter().find(|entry| entry["request"] == "credentials").unwrap();
        let body: Value = serde_json::from_str(entry["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["SecretAccessKey"], "probe-secret");
        assert_eq!(body["Token"], "probe-token");
        assert_eq!(body["Expiration"], "2030-01-01T00:00:00Z");
        body["AccessKeyId"].clone()
    };
    assert_eq!(key("guard"), "AKIDPROBE");
    assert_eq!(key("bootstrap"), "AKIDRESTORED");
    for who in ["bootstrap", "guard"] {
        let names = noted(host.tmp(), who, "names");
        let has = |name: &str| names.as_array().unwrap().iter().any(|one| one == name);
        assert!(!has("AWS_ACCESS_KEY_ID") && !has("AWS_SESSION_TOKEN"), "{names}");
        assert!(has("AWS_CONTAINER_CREDENTIALS_FULL_URI"), "{names}");
    }
}

#[tokio::test]
async fn a_snapshot_without_hooks_needs_no_restore() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.initialization = InitializationType::SnapStart;
    let host = Host::start(config).await.unwrap();
    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
    assert_eq!(host.invoke("2").await.unwrap().payload, "2");
}

#[tokio::test]
async fn an_error_after_the_snapshot_reaches_the_caller() {
    let stage = Stage::new(&json!({
        "bootstrap": ["restore_next", "restore_error", ["wait", 3600]],
        "guard": ["register", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.initialization = InitializationType::SnapStart;
    let host = Host::start(config).await.unwrap();
    let invocation = host.invoke("1").await.unwrap();
    assert_eq!(invocation.function_error.as_deref(), Some("Runtime.Probe"));
    assert_eq!(invocation.reset.as_deref(), Some("failure"));
}

/// A host whose snapshot is taken.
async fn snapshot_of(stage: &Stage) -> Host {
    let mut config = stage.config();
    config.initialization = InitializationType::SnapStart;
    let host = Host::start(config).await.unwrap();
    host.initialize().await.unwrap();
    host
}

/// The key that a probe was given when it last asked.
fn last_key(host: &Host, who: &str) -> Value {
    let entries = record_of(host.tmp(), who);
    let entry = entries.iter().rev().find(|entry| entry["request"] == "credentials").unwrap();
    assert_eq!(entry["status"], 200);
    let body: Value = serde_json::from_str(entry["body"].as_str().unwrap()).unwrap();
    body["AccessKeyId"].clone()
}

fn log_streams(host: &Host) -> Vec<String> {
    let observations = host.observations().into_iter();
    let names = observations.filter_map(|seen| match seen.what {
        What::LogStream { name } => Some(name),
        _ => None,
    });
    names.collect()
}

#[tokio::test]
async fn restoring_runs_the_hooks_with_the_new_credentials_and_no_invocation() {
    let stage = Stage::new(&json!({
        "bootstrap": ["credentials", "restore_next", "credentials", "echo"],
        "guard": ["register", "events_until_shutdown"],
    }));
    let host = snapshot_of(&stage).await;
    assert_eq!(last_key(&host, "bootstrap"), "AKIDPROBE");
    assert_eq!(log_streams(&host).len(), 1);

    host.restore(credentials("AKIDRESTORED")).await.unwrap();

    // The token in the variables is the one from before the snapshot, and serves.
    assert_eq!(last_key(&host, "bootstrap"), "AKIDRESTORED");
    let streams = log_streams(&host);
    assert_eq!(streams.len(), 2);
    assert_ne!(streams[0], streams[1]);
    let sent = |what: &What| matches!(what, What::Sent { .. } | What::InvocationStarted { .. });
    assert!(!host.observations().iter().any(|seen| sent(&seen.what)));
    assert_eq!(requests_of(host.tmp(), "guard"), ["register guard 200"]);

    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
    assert_eq!(requests_of(host.tmp(), "guard"), ["register guard 200", "next 200"]);
    assert_eq!(log_streams(&host), streams);
}

#[tokio::test]
async fn processes_run_between_the_restore_and_the_first_invocation() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "next_in_child", ["wait_for_file", "go"], "credentials", ["say", "went"], ["wait", 3600]],
    }));
    let host = snapshot_of(&stage).await;
    crate::probe::write(&host.tmp().join("go"), "", 0o644);
    let went = |what: &What| matches!(what, What::Line(line) if line.text == "went");
    // It would go at once, but it stands still.
    assert!(!host.observations().iter().any(|seen| went(&seen.what)));
    host.restore(credentials("AKIDRESTORED")).await.unwrap();
    host.observed(went).await;
    assert_eq!(last_key(&host, "guard"), "AKIDRESTORED");
}

#[tokio::test]
async fn a_snapshot_is_restored_once() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "events_until_shutdown"],
    }));
    let host = snapshot_of(&stage).await;
    host.restore(credentials("A")).await.unwrap();
    let error = host.restore(credentials("B")).await.unwrap_err();
    assert!(matches!(error, HostError::NoSnapshot), "{error}");
    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
    host.freeze().await.unwrap();
    let error = host.restore(credentials("B")).await.unwrap_err();
    assert!(matches!(error, HostError::NoSnapshot), "{error}");
    assert_eq!(host.invoke("2").await.unwrap().payload, "2");

    let stage = Stage::new(&json!({ "bootstrap": echo() }));
    let on_demand = stage.start().await;
    let error = on_demand.restore(credentials("A")).await.unwrap_err();
    assert!(matches!(error, HostError::NoSnapshot), "{error}");
}

#[tokio::test]
async fn a_hook_that_fails_ends_the_environment_and_the_next_one_begins_anew() {
    let stage = Stage::new(&json!({
        "bootstrap": ["restore_next", ["once", "crashed", 3], "echo"],
        "guard": ["register", "events_until_shutdown"],
    }));
    let host = snapshot_of(&stage).await;
    let error = host.restore(credentials("A")).await.unwrap_err();
    let expected = "Runtime.ExitError";
    assert!(
        matches!(&error, HostError::Restore { error_type } if error_type == expected),
        "{error}"
    );
    let failed = |what: &What| matches!(what, What::InitFailed { phase: InitPhase::Restore, error_type } if error_type == expected);
    assert!(host.observations().iter().any(|seen| failed(&seen.what)));
    let told: Vec<_> = record_of(host.tmp(), "guard")
        .into_iter()
        .filter(|entry| entry["request"] == "next")
        .map(|entry| serde_json::from_str::<Value>(entry["body"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["eventType"], &told[0]["shutdownReason"]),
        (&json!("SHUTDOWN"), &json!("failure"))
    );
    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
}

#[tokio::test]
async fn no_variable_names_a_log_stream() {
    let stage = Stage::new(&json!({ "bootstrap": ["variable_names", "echo"] }));
    let host = snapshot_of(&stage).await;
    let names = noted(host.tmp(), "bootstrap", "names").to_string();
    assert!(!names.contains("AWS_LAMBDA_LOG_"), "{names}");
}
