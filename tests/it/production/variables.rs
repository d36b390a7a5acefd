//! Secrets in variables: what the function's program finds when it starts, and what is said when it cannot start.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_faults::{Fault, Rule};
use strongroom_host::{Identity, InitializationType, Invocation, What};
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::{Environment, SECRET_PATH, SECRET_VALUE, Stage};

use super::{stage, stage_with};

pub(super) const REFERENCE: &str = "vault:kv/data/app#api-key";

/// A stage whose function the wrapper starts.
pub(super) async fn wrapped(test: &str) -> Option<Stage> {
    let parts = [Part::Extension, Part::PrivateNetwork, Part::Wrapper];
    let mut stage = stage_with(test, &parts, strongroom_devvault::Release::default()).await?;
    stage.start_by_wrapper();
    Some(stage)
}

/// How the invocation fails because the program was not started.
pub(super) async fn refusal(environment: &Environment) -> (Invocation, String) {
    let invocation = environment.try_invoke(&[], &[]).await;
    let told: Value = serde_json::from_slice(&invocation.payload).unwrap();
    assert_eq!(
        told["errorType"],
        "Runtime.StrongroomSecretUnavailable",
        "{told}\n{}",
        environment.log()
    );
    let message = told["errorMessage"].as_str().unwrap().to_owned();
    (invocation, message)
}

#[tokio::test]
async fn each_reference_is_replaced_before_the_program_starts() {
    let Some(mut stage) = wrapped("each reference is replaced").await else { return };
    stage.write("kv/data/nested", json!({ "data": { "a": { "b": 1.5 }, "c": "x=y\nz" } })).await;
    stage.write_secret("second").await;
    for (name, value) in [
        ("WHOLE", REFERENCE),
        ("WITHIN", "key=${vault:kv/data/app#api-key};$${literal}"),
        ("ALL", "vault:kv/data/app#*"),
        ("NESTED", "vault:kv/data/nested#a.b"),
        ("LINES", "vault:kv/data/nested#c"),
        ("PINNED", "vault:kv/data/app#api-key#1"),
        ("NO_FIELD", "vault:kv/data/app#none|of that name"),
        ("NO_SECRET", "vault:kv/data/none#a|"),
        ("CIPHERTEXT", "vault:v1:8SDd3WHDOjf7mq69"),
        ("UNTOUCHED", "$${HOME}"),
    ] {
        stage.set(name, value);
    }
    let environment = stage.ready().await;
    let names = [
        "WHOLE",
        "WITHIN",
        "ALL",
        "NESTED",
        "LINES",
        "PINNED",
        "NO_FIELD",
        "NO_SECRET",
        "CIPHERTEXT",
        "UNTOUCHED",
    ];
    let seen = environment.variables(&names).await;
    let seen: Vec<_> = seen.iter().map(|value| value.as_deref().unwrap_or("unset")).collect();
    assert_eq!(
        seen,
        [
            "second",
            "key=second;${literal}",
            r#"{"api-key":"second"}"#,
            "1.5",
            "x=y\nz",
            SECRET_VALUE,
            "of that name",
            "",
            "vault:v1:8SDd3WHDOjf7mq69",
            "$${HOME}",
        ],
        "{}",
        environment.log()
    );
    // The newest version once, and the pinned one.
    assert_eq!(stage.reads_of(SECRET_PATH), 2);
    assert_eq!(stage.logins(), 1);
}

#[tokio::test]
async fn a_user_name_and_its_password_come_from_one_lease_by_variable_and_file() {
    let Some(mut stage) = wrapped("a user name and its password come from one lease").await else {
        return;
    };
    stage.add_database("1h").await;
    stage.set("DSN", "${vault:database/creds/app#username}:${vault:database/creds/app#password}");
    stage.set("DB_USER", "vault:database/creds/app#username");
    stage.set("VAULT_SECRET_PATH", "database/creds/app");
    stage.set("VAULT_SECRET_FILE", "/tmp/creds.json");
    stage.set("STRONGROOM_FILE_FORMAT", "data");
    let environment = stage.ready().await;
    let seen = environment.variables(&["DSN", "DB_USER"]).await;
    let held: Value = serde_json::from_str(&environment.file("/tmp/creds.json")).unwrap();
    let (user, password) = (held["username"].as_str().unwrap(), held["password"].as_str().unwrap());
    assert_eq!(seen, [Some(format!("{user}:{password}")), Some(user.to_owned())]);
    assert_eq!(stage.reads_of("database/creds/app"), 1);
    assert_eq!(stage.vault.leases().len(), 1);
}

#[tokio::test]
async fn a_kv_path_without_data_is_found_and_the_better_spelling_is_logged() {
    let Some(mut stage) = wrapped("a KV path without data/ is found").await else { return };
    stage.set("API_KEY", "vault:kv/app#api-key");
    let environment = stage.ready().await;
    assert_eq!(environment.variables(&["API_KEY"]).await, [Some(SECRET_VALUE.to_owned())]);
    let line = environment.line("KV v2").await;
    assert!(line.contains("kv/app") && line.contains("write kv/data/app"), "{line}");
}

#[tokio::test]
async fn a_runtime_that_heeds_the_wrapper_is_started_while_vault_is_asked() {
    let parts = [Part::Extension, Part::PrivateNetwork, Part::Wrapper];
    if !beds::available("a runtime that heeds the wrapper", &parts) {
        return;
    }
    let Some(mut stage) = stage("a runtime that heeds the wrapper").await else { return };
    stage.start_by_managed_runtime();
    stage.set("API_KEY", REFERENCE);
    stage.deliver_file();
    let slow = Duration::from_secs(2);
    stage.faults.inject(Rule::latency(slow).path("/v1/auth/aws/login").times(1));
    let environment = stage.start().await;
    let registered = |what: &What| matches!(what, What::Registered { external: true, .. });
    let asked = |what: &What| matches!(what, What::Line(line) if line.text.contains("ready:"));
    let (_, registered, ready) = tokio::join!(
        environment.variables(&["API_KEY"]),
        environment.host.observed(registered),
        environment.host.observed(asked)
    );
    // Had the registration waited for the file, too, both would come at the same time.
    assert!(registered.at + slow / 2 < ready.at, "registration waited");
    assert_eq!(environment.variables(&["API_KEY"]).await, [Some(SECRET_VALUE.to_owned())]);
    let seen = environment.invoke(&[strongroom_tests::stage::SECRET_FILE], &[]).await;
    assert!(seen["files"][0].as_str().unwrap().contains(SECRET_VALUE), "{seen}");
}

#[tokio::test]
async fn a_program_is_not_started_without_its_secrets_and_the_caller_reads_why() {
    let check = async |value: &str, words: &[&str]| {
        let Some(mut stage) = wrapped("a program is not started without its secrets").await else {
            return;
        };
        stage.set("DB_PASSWORD", value);
        let environment = stage.start().await;
        let (_, message) = refusal(&environment).await;
        for word in ["DB_PASSWORD"].iter().chain(words) {
            assert!(message.contains(word), "{word} in {message}");
        }
        assert!(environment.log().contains("DB_PASSWORD"), "{}", environment.log());
    };
    check("vault:kv/data/forbidden#a|default", &["kv/data/forbidden", "403", "policy"]).await;
    check("vault:kv/data/none#a", &["kv/data/none", "404", "default"]).await;
    check("vault:kv/data/app#b", &["kv/data/app", "no field b", "it has api-key"]).await;
    check("vault:kv/data/app#api-key#7", &["kv/data/app version 7", "404"]).await;
}

#[tokio::test]
async fn a_value_that_no_variable_can_hold_is_refused_by_its_name() {
    let Some(mut stage) = wrapped("a value that no variable can hold").await else { return };
    stage
        .write("kv/data/odd", json!({ "data": { "nul": "a\0b", "long": "x".repeat(140_000) } }))
        .await;
    stage.set("NUL", "vault:kv/data/odd#nul");
    stage.set("LONG", "vault:kv/data/odd#long");
    let (_, message) = refusal(&stage.start().await).await;
    assert!(message.contains("NUL: its value holds a NUL"), "{message}");
    assert!(message.contains("LONG: its value is longer than 128 KiB"), "{message}");
}

#[tokio::test]
async fn an_outage_keeps_the_program_from_starting_even_where_there_is_a_default() {
    let Some(mut stage) = wrapped("an outage keeps the program from starting").await else {
        return;
    };
    stage.set("API_KEY", "vault:kv/data/app#api-key|default");
    stage.set("VAULT_MAX_RETRIES", "0");
    stage.faults.inject(Rule::new(Fault::unavailable()).path("/v1/kv/data/app"));
    let (_, message) = refusal(&stage.start().await).await;
    assert!(message.contains("API_KEY") && message.contains("503"), "{message}");
}

#[tokio::test]
async fn references_that_nobody_asks_for_are_an_error_that_says_what_to_write() {
    let Some(mut stage) = stage("references that nobody asks for").await else { return };
    stage.set("API_KEY", REFERENCE);
    let environment = stage.ready().await;
    assert_eq!(environment.variables(&["API_KEY"]).await, [Some(REFERENCE.to_owned())]);
    let line = environment.line("no exec wrapper has asked").await;
    assert!(line.contains("exec /opt/strongroom/exec ./app"), "{line}");
}

#[tokio::test]
async fn the_socket_answers_until_the_first_invocation_unless_it_is_to_go_on() {
    for (api, status) in [("off", 403), ("on", 200)] {
        let Some(mut stage) = wrapped("the socket answers until the first invocation").await else {
            return;
        };
        stage.set("API_KEY", REFERENCE);
        stage.set("STRONGROOM_ENV_API", api);
        let environment = stage.ready().await;
        assert_eq!(environment.ask_for_variables().await.variables()["API_KEY"], SECRET_VALUE);
        environment.invoke(&[], &[]).await;
        stage.write_secret("rotated").await;
        let given = environment.ask_for_variables().await;
        assert_eq!(given.status, status, "{}", given.text);
        if api == "on" {
            assert_eq!(given.variables()["API_KEY"], "rotated");
        } else {
            assert!(given.text.contains("STRONGROOM_ENV_API=on"), "{}", given.text);
        }
    }
}

#[tokio::test]
async fn on_managed_instances_each_process_is_answered_as_it_starts() {
    let Some(mut stage) =
        wrapped("on Managed Instances each process is answered as it starts").await
    else {
        return;
    };
    stage.config.initialization = InitializationType::ManagedInstances;
    stage.set("API_KEY", REFERENCE);
    let environment = stage.ready().await;
    environment.invoke(&[], &[]).await;
    // Of two wrappers in a chain each asks.
    for _ in 0..2 {
        assert_eq!(environment.ask_for_variables().await.variables()["API_KEY"], SECRET_VALUE);
    }
    assert_eq!(environment.ask_for_variables().await.status, 403);
}

#[tokio::test]
async fn a_snapshot_has_secrets_in_variables_only_where_that_is_allowed() {
    let Some(mut stage) = wrapped("a snapshot has secrets in variables").await else { return };
    stage.config.initialization = InitializationType::SnapStart;
    stage.set("API_KEY", REFERENCE);
    let environment = stage.start().await;
    assert_eq!(environment.init_failure().await, "exit status 2");
    assert!(environment.log().contains("STRONGROOM_SNAPSTART_ENV=allow"), "{}", environment.log());
    stage.set("STRONGROOM_SNAPSTART_ENV", "allow");
    let environment = stage.ready().await;
    assert_eq!(environment.variables(&["API_KEY"]).await, [Some(SECRET_VALUE.to_owned())]);
}

#[tokio::test]
async fn after_a_crash_the_stale_socket_is_replaced() {
    let Some(mut stage) = wrapped("after a crash the stale socket is replaced").await else {
        return;
    };
    stage.set("API_KEY", REFERENCE);
    let environment = stage.ready().await;
    environment.invoke(&[], &[]).await;
    let pid = rustix::process::Pid::from_raw(environment.process().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    environment.exit().await;
    assert!(environment.socket().exists(), "a killed process leaves its socket");
    // The invocation that meets the crash fails; the next one has a new environment in the same /tmp.
    let mut seen = environment.try_invoke(&[], &[]).await;
    if seen.function_error.is_some() {
        seen = environment.try_invoke(&[], &[]).await;
    }
    assert_eq!(seen.function_error, None, "{seen:?}\n{}", environment.log());
    assert_eq!(environment.variables(&["API_KEY"]).await, [Some(SECRET_VALUE.to_owned())]);
    environment.shut_down().await;
    assert!(!environment.socket().exists(), "the socket is removed at the end");
}

#[tokio::test]
async fn a_planted_link_is_refused_by_its_path() {
    let Some(mut stage) = wrapped("a planted link is refused").await else { return };
    stage.set("API_KEY", REFERENCE);
    let environment = stage.start().await;
    fs::create_dir(environment.host.tmp().join("elsewhere")).unwrap();
    symlink("/tmp/elsewhere", environment.host.tmp().join(".strongroom")).unwrap();
    assert_eq!(environment.init_failure().await, "exit status 3");
    let line = environment.line("a symbolic link").await;
    assert!(line.contains("/tmp/.strongroom") && line.contains("STRONGROOM_SOCKET"), "{line}");
}

#[tokio::test]
async fn lambdas_own_user_is_served() {
    let Some(mut stage) = wrapped("Lambda's own user is served").await else { return };
    stage.config.identity = Identity::LAMBDA;
    stage.set("API_KEY", REFERENCE);
    let environment = stage.ready().await;
    assert_eq!(environment.variables(&["API_KEY"]).await, [Some(SECRET_VALUE.to_owned())]);
    // Another user, root as it is, is not.
    let stream = std::os::unix::net::UnixStream::connect(environment.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    use std::io::{Read as _, Write as _};
    let _ = (&stream).write_all(b"GET /environment HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut answer = Vec::new();
    let _ = (&stream).read_to_end(&mut answer);
    assert!(answer.is_empty());
    environment.line("another user").await;
}
