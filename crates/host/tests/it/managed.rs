//! Managed Instances: invocations at once, no INVOKE, no reset.

use std::time::Duration;

use serde_json::json;
use strongroom_host::{Config, Host, HostError, InitializationType, What};

use crate::probe::{Stage, echo, noted, requests_of};

fn managed(stage: &Stage) -> Config {
    let mut config = stage.config();
    config.initialization = InitializationType::ManagedInstances;
    config.max_concurrency = 2;
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_run_at_once_and_extensions_hear_of_none() {
    let stage = Stage::new(&json!({
        "bootstrap": [["variables", "AWS_LAMBDA_MAX_CONCURRENCY"], "poll_in_pairs", ["wait", 3600]],
        "guard": [
            ["variables", "AWS_LAMBDA_MAX_CONCURRENCY"],
            ["register", ["SHUTDOWN"]],
            "extension_next",
        ],
    }));
    let host = Host::start(managed(&stage)).await.unwrap();
    host.initialize().await.unwrap();

    // Each worker answers only when the other was called as well.
    let (first, second) = tokio::join!(host.invoke("1"), host.invoke("2"));
    host.shutdown("spindown").await.unwrap();

    assert_eq!(first.unwrap().payload, "1");
    assert_eq!(second.unwrap().payload, "2");
    assert_eq!(requests_of(host.tmp(), "guard"), ["register guard 200", "next 200"]);
    let limit =
        |who: &str| noted(host.tmp(), who, "variables")["AWS_LAMBDA_MAX_CONCURRENCY"].clone();
    assert_eq!(limit("bootstrap"), "2");
    assert!(limit("guard").is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_invocations_than_allowed_are_refused() {
    let stage = Stage::new(&json!({ "bootstrap": ["runtime_next", ["wait", 3600]] }));
    let mut config = managed(&stage);
    config.max_concurrency = 1;
    config.timeout = Duration::from_millis(500);
    let host = Host::start(config).await.unwrap();
    let (first, second) = tokio::join!(host.invoke("1"), host.invoke("2"));
    let mut errors = [first, second].map(|result| result.unwrap().function_error.unwrap());
    errors.sort();
    assert_eq!(errors, ["Runtime.Unavailable", "Sandbox.Timedout"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_response_is_gone() {
    let stage = Stage::new(&json!({
        "bootstrap": ["runtime_next", ["wait_for_file", "late"], "respond", "echo"],
    }));
    let mut config = managed(&stage);
    config.timeout = Duration::from_millis(300);
    let host = Host::start(config).await.unwrap();
    let late = host.invoke("1").await.unwrap();
    assert_eq!(late.function_error.as_deref(), Some("Sandbox.Timedout"));
    crate::probe::write(&host.tmp().join("late"), "", 0o644);
    assert_eq!(host.invoke("2").await.unwrap().payload, "2", "the environment goes on");
    let requests = requests_of(host.tmp(), "bootstrap");
    assert_eq!(requests[..2], ["invocation/next 200", "response 410"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_the_end_of_the_environment() {
    let stage = Stage::new(&json!({
        "bootstrap": ["runtime_next", ["touch", "called"], ["wait", 3600]],
        "guard": [["register", ["SHUTDOWN"]], "next_in_child", ["take", "called"], ["end", 1]],
        "calm": [["register", ["SHUTDOWN"]], "events_until_shutdown"],
    }));
    let host = Host::start(managed(&stage)).await.unwrap();
    let failed = host.invoke("1").await.unwrap();
    assert_eq!(failed.function_error.as_deref(), Some("Extension.Crash"));
    let refused = host.invoke("2").await.unwrap_err();
    assert!(matches!(refused, HostError::Unhealthy { .. }), "{refused}");
    let restarted = |what: &What| matches!(what, What::Started { .. });
    assert_eq!(host.observations().iter().filter(|seen| restarted(&seen.what)).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_that_insists_on_invoke_fails_init() {
    let stage = Stage::new(&json!({ "bootstrap": echo(), "guard": ["register", ["end", 1]] }));
    let host = Host::start(managed(&stage)).await.unwrap();
    let error = host.initialize().await.unwrap_err();
    assert!(matches!(&error, HostError::Init { error_type } if error_type == "Extension.Crash"));
    assert_eq!(requests_of(host.tmp(), "guard"), ["register guard 403"]);
    assert!(host.invoke("1").await.is_err());
}
