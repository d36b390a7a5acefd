//! SnapStart: what a snapshot holds of its environment, and what the environment that is restored from it does.
//!
//! The function is Python, by AWS's runtime interface client, whose hooks run before the snapshot and after it.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_faults::Rule;
use strongroom_host::{Function, InitializationType, Runtime, What};
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::{Environment, SECRET_URL, SECRET_VALUE, Stage, within};
use tempfile::TempDir;

use super::stage;

/// Reads the secret from the cache, and notes what it saw.
const READING: &str = r#"
import json
import os
import time
import urllib.request

from snapshot_restore_py import register_after_restore, register_before_snapshot

URL = "http://127.0.0.1:%s/v1/kv/data/app" % os.environ["STRONGROOM_PROXY_PORT"]
seen = {}

def read(when, patience=30):
    request = urllib.request.Request(URL, headers={"X-Vault-Cache-Control": "cache"})
    with urllib.request.urlopen(request, timeout=patience) as answer:
        seen[when] = json.load(answer)["data"]["data"]["api-key"]

register_after_restore(read, "restored")

def handler(event, context):
    read("invoked")
    return seen
"#;

/// Reads when it is loaded, and once more when all is ready for the snapshot.
const READS_TO_THE_END: &str = r#"
read("loaded")
register_before_snapshot(read, "before the snapshot")
"#;

/// Reads when it is loaded, and no more.
const READS_ONCE: &str = r#"
read("loaded")
"#;

/// Asks, does not wait for the answer, and is still being loaded when that has come.
const HANGS_UP: &str = r#"
try:
    read("loaded", patience=0.3)
except TimeoutError:
    seen["loaded"] = "hung up"
time.sleep(1.5)
"#;

/// A stage under SnapStart whose proxy may answer from its cache for an hour.
async fn cached(test: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    stage.config.initialization = InitializationType::SnapStart;
    stage.set("VAULT_DEFAULT_CACHE_TTL", "1h");
    Some(stage)
}

/// Gives the stage the Python function; its code goes with what is returned.
fn python(stage: &mut Stage, loading: &str) -> TempDir {
    let code = TempDir::new().expect("a temporary directory");
    #[expect(clippy::disallowed_methods, reason = "a test's function, no secret")]
    fs::write(code.path().join("app.py"), format!("{READING}{loading}")).expect("the function");
    let runtime = Runtime::Python { interpreter: beds::python() };
    let handler = "app.handler".to_owned();
    stage.config.function = Function { code: code.path().to_owned(), handler, runtime };
    code
}

/// Restores the snapshot with another session's credentials; the one before is gone. Returns the new key.
async fn restore(stage: &Stage, environment: &Environment) -> String {
    let session = stage.new_session();
    let key = session.access_key_id.clone();
    stage.vault.aws().delete_access_key(&stage.config.credentials.access_key_id);
    let restored = within("the restore", environment.host.restore(session)).await;
    restored.unwrap_or_else(|error| panic!("{error}:\n{}", environment.log()));
    key
}

/// The key that signed the last login.
fn last_key(stage: &Stage) -> Option<String> {
    let requests = stage.vault.aws().requests();
    let last = requests.iter().rfind(|request| request.action == "GetCallerIdentity");
    last.and_then(|request| request.access_key_id.clone())
}

fn was_invoked(environment: &Environment) -> bool {
    let invoked = |what: &What| matches!(what, What::InvocationStarted { .. });
    environment.host.observations().iter().any(|seen| invoked(&seen.what))
}

#[tokio::test]
async fn a_request_before_any_invocation_is_answered_with_a_new_login() {
    let name = "a request before any invocation is answered with a new login";
    let Some(stage) = cached(name).await else { return };
    let environment = stage.ready().await;
    // What a snapshot holds would be the same in each environment that is restored from it.
    assert_eq!(stage.login_accessors().await, [""; 0], "{}", environment.log());
    let before = stage.logins();
    stage.write_secret("rotated").await;

    let key = restore(&stage, &environment).await;
    let headers = [("x-vault-cache-control", "cache")];
    for _ in 0..2 {
        let answer = environment.ask("GET", SECRET_URL, &headers, "").await;
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), environment.log());
        assert_eq!(answer.json()["data"]["data"]["api-key"], "rotated");
    }
    assert!(!was_invoked(&environment));
    assert!(stage.logins() > before, "{}", environment.log());
    assert_eq!(last_key(&stage).as_ref(), Some(&key), "the new credentials were used");

    let seen = environment.invoke(&[], &[SECRET_URL]).await;
    assert_eq!(seen["get"][0]["status"], 200, "{seen}");
}

#[tokio::test]
async fn nothing_that_was_read_before_the_snapshot_is_handed_out_after_it() {
    let name = "nothing that was read before the snapshot is handed out after it";
    if !beds::available(name, &[Part::Python]) {
        return;
    }
    let Some(mut stage) = cached(name).await else { return };
    let _code = python(&mut stage, READS_TO_THE_END);
    let environment = stage.ready().await;
    stage.write_secret("rotated").await;
    let key = restore(&stage, &environment).await;
    assert!(!was_invoked(&environment));
    assert_eq!(last_key(&stage).as_ref(), Some(&key), "{}", environment.log());
    let seen = environment.invoke(&[], &[]).await;
    let expected: Value = json!({
        "loaded": SECRET_VALUE,
        "before the snapshot": SECRET_VALUE,
        "restored": "rotated",
        "invoked": "rotated",
    });
    assert_eq!(seen, expected, "{}", environment.log());
}

#[tokio::test]
async fn no_token_lives_while_the_snapshot_waits() {
    let name = "no token lives while the snapshot waits";
    if !beds::available(name, &[Part::Python]) {
        return;
    }
    let Some(mut stage) = cached(name).await else { return };
    let _code = python(&mut stage, READS_TO_THE_END);
    let environment = stage.ready().await;
    assert_eq!(stage.login_accessors().await, [""; 0], "{}", environment.log());
}

/// The function reads `loaded` before the snapshot, whatever became of it; afterwards it sees the new secret.
async fn nothing_of_it_is_in_the_snapshot(stage: &Stage, loaded: &str) {
    let environment = stage.ready().await;
    assert_eq!(stage.login_accessors().await, [""; 0], "{}", environment.log());
    stage.write_secret("rotated").await;
    restore(stage, &environment).await;
    let seen = environment.invoke(&[], &[]).await;
    let expected = json!({ "loaded": loaded, "restored": "rotated", "invoked": "rotated" });
    assert_eq!(seen, expected, "{}", environment.log());
}

#[tokio::test]
async fn a_request_that_is_under_way_at_the_first_login_leaves_nothing_in_the_snapshot() {
    let name = "a request that is under way at the first login";
    if !beds::available(name, &[Part::Python]) {
        return;
    }
    let Some(mut stage) = cached(name).await else { return };
    let _code = python(&mut stage, READS_ONCE);
    // The function asks while the login lasts, and is answered after all else is prepared for the snapshot.
    let (login, read) = (Duration::from_secs(2), Duration::from_millis(500));
    stage.faults.inject(Rule::latency(login).path("/v1/auth/aws/login").times(1));
    stage.faults.inject(Rule::latency(read).path(SECRET_URL).times(1));
    nothing_of_it_is_in_the_snapshot(&stage, SECRET_VALUE).await;
}

#[tokio::test]
async fn a_request_whose_client_hung_up_leaves_nothing_in_the_snapshot() {
    let name = "a request whose client hung up";
    if !beds::available(name, &[Part::Python]) {
        return;
    }
    let Some(mut stage) = cached(name).await else { return };
    let _code = python(&mut stage, HANGS_UP);
    stage.faults.inject(Rule::latency(Duration::from_secs(1)).path(SECRET_URL).times(1));
    nothing_of_it_is_in_the_snapshot(&stage, "hung up").await;
}
