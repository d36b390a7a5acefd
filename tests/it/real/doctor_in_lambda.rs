//! `STRONGROOM_DOCTOR=1`: the same report in the log of a function, whose start goes on as if nothing had been asked.

use secrecy::ExposeSecret as _;
use serde_json::json;
use strongroom_core::failure::Category;
use strongroom_tests::beds::practice;
use strongroom_tests::stage::practice::Practice;

use super::{LOGIN, REVOCATION, practice_of, secret_url};

fn examined(test: &str) -> Option<Practice> {
    let mut practice = practice_of(test)?;
    practice.set("STRONGROOM_DOCTOR", "1");
    Some(practice)
}

/// No line of the log holds a secret or a token.
fn check_canaries(practice: &Practice, log: &str) {
    let credentials = &practice.config.credentials;
    for secret in [&credentials.secret_access_key, &credentials.session_token] {
        assert!(!log.contains(secret.expose_secret()), "the log holds credentials");
    }
    for canary in [practice::SECRET_VALUE, "hvs."] {
        assert!(!log.contains(canary), "the log holds {canary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_wrong_the_log_says_so_and_the_function_has_its_secret() {
    let Some(practice) = examined("the log says that nothing is wrong") else { return };
    let environment = practice.ready().await;
    environment.line("doctor: faults: 0, warnings: 0").await;
    let log = environment.log();
    for said in [
        "doctor: ok variables",
        "doctor: ok tcp",
        "doctor: ok health: Vault 1.",
        "doctor: ok auth-mount: auth/aws is there",
        "doctor: ok login: auth/aws as role lambda-role",
        "doctor: ok secret: kv/data/test/data/lambda, version 1",
        "doctor: ok layer: /opt/extensions/strongroom",
        "doctor: ok time-outs",
        "doctor: faults: 0, warnings: 0",
    ] {
        assert!(log.contains(said), "no {said:?} in:\n{log}");
    }
    check_canaries(&practice, &log);
    assert_eq!(environment.get(&secret_url()).await.status, 200);
    // The report's own token was revoked, and the function's is another.
    assert_eq!(practice.audit.count(LOGIN), 3, "{:?}", practice.audit.requests());
    assert_eq!(practice.audit.count(REVOCATION), 1);
    assert_eq!(practice.vault.login_accessors().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_start_fails_the_log_says_first_which_link_is_broken() {
    let Some(mut practice) = examined("the log says which link is broken") else { return };
    let role = format!("auth/aws/role/{}", practice::ROLE);
    let arn = format!("arn:aws:iam::{}:role/{}", practice::ACCOUNT, practice::UNBOUND_ROLE);
    practice.vault.write(&role, &json!({"bound_iam_principal_arn": arn}));
    practice.set("API_KEY", "vault:kv/data/test/data/lambda#api-key");
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", Category::VaultRefused.exit_code()), "{log}");
    for said in [
        "doctor: FAULT role-binding: tried: a login at auth/aws as role lambda-role",
        "does not belong to the role",
        "doctor: - policy: not looked at, as role-binding comes first",
        "doctor: warn wrapper",
        Category::VaultRefused.error_type(),
    ] {
        assert!(log.contains(said), "no {said:?} in:\n{log}");
    }
    check_canaries(&practice, &log);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_do_not_keep_the_report_from_the_log() {
    let Some(mut practice) = examined("wrong settings do not keep the report away") else { return };
    practice.unset("VAULT_AUTH_ROLE");
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", Category::Config.exit_code()), "{log}");
    for said in [
        "doctor: FAULT variables: tried: VAULT_AUTH_ROLE",
        "doctor: ok layer",
        "doctor: faults: 1, warnings: 0",
    ] {
        assert!(log.contains(said), "no {said:?} in:\n{log}");
    }
    assert_eq!(practice.audit.count(LOGIN), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_does_not_answer_costs_the_report_a_part_of_the_time_for_init() {
    let Some(practice) = examined("a silent Vault costs a part of the time") else { return };
    practice.vault.freeze();
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", Category::VaultUnreachable.exit_code()), "{log}");
    assert!(log.contains("doctor: FAULT health"), "{log}");
    assert!(log.contains("Vault does not answer in time"), "{log}");
}
