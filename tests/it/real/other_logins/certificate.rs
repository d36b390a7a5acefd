//! Client certificates, by TLS.

use serde_json::json;
use strongroom_core::failure::Category;
use strongroom_tests::beds::{self, Authority, Certified, shared_moto};
use strongroom_tests::stage::practice::Practice;

use super::super::{FUNCTION, UNDER_HOST};
use super::{check_failure, check_life, log_in_by, put_beside_code};

const LOGIN: &str = "update auth/cert/login";

/// The practice by TLS, in which Vault takes this authority's certificates for `app`, and this one is shown.
fn practice_of_certificate(
    test: &str,
    authority: &Authority,
    shown: &Certified,
) -> Option<Practice> {
    if !beds::available(test, &UNDER_HOST) {
        return None;
    }
    let mut practice = Practice::over_tls(FUNCTION.as_ref(), shared_moto());
    practice.vault.write("sys/auth/cert", &json!({"type": "cert"}));
    let entry = json!({
        "certificate": authority.pem,
        "allowed_common_names": ["app"],
        "token_policies": ["lambda"],
        "token_ttl": "1h",
    });
    practice.vault.write("auth/cert/certs/functions", &entry);
    log_in_by(&mut practice, "cert");
    let certificate = put_beside_code(&practice, "client.pem", &shown.certificate);
    practice.set("VAULT_CLIENT_CERT", &certificate);
    let key = put_beside_code(&practice, "client.key", &shown.key);
    practice.set("VAULT_CLIENT_KEY", &key);
    Some(practice)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_logs_in_whatever_entry_it_matches() {
    let authority = Authority::new();
    let shown = authority.client("app");
    let test = "a certificate logs in";
    let Some(practice) = practice_of_certificate(test, &authority, &shown) else { return };
    check_life(&practice, LOGIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_names_the_entry_to_match() {
    let authority = Authority::new();
    let shown = authority.client("app");
    let test = "a role names the entry to match";
    let Some(mut practice) = practice_of_certificate(test, &authority, &shown) else { return };
    practice.set("VAULT_AUTH_ROLE", "functions");
    check_life(&practice, LOGIN).await;
    practice.set("VAULT_AUTH_ROLE", "others");
    let said = ["VAULT_AUTH_ROLE names another entry"];
    check_failure(&practice, Category::VaultRefused, &said, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_is_refused_and_the_remedy_named() {
    let authority = Authority::new();
    let shown = Authority::new().client("app");
    let test = "a certificate of an unknown authority";
    let Some(practice) = practice_of_certificate(test, &authority, &shown) else { return };
    let said = ["invalid certificate", "no entry of auth/<mount>/certs trusts"];
    check_failure(&practice, Category::VaultRefused, &said, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused_and_the_remedy_named() {
    let authority = Authority::new();
    let shown = authority.client("other");
    let test = "a certificate for another name";
    let Some(practice) = practice_of_certificate(test, &authority, &shown) else { return };
    let said = ["no chain matching", "allowed_common_names"];
    check_failure(&practice, Category::VaultRefused, &said, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_tried_once() {
    let authority = Authority::new();
    let shown = authority.expired_client("app");
    let test = "an expired certificate is tried once";
    let Some(practice) = practice_of_certificate(test, &authority, &shown) else { return };
    let said = ["certificate has expired", "VAULT_CLIENT_CERT has expired"];
    check_failure(&practice, Category::VaultRefused, &said, &[]).await;
    assert_eq!(practice.audit.count(LOGIN), 1, "{:?}", practice.audit.requests());
}
