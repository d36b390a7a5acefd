//! Invocation, freeze, reset and shutdown, on the host alone.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_host::{Host, Shutdown, Source, What};

use crate::probe::{Stage, echo, noted, record_of, requests_of, write};

fn guard() -> Source {
    Source::Extension("guard".to_owned())
}

#[tokio::test]
async fn a_function_with_an_extension_runs_from_init_to_shutdown() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "events_until_shutdown"],
    }));
    let host = stage.start().await;

    let first = host.invoke(r#"{"n":1}"#).await.unwrap();
    let second = host.invoke(r#"{"n":2}"#).await.unwrap();
    let shutdown = host.shutdown("spindown").await.unwrap();

    assert_eq!(first.payload, r#"{"n":1}"#);
    assert_eq!(first.function_error, None);
    assert!(first.init.is_some() && second.init.is_none());
    assert_eq!(second.payload, r#"{"n":2}"#);
    assert_eq!(shutdown.exit(&guard()), Some("exit status 0"));
    assert_eq!(shutdown.exit(&Source::Function), Some("signal: terminated"));
    let events: Vec<_> = record_of(host.tmp(), "guard")
        .iter()
        .skip(1)
        .map(|entry| serde_json::from_str::<Value>(entry["body"].as_str().unwrap()).unwrap())
        .map(|event| event["eventType"].clone())
        .collect();
    assert_eq!(events, ["INVOKE", "INVOKE", "SHUTDOWN"]);
    assert!(host.invoke("1").await.is_err(), "it has ended");
}

#[tokio::test]
async fn the_runtime_starts_after_all_extensions_registered_and_ends_before_shutdown_is_told() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "events_until_shutdown"],
        "other": [["register", []], "events_until_shutdown"],
    }));
    let host = stage.start().await;
    host.invoke("1").await.unwrap();
    host.shutdown("spindown").await.unwrap();

    let order: Vec<_> = host
        .observations()
        .into_iter()
        .filter_map(|observation| match observation.what {
            What::Registered { .. } => Some("registered".to_owned()),
            What::Started { process } => Some(format!("started {process}")),
            What::Sent { extension, event } => Some(format!("{event} to {extension}")),
            What::Exited { process, status } => Some(format!("{process}: {status}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        order,
        [
            "started extension guard",
            "started extension other",
            "registered",
            "registered",
            "started function",
            "INVOKE to guard",
            "function: signal: terminated",
            "SHUTDOWN to guard",
            // Which of the two is quicker is nobody's promise.
            &order[8],
            &order[9],
        ]
    );
    let mut ends = order[8..].to_vec();
    ends.sort();
    assert_eq!(ends, ["extension guard: exit status 0", "extension other: signal: killed"]);
}

#[tokio::test]
async fn lines_are_kept_with_their_source() {
    let stage = Stage::new(&json!({
        "bootstrap": [["say", "from the function"], "echo"],
        "guard": [["say", "one\ntwo"], "register", "events_until_shutdown"],
    }));
    let host = stage.start().await;
    host.invoke("1").await.unwrap();
    host.shutdown("spindown").await.unwrap();

    let of = |source: &Source| -> Vec<_> {
        let lines = host.logs().into_iter().filter(|line| line.source == *source);
        lines.map(|line| line.text).collect()
    };
    assert_eq!(of(&guard()), ["one", "two"]);
    assert_eq!(of(&Source::Function), ["from the function"]);
}

#[tokio::test]
async fn what_was_written_within_an_invocation_is_there_when_it_has_ended() {
    let say = json!(["runtime_next", ["say", "working"], ["respond", "1"]]);
    let mut steps: Vec<_> = (0..20).flat_map(|_| say.as_array().unwrap().clone()).collect();
    steps.push(json!("echo"));
    let stage = Stage::new(&json!({ "bootstrap": steps }));
    let host = stage.start().await;
    for _ in 0..20 {
        let id = host.invoke("1").await.unwrap().request_id;
        let seen: Vec<_> = host.take_observations().into_iter().map(|seen| seen.what).collect();
        let at = |wanted: &dyn Fn(&What) -> bool| seen.iter().position(wanted);
        let line = at(&|what| matches!(what, What::Line(line) if line.text == "working"));
        let ended = at(
            &|what| matches!(what, What::InvocationEnded { request_id, .. } if *request_id == id),
        );
        assert!(line.is_some() && line < ended, "{seen:?}");
    }
    assert_eq!(host.take_observations(), []);
}

#[tokio::test]
async fn who_is_ready_is_told_at_init_and_at_every_invocation() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "events_until_shutdown"],
    }));
    let host = stage.start().await;
    let ready = || {
        let seen = host.take_observations().into_iter();
        let mut ready: Vec<_> = seen
            .filter_map(|seen| match seen.what {
                What::Ready { extension } => Some(extension),
                _ => None,
            })
            .collect();
        ready.sort();
        ready
    };
    let both = [None, Some("guard".to_owned())];
    host.initialize().await.unwrap();
    assert_eq!(ready(), both);
    host.invoke("1").await.unwrap();
    assert_eq!(ready(), both);
    host.shutdown("spindown").await.unwrap();
    assert_eq!(ready(), []);
}

#[tokio::test]
async fn an_interrupted_invocation_fails_at_once_and_extensions_are_told() {
    let stage = Stage::new(&json!({
        "bootstrap": ["runtime_next", ["wait_for_file", "never"]],
        "guard": ["register", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.timeout = Duration::from_secs(600);
    let host = Host::start(config).await.unwrap();
    let interrupt = async {
        host.observed(|what| matches!(what, What::Sent { .. })).await;
        host.interrupt().await.unwrap();
    };
    let (invocation, ()) = tokio::join!(host.invoke("1"), interrupt);
    let invocation = invocation.unwrap();
    assert!(invocation.payload.ends_with(br#"Error: interrupted"}"#), "{invocation:?}");
    let again = host.invoke("1").await.unwrap();
    assert!(again.function_error.is_some(), "it has no way back");
    host.shutdown("spindown").await.unwrap();
    let events = record_of(host.tmp(), "guard").into_iter().skip(1);
    let kinds: Vec<_> = events
        .map(|entry| serde_json::from_str::<Value>(entry["body"].as_str().unwrap()).unwrap())
        .map(|event| event["eventType"].clone())
        .collect();
    assert_eq!(kinds[..2], ["INVOKE", "SHUTDOWN"]);
}

#[tokio::test]
async fn a_frozen_environment_stands_still_and_its_deadlines_wait() {
    let stage = Stage::new(&json!({
        "bootstrap": ["runtime_next", ["wait_for_file", "go"], ["respond", "1"], "echo"],
        "guard": ["register", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.timeout = Duration::from_secs(1);
    let host = Host::start(config).await.unwrap();

    let call = async {
        let invocation = host.invoke("1").await.unwrap();
        assert_eq!(invocation.function_error, None, "the time-out did not run meanwhile");
        assert_eq!(invocation.payload, "1");
    };
    let freeze = async {
        host.observed(|what| matches!(what, What::Sent { .. })).await;
        host.freeze().await.unwrap();
        write(&host.tmp().join("go"), "", 0o644);
        // Longer than the function's time-out. The probe polls for the file all the time.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let answered = |what: &What| matches!(what, What::Answered { request, .. } if request.ends_with("/response"));
        let moved = host.observations().into_iter().any(|seen| answered(&seen.what));
        assert!(!moved, "nothing runs in a frozen environment");
        let gap = host.thaw().await.unwrap();
        assert!(gap >= Duration::from_millis(1500), "{gap:?}");
    };
    tokio::join!(call, freeze);
    assert_eq!(host.thaw().await.unwrap(), Duration::ZERO);
}

#[tokio::test]
async fn an_invocation_thaws_the_environment() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "events_until_shutdown"],
    }));
    let host = stage.start().await;
    host.invoke("1").await.unwrap();
    host.freeze().await.unwrap();
    assert_eq!(host.invoke("2").await.unwrap().payload, "2");
    host.freeze().await.unwrap();
    let shutdown = host.shutdown("spindown").await.unwrap();
    assert_eq!(shutdown.exit(&guard()), Some("exit status 0"), "a shutdown thaws it, too");
}

#[tokio::test]
async fn a_late_handler_is_reset_and_finds_the_same_tmp() {
    let stage = Stage::new(&json!({
        "bootstrap": ["runtime_next", ["hang_once", "hung"], ["respond", "2"], "echo"],
        "guard": ["register", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.timeout = Duration::from_secs(2);
    let host = Host::start(config).await.unwrap();

    let late = host.invoke("1").await.unwrap();
    let next = host.invoke("1").await.unwrap();

    assert_eq!(late.function_error.as_deref(), Some("Sandbox.Timedout"));
    let body: Value = serde_json::from_slice(&late.payload).unwrap();
    let message = body["errorMessage"].as_str().unwrap();
    let end = format!("Z {} Task timed out after 2.00 seconds", late.request_id);
    assert!(message.ends_with(&end), "{message}");
    assert_eq!(late.reset.as_deref(), Some("timeout"));
    assert!(late.duration >= Duration::from_secs(2) && late.duration < Duration::from_secs(4));
    assert_eq!(next.payload, "2", "the file of the first run was still there");
    assert!(next.init.is_some(), "init ran again");
}

#[tokio::test]
async fn a_late_extension_is_reset_after_the_caller_was_answered() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "extension_next", ["hang_once", "hung"], "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.timeout = Duration::from_secs(2);
    let host = Host::start(config).await.unwrap();

    let late = host.invoke("1").await.unwrap();

    assert_eq!(late.payload, "1");
    assert_eq!(late.function_error, None);
    assert_eq!(late.reset.as_deref(), Some("timeout"));
    assert!(late.responded < Duration::from_secs(2));
    assert!(late.duration >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_crash_between_invocations_fails_the_next_one() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": [
            "register", "extension_next", ["once", "crashed", 0], "events_until_shutdown"
        ],
    }));
    let host = stage.start().await;
    // It ends instead of asking for the next event, which may be during or after this one.
    let first = host.invoke("1").await.unwrap();
    assert_eq!(first.payload, "1");
    assert_eq!(first.reset.as_deref(), Some("failure"), "an end is a crash, even with success");
    let failed = |what: &What| matches!(what, What::Failed { error_type } if error_type == "Extension.Crash");
    assert!(host.observations().iter().any(|seen| failed(&seen.what)));
    assert_eq!(host.invoke("2").await.unwrap().payload, "2");
}

#[tokio::test]
async fn a_runtime_that_ends_while_idle_fails_the_next_invocation() {
    let stage = Stage::new(&json!({
        "bootstrap": ["end_when_told", "echo"],
        "guard": ["register", "events_until_shutdown"],
    }));
    let host = stage.start().await;
    host.initialize().await.unwrap();
    write(&host.tmp().join("end"), "", 0o644);
    host.observed(|what| matches!(what, What::Exited { .. })).await;

    let failed = host.invoke("1").await.unwrap();
    assert_eq!(failed.function_error.as_deref(), Some("Runtime.ExitError"));
    let body: Value = serde_json::from_slice(&failed.payload).unwrap();
    let message =
        format!("RequestId: {} Error: Runtime exited with error: exit status 5", failed.request_id);
    assert_eq!(body, json!({ "errorType": "Runtime.ExitError", "errorMessage": message }));
    std::fs::remove_file(host.tmp().join("end")).unwrap();
    assert_eq!(host.invoke("2").await.unwrap().payload, "2");
}

/// Runs a function once and ends it.
async fn shut_down(plan: Value) -> (Host, Shutdown) {
    let stage = Stage::new(&plan);
    let host = stage.start().await;
    host.invoke("1").await.unwrap();
    let shutdown = host.shutdown("spindown").await.unwrap();
    (host, shutdown)
}

#[tokio::test]
async fn without_extensions_the_runtime_is_killed_at_once() {
    let (host, shutdown) = shut_down(json!({ "bootstrap": [["on_term", 0], "echo"] })).await;
    assert_eq!(shutdown.exits, [(Source::Function, "signal: killed".to_owned())]);
    assert!(!record_of(host.tmp(), "bootstrap").iter().any(|entry| entry.get("signal").is_some()));
}

#[tokio::test]
async fn with_an_extension_the_runtime_may_end_itself() {
    let (host, shutdown) = shut_down(json!({
        "bootstrap": [["on_term", 9], "echo"],
        "guard": [["register", []], "events_until_shutdown"],
    }))
    .await;
    assert_eq!(shutdown.exit(&Source::Function), Some("exit status 9"));
    assert_eq!(shutdown.exit(&guard()), Some("signal: killed"), "it wants no SHUTDOWN");
    assert_eq!(noted(host.tmp(), "bootstrap", "signal"), "TERM");
}

#[tokio::test]
async fn who_ignores_the_end_is_killed_when_the_budget_is_used_up() {
    let (_host, shutdown) = shut_down(json!({
        "bootstrap": ["ignore_term", "echo"],
        "guard": ["register", "extension_next", "extension_next", ["wait", 3600]],
    }))
    .await;
    assert_eq!(shutdown.exit(&Source::Function), Some("signal: killed"));
    assert_eq!(shutdown.exit(&guard()), Some("signal: killed"));
    assert!(shutdown.duration >= Duration::from_millis(1900), "{:?}", shutdown.duration);
    assert!(shutdown.duration < Duration::from_secs(4), "{:?}", shutdown.duration);
}

#[tokio::test]
async fn an_internal_extension_is_told_of_invocations_only() {
    let (host, shutdown) = shut_down(json!({
        "bootstrap": [["internal", "inner"], "echo"],
    }))
    .await;
    assert_eq!(requests_of(host.tmp(), "inner"), ["next 200"]);
    assert_eq!(shutdown.exit(&Source::Function), Some("signal: terminated"));
}

#[tokio::test]
async fn dropping_the_host_leaves_no_process() {
    let stage = Stage::new(&json!({
        "bootstrap": ["limits", "ignore_term", "echo"],
        "guard": ["limits", "ignore_term", "register", "events_until_shutdown"],
    }));
    let host = stage.start().await;
    host.invoke("1").await.unwrap();
    let pids = ["bootstrap", "guard"].map(|who| noted(host.tmp(), who, "pid").as_u64().unwrap());
    let tmp = host.tmp().to_owned();
    drop(host);
    let gone = async {
        let runs = |pid: &u64| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while pids.iter().any(runs) || tmp.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("everything is gone");
}
