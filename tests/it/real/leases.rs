//! What hangs on the token in real Vault when the environment ends: leases and child tokens.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part, Postgres, ROOT_TOKEN};
use strongroom_tests::stage::practice::Practice;
use strongroom_tests::stage::{Environment, PATIENCE};

use super::{REVOCATION, practice_of};

const POLICY: &str = r#"
path "kv/data/test/*" { capabilities = ["read"] }
path "auth/token/create" { capabilities = ["update"] }
path "database/creds/app" { capabilities = ["read"] }
path "ssh/creds/app" { capabilities = ["update"] }
"#;

/// Whether Vault still knows a lease.
fn is_leased(practice: &Practice, lease: &Value) -> bool {
    let body = json!({"lease_id": lease});
    let answer = practice.vault.request("POST", "sys/leases/lookup", ROOT_TOKEN, Some(&body));
    assert!(matches!(answer.status, 200 | 400), "{}", answer.text());
    answer.status == 200
}

/// The practice, whose role may have what hangs on its token.
fn practice_of_leases(test: &str) -> Option<Practice> {
    let practice = practice_of(test)?;
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": POLICY}));
    Some(practice)
}

/// Has a one-time password for SSH made through the proxy, which Vault leases; returns the lease.
async fn lease_through_proxy(practice: &Practice, environment: &Environment) -> Value {
    practice.vault.write("sys/mounts/ssh", &json!({"type": "ssh"}));
    let role = json!({"key_type": "otp", "default_user": "app", "cidr_list": "127.0.0.0/8"});
    practice.vault.write("ssh/roles/app", &role);
    let answer = environment.ask("POST", "/v1/ssh/creds/app", &[], r#"{"ip":"127.0.0.1"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lease = answer.json()["lease_id"].clone();
    assert!(is_leased(practice, &lease), "{lease}");
    lease
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_leased_answer_through_the_proxy_the_token_outlives_the_environment() {
    let Some(practice) = practice_of_leases("a leased answer keeps the token") else { return };
    let environment = practice.ready().await;
    let lease = lease_through_proxy(&practice, &environment).await;
    environment.shut_down().await;
    assert_eq!(practice.audit.count(REVOCATION), 0);
    assert_eq!(practice.vault.login_accessors().len(), 1);
    assert!(is_leased(&practice, &lease), "{lease}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_wanted_the_token_is_revoked_and_its_leases_with_it() {
    let test = "STRONGROOM_REVOKE=always ends leases";
    let Some(mut practice) = practice_of_leases(test) else { return };
    practice.set("STRONGROOM_REVOKE", "always");
    let environment = practice.ready().await;
    let lease = lease_through_proxy(&practice, &environment).await;
    environment.shut_down().await;
    assert_eq!(practice.audit.count(REVOCATION), 1);
    assert_eq!(practice.vault.login_accessors(), [""; 0]);
    // Vault ends a token's leases in the background.
    let deadline = Instant::now() + PATIENCE;
    while is_leased(&practice, &lease) {
        assert!(Instant::now() < deadline, "{lease} lives");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leased_secret_in_a_file_keeps_the_token_too() {
    let test = "a leased file keeps the token";
    if !beds::available(test, &[Part::Postgres]) {
        return;
    }
    let Some(mut practice) = practice_of_leases(test) else { return };
    let postgres = Postgres::start();
    postgres.serve(&practice.vault);
    practice.set("VAULT_SECRET_PATH", "database/creds/app");
    let environment = practice.ready().await;
    let seen = environment.invoke(&["/tmp/vault/secret.json"], &[]).await;
    let document: Value = serde_json::from_str(seen["files"][0].as_str().unwrap()).unwrap();
    assert!(document["data"]["username"].as_str().is_some(), "no user of the database");
    environment.shut_down().await;
    assert_eq!(practice.audit.count(REVOCATION), 0);
    assert!(is_leased(&practice, &document["lease_id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_token_made_through_the_proxy_outlives_the_environment() {
    let Some(practice) = practice_of_leases("a child token keeps its parent") else { return };
    let environment = practice.ready().await;
    let answer = environment.ask("POST", "/v1/auth/token/create", &[], r#"{"ttl":"10m"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let accessor = answer.json()["auth"]["accessor"].as_str().unwrap().to_owned();
    environment.shut_down().await;
    assert_eq!(practice.audit.count(REVOCATION), 0);
    assert_eq!(practice.vault.look_up(&accessor).status, 200);
}
