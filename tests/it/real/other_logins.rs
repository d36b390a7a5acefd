//! Logins to real Vault by AppRole, JWT and certificate.

mod approle;
mod certificate;
mod jwt;
mod refusals;

use std::fs;

use serde_json::json;
use strongroom_core::failure::Category;
use strongroom_tests::beds::practice;
use strongroom_tests::stage::Environment;
use strongroom_tests::stage::practice::Practice;

use super::{REVOCATION, secret_url};

/// Sets the practice's variables for another way to log in.
fn log_in_by(practice: &mut Practice, method: &str) {
    for variable in ["VAULT_AUTH_PROVIDER", "VAULT_AUTH_ROLE", "VAULT_IAM_SERVER_ID"] {
        practice.unset(variable);
    }
    practice.set("STRONGROOM_AUTH_METHOD", method);
}

/// Puts a file beside the function's code; returns its path there.
fn put_beside_code(practice: &Practice, name: &str, content: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a secret of this test alone")]
    fs::write(practice.config.function.code.join(name), content).expect("a file beside the code");
    format!("/var/task/{name}")
}

/// One invocation reads the secret by proxy.
async fn check_secret(environment: &Environment) {
    let seen = environment.invoke(&[], &[&secret_url()]).await;
    let answer = &seen["get"][0];
    assert_eq!(answer["status"], 200, "{seen}\n{}", environment.log());
    let body = answer["body"].as_str().expect("a body");
    assert!(body.contains(practice::SECRET_VALUE), "{body}");
}

/// The function gets its secret, for one login, and the token is revoked at the end.
async fn check_life(practice: &Practice, login: &str) {
    let environment = practice.ready().await;
    assert!(environment.file("/tmp/vault/secret.json").contains(practice::SECRET_VALUE));
    check_secret(&environment).await;
    assert_eq!(practice.audit.count(login), 1, "{:?}", practice.audit.requests());
    environment.shut_down().await;
    assert_eq!(practice.audit.requests().last().map(String::as_str), Some(REVOCATION));
}

/// Init fails with this category's exit code, after logging each of `said`, and none of `secrets`.
async fn check_failure(practice: &Practice, category: Category, said: &[&str], secrets: &[&str]) {
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", category.exit_code()), "{log}");
    for part in said.iter().chain(&[category.error_type()]) {
        assert!(log.contains(part), "no {part:?} in:\n{log}");
    }
    for secret in secrets {
        assert!(!log.contains(secret), "the log holds a secret");
    }
}

/// Ends every token that came of a login at this path, as an operator would.
fn revoke_logins(practice: &Practice, mount: &str) {
    practice.vault.write(&format!("sys/leases/revoke-prefix/auth/{mount}/login"), &json!({}));
}
