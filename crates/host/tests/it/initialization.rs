//! The ways to initialize, and what happens when that fails.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_host::{Host, HostError, InitPhase, InitializationType, What};

use crate::probe::{Stage, echo, noted};

#[tokio::test]
async fn on_demand_nothing_starts_before_the_first_invocation() {
    let stage = Stage::new(&json!({ "bootstrap": echo() }));
    let host = stage.start().await;
    let started = |what: &What| matches!(what, What::Started { .. });
    assert!(!host.observations().iter().any(|seen| started(&seen.what)));
    host.initialize().await.unwrap();
    let invocation = host.invoke("1").await.unwrap();
    assert_eq!(invocation.init, None, "init had run");
}

#[tokio::test]
async fn provisioned_concurrency_initializes_ahead() {
    let stage = Stage::new(&json!({
        "bootstrap": [["variables", "AWS_LAMBDA_INITIALIZATION_TYPE"], "echo"],
    }));
    let mut config = stage.config();
    config.initialization = InitializationType::ProvisionedConcurrency;
    let host = Host::start(config).await.unwrap();
    host.observed(|what| matches!(what, What::Initialized { phase: InitPhase::Init, .. })).await;
    let variables = noted(host.tmp(), "bootstrap", "variables");
    assert_eq!(variables["AWS_LAMBDA_INITIALIZATION_TYPE"], "provisioned-concurrency");
    assert_eq!(host.invoke("1").await.unwrap().init, None);
}

#[tokio::test]
async fn init_that_takes_too_long_runs_again_within_the_invocation() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", ["hang_once", "hung"], "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.init_timeout = Duration::from_secs(2);
    config.timeout = Duration::from_secs(10);
    let host = Host::start(config).await.unwrap();

    let invocation = host.invoke("1").await.unwrap();

    assert_eq!(invocation.payload, "1");
    assert!(invocation.init.unwrap() >= Duration::from_secs(2));
    let init: Vec<_> = host
        .observations()
        .into_iter()
        .filter_map(|observation| match observation.what {
            What::InitFailed { error_type, phase } => Some((phase, Some(error_type))),
            What::Initialized { phase, .. } => Some((phase, None)),
            _ => None,
        })
        .collect();
    assert_eq!(
        init,
        [(InitPhase::Init, Some("Sandbox.Timedout".to_owned())), (InitPhase::Invoke, None)]
    );
}

#[tokio::test]
async fn init_within_an_invocation_counts_against_its_time() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", ["wait", 3600]],
    }));
    let mut config = stage.config();
    config.init_timeout = Duration::from_millis(300);
    config.timeout = Duration::from_millis(600);
    config.shutdown.total = Duration::from_millis(400);
    let host = Host::start(config).await.unwrap();
    let invocation = host.invoke("1").await.unwrap();
    assert_eq!(invocation.function_error.as_deref(), Some("Sandbox.Timedout"));
    assert!(invocation.duration >= Duration::from_millis(600));
}

#[tokio::test]
async fn a_failed_init_is_told_once_and_tried_again_by_the_invocation() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", ["once", "crashed", 3], "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.initialization = InitializationType::ProvisionedConcurrency;
    let host = Host::start(config).await.unwrap();
    let error = host.initialize().await.unwrap_err();
    assert!(matches!(&error, HostError::Init { error_type } if error_type == "Extension.Crash"));
    let invocation = host.invoke("1").await.unwrap();
    assert_eq!(invocation.payload, "1");
    assert!(invocation.init.is_some());
}

#[tokio::test]
async fn an_error_that_the_runtime_reports_in_init_reaches_the_caller() {
    let stage = Stage::new(&json!({
        "bootstrap": [["init_error", "Runtime.StrongroomProbe"], ["end", 1]],
        "guard": ["register", "events_until_shutdown"],
    }));
    let host = stage.start().await;
    let invocation = host.invoke("1").await.unwrap();
    assert_eq!(invocation.function_error.as_deref(), Some("Runtime.StrongroomProbe"));
    let body: Value = serde_json::from_slice(&invocation.payload).unwrap();
    assert_eq!(body["errorMessage"], "probe");
}

#[tokio::test]
async fn a_missing_bootstrap_is_an_invalid_entrypoint() {
    let stage = Stage::new(&json!({ "guard": ["register", "events_until_shutdown"] }));
    let host = stage.start().await;
    let invocation = host.invoke("1").await.unwrap();
    assert_eq!(invocation.function_error.as_deref(), Some("Runtime.InvalidEntrypoint"));
}

#[tokio::test]
async fn a_layer_may_bring_the_bootstrap() {
    let stage = Stage::new(&json!({ "bootstrap": echo() }));
    std::fs::rename(stage.code().join("bootstrap"), stage.layer().join("bootstrap")).unwrap();
    let host = stage.start().await;
    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
}

#[tokio::test]
async fn a_file_of_unknown_format_is_a_launch_error() {
    let stage = Stage::new(&json!({ "bootstrap": echo() }));
    let path = stage.layer().join("extensions/notes");
    crate::probe::write(&path, "echo this would run in a shell\n", 0o755);
    let host = stage.start().await;
    let invocation = host.invoke("1").await.unwrap();
    assert_eq!(invocation.function_error.as_deref(), Some("Extension.LaunchError"));
    assert!(host.logs().is_empty(), "{:?}", host.logs());
}
