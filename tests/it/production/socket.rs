//! What is told on the socket: to whom, for how long, in which words, and what becomes of a program that is not told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use serde_json::{Map, json};
use strongroom_faults::{Fault, Rule};
use strongroom_host::InitializationType;
use strongroom_tests::beds;
use strongroom_tests::stage::{Environment, SECRET_URL, SECRET_VALUE};

use super::stage;
use super::variables::{REFERENCE, refusal, wrapped};

/// Where Vault says what is mounted.
const MOUNTS: &str = "/v1/sys/internal/ui/mounts";

/// Starts `echo` by the wrapper, beside the function.
fn start_another(environment: &Environment, variables: &[(&str, &str)]) -> Output {
    let mut wrapper = Command::new(beds::exec());
    wrapper.args(["/bin/echo", "started"]).env_clear().envs(variables.iter().copied());
    wrapper.env("STRONGROOM_SOCKET", environment.socket()).output().unwrap()
}

#[tokio::test]
async fn an_outage_of_the_look_up_of_mounts_is_no_reason_for_a_default() {
    let name = "an outage of the look-up of mounts is no reason for a default";
    let Some(mut stage) = wrapped(name).await else { return };
    stage.set("API_KEY", "vault:kv/app#api-key|default");
    stage.set("VAULT_MAX_RETRIES", "0");
    stage.faults.inject(Rule::new(Fault::unavailable()).path(MOUNTS));
    let (_, message) = refusal(&stage.start().await).await;
    assert!(message.contains("API_KEY") && message.contains("503"), "{message}");
}

#[tokio::test]
async fn a_secret_that_is_there_is_used_though_its_mount_cannot_be_looked_up() {
    let name = "a secret that is there is used though its mount cannot be looked up";
    let Some(mut stage) = wrapped(name).await else { return };
    stage.set("PASSWORD", "vault:some/creds/app#password");
    stage.set("VAULT_MAX_RETRIES", "0");
    let body = json!({ "data": { "password": "word" }, "warnings": ["TTL exceeds max_ttl"] });
    let answer = Fault::Answer { body: body.to_string(), retry_after: None, status: 200 };
    stage.faults.inject(Rule::new(answer).path("/v1/some/creds/app"));
    stage.faults.inject(Rule::new(Fault::unavailable()).path(MOUNTS));
    let environment = stage.ready().await;
    let seen = environment.variables(&["PASSWORD"]).await;
    assert_eq!(seen, [Some("word".to_owned())], "{}", environment.log());
}

/// Extension and wrapper both end, and whose report comes first is the one that the caller reads.
#[tokio::test]
async fn a_refused_login_is_told_by_the_wrapper_where_the_registration_waits_too() {
    for time in 0..5 {
        let name = "a refused login is told by the wrapper";
        let Some(mut stage) = wrapped(name).await else { return };
        stage.set("STRONGROOM_WAIT", "registration");
        stage.set("API_KEY", REFERENCE);
        stage.set("VAULT_AUTH_ROLE", "none-of-that-name");
        let (_, message) = refusal(&stage.start().await).await;
        for part in ["API_KEY", "cannot log in to Vault", "none-of-that-name", "hint: "] {
            assert!(message.contains(part), "no {part} in {message}, time {time}");
        }
    }
}

#[tokio::test]
async fn a_long_reason_reaches_the_caller_with_what_to_do() {
    let name = "a long reason reaches the caller";
    let Some(mut stage) = wrapped(name).await else { return };
    let fields = (0..1500).map(|number| (format!("some-field-{number}"), json!(1)));
    stage.write("kv/data/many", json!({ "data": fields.collect::<Map<_, _>>() })).await;
    stage.set("API_KEY", "vault:kv/data/many#none");
    let (_, message) = refusal(&stage.start().await).await;
    for part in ["API_KEY", "no field none", "some-field-1", "hint: write the field"] {
        assert!(message.contains(part), "no {part} in {message}");
    }

    let Some(mut stage) = wrapped(name).await else { return };
    for number in 0..150 {
        let path = format!("kv/data/{}/{number}", "of-some-length/".repeat(8));
        stage.set(&format!("SECRET_{number}"), &format!("vault:{path}#password"));
    }
    let (_, message) = refusal(&stage.start().await).await;
    for part in ["SECRET_0", "there is no secret", "in the extension's log", "hint: check the path"]
    {
        assert!(message.contains(part), "no {part} in {message}");
    }
}

#[tokio::test]
async fn two_of_ours_in_a_chain_are_both_answered_before_a_snapshot() {
    let name = "two of ours in a chain are both answered before a snapshot";
    let Some(mut stage) = wrapped(name).await else { return };
    stage.config.initialization = InitializationType::SnapStart;
    stage.set("STRONGROOM_SNAPSTART_ENV", "allow");
    stage.set("STRONGROOM_NEXT_WRAPPER", "/opt/strongroom/exec");
    stage.set("API_KEY", REFERENCE);
    let environment = stage.ready().await;
    let seen = environment.variables(&["API_KEY"]).await;
    assert_eq!(seen, [Some(SECRET_VALUE.to_owned())], "{}", environment.log());
}

#[tokio::test]
async fn after_the_first_invocation_a_program_is_started_if_it_has_nothing_to_wait_for() {
    let name = "after the first invocation a program is started if it has nothing to wait for";
    let Some(mut stage) = wrapped(name).await else { return };
    stage.set("API_KEY", REFERENCE);
    let environment = stage.ready().await;
    environment.invoke(&[], &[]).await;

    let output = start_another(&environment, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.success(), &*output.stdout), (true, &b"started\n"[..]), "{said}");
    assert!(said.contains("WARN") && said.contains("STRONGROOM_ENV_API=on"), "{said}");

    let output = start_another(&environment, &[("API_KEY", REFERENCE)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.success(), &*output.stdout), (false, &b""[..]), "{said}");
    assert!(said.contains("ERROR") && said.contains("STRONGROOM_ENV_API=on"), "{said}");
}

#[tokio::test]
async fn a_failure_that_has_passed_is_not_told_to_who_asks_later() {
    let name = "a failure that has passed is not told to who asks later";
    let Some(mut stage) = stage(name).await else { return };
    stage.set("API_KEY", REFERENCE);
    stage.set("STRONGROOM_ENV_API", "on");
    stage.set("VAULT_MAX_RETRIES", "0");
    stage.faults.inject(Rule::new(Fault::unavailable()).path(SECRET_URL).times(1));
    let environment = stage.ready().await;
    let given = environment.ask_for_variables().await;
    assert_eq!(given.status, 503, "{}", given.text);
    assert!(given.text.contains("API_KEY"), "{}", given.text);
    environment.invoke(&[], &[]).await;
    assert_eq!(environment.ask_for_variables().await.variables()["API_KEY"], SECRET_VALUE);
}

#[tokio::test]
async fn a_variable_that_the_bootstrap_has_set_itself_is_left_alone() {
    let name = "a variable that the bootstrap has set itself is left alone";
    let Some(mut stage) = wrapped(name).await else { return };
    stage.set("API_KEY", REFERENCE);
    stage.set("OTHER", REFERENCE);
    let bootstrap = stage.config.function.code.join("bootstrap");
    #[expect(clippy::disallowed_methods, reason = "a script, no secret")]
    fs::write(&bootstrap, "#!/bin/sh\nexport API_KEY=mine\nexec /opt/strongroom/exec ./app\n")
        .unwrap();
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    let environment = stage.ready().await;
    let seen = environment.variables(&["API_KEY", "OTHER"]).await;
    assert_eq!(seen, [Some("mine".to_owned()), Some(SECRET_VALUE.to_owned())]);
}

#[tokio::test]
async fn on_managed_instances_references_that_nobody_asks_for_are_an_error_all_the_same() {
    let name = "on Managed Instances references that nobody asks for are an error";
    let Some(mut stage) = stage(name).await else { return };
    stage.config.initialization = InitializationType::ManagedInstances;
    stage.set("API_KEY", REFERENCE);
    // Nothing tells of an invocation: that init must be over says that the function has started.
    stage.set("STRONGROOM_INIT_TIMEOUT", "1s");
    stage.set("STRONGROOM_REFRESH", "1s");
    let environment = stage.ready().await;
    assert_eq!(environment.variables(&["API_KEY"]).await, [Some(REFERENCE.to_owned())]);
    let line = environment.line("no exec wrapper has asked").await;
    assert!(line.contains("ERROR") && line.contains("/opt/strongroom/exec"), "{line}");
}

#[tokio::test]
async fn on_managed_instances_a_function_does_not_go_on_without_its_files() {
    let name = "on Managed Instances a function does not go on without its files";
    let Some(mut stage) = stage(name).await else { return };
    stage.config.initialization = InitializationType::ManagedInstances;
    // A wrapper was to hold the function back, and there is none.
    stage.set("STRONGROOM_WAIT", "wrapper");
    stage.set("VAULT_SECRET_PATH", "kv/data/none");
    stage.set("STRONGROOM_INIT_TIMEOUT", "1s");
    stage.set("STRONGROOM_REFRESH", "1s");
    let environment = stage.ready().await;
    assert_eq!(environment.exit().await, "exit status 9", "{}", environment.log());
    let line = environment.line("there is no secret at kv/data/none").await;
    assert!(line.contains("ERROR"), "{line}");
    environment.host.invoke("{}").await.unwrap_err();
}
