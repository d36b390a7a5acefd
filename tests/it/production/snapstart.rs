//! SnapStart: what a snapshot holds of its environment, and what the environment that is restored from it does.
//!
//! The function is Python, by AWS's runtime interface client, whose hooks run before the snapshot and after it.

use std::fs;

use serde_json::{Value, json};
use strongroom_host::{Function, InitializationType, Runtime, What};
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::{Environment, SECRET_URL, SECRET_VALUE, Stage, within};
use tempfile::TempDir;

use super::stage;

/// Reads the secret from the cache when it is loaded, in its hooks and when it is invoked.
const APP: &str = r#"
import json
import os
import urllib.request

from snapshot_restore_py import register_after_restore, register_before_snapshot

URL = "http://127.0.0.1:%s/v1/kv/data/app" % os.environ["STRONGROOM_PROXY_PORT"]
seen = {}

def read(when):
    request = urllib.request.Request(URL, headers={"X-Vault-Cache-Control": "cache"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        seen[when] = json.load(answer)["data"]["data"]["api-key"]

read("loaded")
register_before_snapshot(read, "before the snapshot")
register_after_restore(read, "restored")

def handler(event, context):
    read("invoked")
    return seen
"#;

/// A stage under SnapStart whose proxy may answer from its cache for an hour.
async fn cached(test: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    stage.config.initialization = InitializationType::SnapStart;
    stage.set("VAULT_DEFAULT_CACHE_TTL", "1h");
    Some(stage)
}

/// Gives the stage the Python function; its code goes with what is returned.
fn python(stage: &mut Stage) -> TempDir {
    let code = TempDir::new().expect("a temporary directory");
    #[expect(clippy::disallowed_methods, reason = "a test's function, no secret")]
    fs::write(code.path().join("app.py"), APP).expect("the function");
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
    let _code = python(&mut stage);
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
    let _code = python(&mut stage);
    let environment = stage.ready().await;
    assert_eq!(stage.login_accessors().await, [""; 0], "{}", environment.log());
}
