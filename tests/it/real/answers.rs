//! What real Vault answers when it does not simply answer: by TLS, sealed, out of quota, nothing there.

use serde_json::{Value, json};
use strongroom_core::failure::Category;
use strongroom_tests::beds::{self, ROOT_TOKEN, practice, shared_moto};
use strongroom_tests::stage::practice::Practice;

use super::{FUNCTION, UNDER_HOST, practice_of, read_of_secret, secret_url};

/// Where the practice has its secret written.
const FILE: &str = "/tmp/vault/secret.json";

/// The practice, whose role may read everything in its engine.
fn practice_of_reader(test: &str) -> Option<Practice> {
    let practice = practice_of(test)?;
    let policy = r#"path "kv/data/test/*" { capabilities = ["read"] }"#;
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": policy}));
    Some(practice)
}

/// Init fails because there is no secret, and each of `said` is logged.
async fn check_missing(practice: &Practice, said: &[&str]) {
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", Category::SecretMissing.exit_code()), "{log}");
    for part in said {
        assert!(log.contains(part), "no {part:?} in:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vaults_own_tls_is_spoken_with_a_certificate_of_a_private_authority() {
    if !beds::available("real Vault's TLS", &UNDER_HOST) {
        return;
    }
    let mut practice = Practice::over_tls(FUNCTION.as_ref(), shared_moto());
    let environment = practice.ready().await;
    let answer = environment.get(&secret_url()).await;
    assert_eq!(answer.json()["data"]["data"][practice::SECRET_KEY], practice::SECRET_VALUE);
    drop(environment);

    practice.unset("VAULT_CACERT_BYTES");
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", Category::Tls.exit_code()), "{log}");
    assert!(log.contains("VAULT_CACERT"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_vaults_answer_passes_through() {
    let Some(practice) = practice_of("a sealed Vault's answer passes through") else { return };
    let environment = practice.ready().await;
    practice.vault.write("sys/seal", &json!({}));
    let answer = environment.get(&secret_url()).await;
    assert_eq!((answer.status, answer.json()), (503, json!({"errors": ["Vault is sealed"]})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_sealed_from_the_start_fails_init_and_says_so() {
    let Some(practice) = practice_of("a sealed Vault fails init") else { return };
    practice.vault.write("sys/seal", &json!({}));
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", Category::VaultRefused.exit_code()), "{log}");
    assert!(log.contains("503") && log.contains("Vault is sealed"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_for_files_wait_until_a_rate_limit_lets_them_through() {
    let Some(mut practice) = practice_of("a rate limit lets reads through later") else { return };
    let quota = json!({"rate": 1, "path": "kv/data/test"});
    let other = practice::SECRET_PATH.replacen("/lambda", "/other", 1);
    let value = json!({"data": {practice::SECRET_KEY: practice::SECRET_VALUE}});
    practice.vault.write(&other, &value);
    let policy = r#"path "kv/data/test/*" { capabilities = ["read"] }"#;
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": policy}));
    practice.vault.write("sys/quotas/rate-limit/slow", &quota);
    practice.set("VAULT_SECRET_PATH_OTHER", &other);
    practice.set("VAULT_SECRET_FILE_OTHER", "/tmp/vault/other.json");
    let environment = practice.ready().await;
    let seen = environment.invoke(&[FILE, "/tmp/vault/other.json"], &[]).await;
    for file in seen["files"].as_array().unwrap() {
        let document: Value = serde_json::from_str(file.as_str().unwrap()).unwrap();
        assert_eq!(document["data"]["data"][practice::SECRET_KEY], practice::SECRET_VALUE);
    }
    environment.line("trying again").await;
    assert!(environment.log().contains("429"), "{}", environment.log());
    assert_eq!(practice.audit.count(&read_of_secret()), 1);
    assert_eq!(practice.audit.count(&format!("read {other}")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_told_to_clients_of_the_proxy_as_vault_tells_it() {
    let Some(practice) = practice_of("a rate limit passes through the proxy") else { return };
    let environment = practice.ready().await;
    let quota = json!({"rate": 1, "interval": "60s", "path": "kv/data/test"});
    practice.vault.write("sys/quotas/rate-limit/slow", &quota);
    assert_eq!(environment.get(&secret_url()).await.status, 200);
    let answer = environment.get(&secret_url()).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.json()["errors"][0].as_str().is_some(), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_data_fails_and_the_path_that_works_is_named() {
    let Some(mut practice) = practice_of_reader("a path without data/ fails") else { return };
    practice.set("VAULT_SECRET_PATH", "kv/data/test/lambda");
    let said = [
        "there is no secret at kv/data/test/lambda",
        "set VAULT_SECRET_PATH to kv/data/test/data/lambda",
    ];
    check_missing(&practice, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_and_a_deleted_one_fail_and_are_named() {
    let Some(mut practice) = practice_of_reader("a deleted secret fails") else { return };
    let deleted = practice.vault.request("DELETE", practice::SECRET_PATH, ROOT_TOKEN, None);
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    let said = [practice::SECRET_PATH, "whether the secret or its version was deleted"];
    check_missing(&practice, &said).await;

    practice.set("VAULT_SECRET_PATH", "kv/data/test/data/nowhere");
    check_missing(&practice, &["there is no secret at kv/data/test/data/nowhere"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_null_where_that_is_wanted() {
    let Some(mut practice) = practice_of_reader("a missing secret is null") else { return };
    practice.set("VAULT_SECRET_PATH", "kv/data/test/data/nowhere");
    practice.set("STRONGROOM_MISSING_SECRET", "null");
    let environment = practice.ready().await;
    let seen = environment.invoke(&[FILE], &[]).await;
    assert_eq!(seen["files"], json!(["null"]));
}
