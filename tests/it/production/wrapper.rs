//! Extension, exec wrapper and Lambda together: who waits for whom, and who tells the function's caller what went wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use strongroom_faults::{Fault, Rule};
use strongroom_host::{Source, What};
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::{Environment, SECRET_FILE, SECRET_PATH, SECRET_VALUE, Stage, within};

use super::formats::add_to_code;
use super::stage;
use super::variables::{REFERENCE, refusal, wrapped};

const LOGIN: &str = "/v1/auth/aws/login";

/// A stage whose function a runtime of Lambda's starts.
async fn managed(test: &str) -> Option<Stage> {
    let parts = [Part::Extension, Part::PrivateNetwork, Part::Wrapper];
    if !beds::available(test, &parts) {
        return None;
    }
    let mut stage = stage(test).await?;
    stage.start_by_managed_runtime();
    stage.set("API_KEY", REFERENCE);
    Some(stage)
}

#[tokio::test]
async fn two_of_ours_in_a_chain_start_the_program_with_its_secrets() {
    let Some(mut stage) = wrapped("two of ours in a chain").await else { return };
    stage.set("STRONGROOM_NEXT_WRAPPER", "/opt/strongroom/exec");
    stage.set("API_KEY", REFERENCE);
    let environment = stage.ready().await;
    let seen = environment.variables(&["API_KEY", "STRONGROOM_NEXT_WRAPPER"]).await;
    assert_eq!(seen, [Some(SECRET_VALUE.to_owned()), None], "{}", environment.log());
    assert_eq!(stage.reads_of(SECRET_PATH), 1);
}

#[tokio::test]
async fn who_waits_for_vault_is_as_it_was_wished_and_the_function_sees_all_in_the_end() {
    for (waits, is_registered_at_once) in [("wrapper", true), ("registration", false)] {
        let Some(mut stage) = wrapped("who waits for Vault is as it was wished").await else {
            return;
        };
        stage.set("STRONGROOM_WAIT", waits);
        stage.set("API_KEY", REFERENCE);
        stage.deliver_file();
        stage.faults.inject(Rule::latency(Duration::from_secs(1)).path(LOGIN));
        let environment = stage.ready().await;
        let seen = environment.invoke(&[SECRET_FILE], &[]).await;
        assert!(seen["files"][0].as_str().unwrap().contains(SECRET_VALUE), "{seen}");
        assert_eq!(environment.variables(&["API_KEY"]).await, [Some(SECRET_VALUE.to_owned())]);
        let first = async |is_it: fn(&What) -> bool| environment.host.observed(is_it).await.at;
        let started = first(is_start_of_function).await;
        let logged_in = first(|what| line_of(what).contains("logged in")).await;
        assert_eq!(
            started < logged_in,
            is_registered_at_once,
            "{waits}: {started:?} {logged_in:?}"
        );
    }
}

fn is_start_of_function(what: &What) -> bool {
    matches!(what, What::Started { process: Source::Function })
}

fn line_of(what: &What) -> &str {
    if let What::Line(line) = what { &line.text } else { "" }
}

#[tokio::test]
async fn a_refused_login_is_told_to_the_caller_whoever_waits() {
    for waits in ["auto", "wrapper"] {
        let Some(mut stage) = wrapped("a refused login is told to the caller").await else {
            return;
        };
        stage.set("STRONGROOM_WAIT", waits);
        stage.set("API_KEY", REFERENCE);
        stage.set("VAULT_AUTH_ROLE", "none-of-that-name");
        let (_, message) = refusal(&stage.start().await).await;
        for part in ["cannot log in to Vault", "none-of-that-name", "hint: "] {
            assert!(message.contains(part), "{waits}: no {part} in {message}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_missing_is_told_to_the_caller_where_the_wrapper_waits_for_it() {
    let Some(mut stage) = wrapped("a file that is missing is told to the caller").await else {
        return;
    };
    stage.set("STRONGROOM_WAIT", "wrapper");
    stage.set("VAULT_SECRET_PATH", "kv/data/none");
    stage.set("VAULT_SECRET_FILE", SECRET_FILE);
    let (_, message) = refusal(&stage.start().await).await;
    assert!(message.contains("kv/data/none") && message.contains("404"), "{message}");
}

/// What Lambda sees first is a race of two: the extension's end, or the wrapper's report of it.
#[tokio::test]
async fn an_extension_that_is_killed_while_the_wrapper_waits_ends_init_at_once() {
    let name = "an extension that is killed while the wrapper waits";
    let Some(mut stage) = wrapped(name).await else { return };
    stage.set("API_KEY", REFERENCE);
    stage.faults.inject(Rule::new(Fault::Silence).path(LOGIN));
    let environment = stage.start().await;
    let killed = async {
        within("the function's start", environment.host.observed(is_start_of_function)).await;
        environment.line("after 1 s, waiting for").await;
        kill(&environment);
    };
    let (end, ()) = tokio::join!(environment.init_failure(), killed);
    assert_eq!(end, "signal: killed");
    let failed = |what: &What| matches!(what, What::InitFailed { .. });
    let failed = within("the failure", environment.host.observed(failed)).await;
    let What::InitFailed { error_type, .. } = failed.what else { unreachable!("it was asked for") };
    let either = ["Extension.Crash", "Runtime.StrongroomSecretUnavailable"];
    assert!(either.contains(&error_type.as_str()), "{error_type}\n{}", environment.log());
}

fn kill(environment: &Environment) {
    let process = rustix::process::Pid::from_raw(environment.process().cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn references_are_resolved_in_every_run_mode() {
    for mode in ["proxy", "file"] {
        let Some(mut stage) = wrapped("references are resolved in every run mode").await else {
            return;
        };
        stage.set("VAULT_RUN_MODE", mode);
        stage.set("API_KEY", REFERENCE);
        if mode == "file" {
            stage.deliver_file();
        }
        let environment = stage.ready().await;
        let seen = environment.variables(&["API_KEY"]).await;
        assert_eq!(seen, [Some(SECRET_VALUE.to_owned())], "{mode}: {}", environment.log());
    }
}

#[tokio::test]
async fn on_a_runtime_of_lambda_the_log_says_which_variables_start_the_wrapper() {
    let name = "on a runtime of Lambda the log says which variables start the wrapper";
    let ours = "AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec";
    for (other, next) in
        [(None, ""), (Some("/var/task/other"), "STRONGROOM_NEXT_WRAPPER=/var/task/other")]
    {
        let Some(mut stage) = managed(name).await else { return };
        stage.config.variables.remove("AWS_LAMBDA_EXEC_WRAPPER");
        if let Some(other) = other {
            add_to_code(&stage, "other", "#!/bin/sh\nexec \"$@\"\n");
            let script = stage.config.function.code.join("other");
            fs::set_permissions(script, Permissions::from_mode(0o755)).unwrap();
            stage.set("AWS_LAMBDA_EXEC_WRAPPER", other);
        }
        let environment = stage.ready().await;
        assert_eq!(environment.variables(&["API_KEY"]).await, [Some(REFERENCE.to_owned())]);
        let line = environment.line("no exec wrapper has asked").await;
        assert!(line.contains(ours) && line.contains(next), "{line}");
    }
}
