//! What the extension says when real Vault, or the AWS behind it, refuses the login.

use secrecy::ExposeSecret as _;
use strongroom_core::failure::Category;
use strongroom_tests::beds::{practice, shared_moto};
use strongroom_tests::stage::practice::Practice;

use super::{LOGIN, practice_of};

/// Init fails with this category's exit code, after logging each of `said`, and no secret of the login.
async fn check(practice: &Practice, category: Category, said: &[&str]) {
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", category.exit_code()), "{log}");
    for part in said.iter().chain(&[category.error_type()]) {
        assert!(log.contains(part), "no {part:?} in:\n{log}");
    }
    let credentials = &practice.config.credentials;
    for secret in [&credentials.secret_access_key, &credentials.session_token] {
        assert!(!log.contains(secret.expose_secret()), "the log holds credentials");
    }
    assert_eq!(practice.vault.login_accessors(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_key_is_refused_by_sts_and_said_so() {
    let Some(mut practice) = practice_of("a wrong secret key is refused") else { return };
    let mut key = shared_moto().session.clone();
    key.secret = key.secret.chars().rev().collect();
    practice.act_as(&key);
    let said = ["400", "body of GetCallerIdentity is invalid", "the signature was refused"];
    check(&practice, Category::VaultRefused, &said).await;
    assert_eq!(practice.audit.requests(), [LOGIN]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unbound_role_is_refused_and_the_arn_to_bind_is_named() {
    let Some(mut practice) = practice_of("an unbound role is refused") else { return };
    practice.act_as(&shared_moto().unbound_session);
    let arn = format!("assumed-role/{}/{}", practice::UNBOUND_ROLE, practice::FUNCTION);
    let said = [arn.as_str(), "does not belong to the role", "bound_iam_principal_arn"];
    check(&practice, Category::VaultRefused, &said).await;
    assert_eq!(practice.audit.requests(), [LOGIN]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_server_id_is_refused_and_its_variable_named() {
    let Some(mut practice) = practice_of("a wrong server id is refused") else { return };
    practice.set("VAULT_IAM_SERVER_ID", "vault.elsewhere");
    let said = ["X-Vault-AWS-IAM-Server-ID", "VAULT_IAM_SERVER_ID differs"];
    check(&practice, Category::VaultRefused, &said).await;
    assert_eq!(practice.audit.requests(), [LOGIN]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_server_id_is_refused_and_its_variable_named() {
    let Some(mut practice) = practice_of("a missing server id is refused") else { return };
    practice.unset("VAULT_IAM_SERVER_ID");
    let said = ["missing header", "Vault wants a server id: set VAULT_IAM_SERVER_ID"];
    check(&practice, Category::VaultRefused, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_role_is_refused_and_its_variable_named() {
    let Some(mut practice) = practice_of("an unknown role is refused") else { return };
    practice.set("VAULT_AUTH_ROLE", "nobody");
    let said = ["entry for role", "nobody", "VAULT_AUTH_ROLE names no role"];
    check(&practice, Category::VaultRefused, &said).await;
    assert_eq!(practice.audit.requests(), [LOGIN]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auth_method_that_is_not_there_is_refused_and_its_variable_named() {
    let Some(mut practice) = practice_of("an unknown auth method is refused") else { return };
    practice.set("VAULT_AUTH_PROVIDER", "aws-elsewhere");
    let said = ["403", "permission denied", "VAULT_AUTH_PROVIDER names no auth method"];
    check(&practice, Category::VaultRefused, &said).await;
}
