//! What real Vault says to logins that it refuses, and what we make of its words.

use serde_json::{Value, json};
use strongroom_core::advice;
use strongroom_tests::beds::{JwtIssuer, ROOT_TOKEN};
use strongroom_tests::stage::practice::Practice;

use super::super::practice_of;
use super::jwt;

/// Vault refuses this login, and the advice on its words holds `expect`.
fn check(practice: &Practice, mount: &str, body: &Value, expect: &str) {
    let path = format!("auth/{mount}/login");
    let answer = practice.vault.request("PUT", &path, "", Some(body));
    assert!(answer.status >= 400, "{body}: {}", answer.text());
    let errors = answer.json()["errors"][0].as_str().expect("an error").to_owned();
    let advice = advice::on_refusal(answer.status, &format!("PUT /v1/{path}"), &errors);
    let advice = advice.unwrap_or_default();
    assert!(advice.contains(expect), "{} {errors}: {advice:?}", answer.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_an_approle_has_its_remedy() {
    let Some(practice) = practice_of("refusals of an AppRole") else { return };
    let vault = &practice.vault;
    vault.write("sys/auth/approle", &json!({"type": "approle"}));
    vault.write("auth/approle/role/app", &json!({}));
    let bound = json!({"secret_id_bound_cidrs": ["10.0.0.0/8"]});
    vault.write("auth/approle/role/bound", &bound);
    let role_id = |role: &str| {
        let answer = vault.read(&format!("auth/approle/role/{role}/role-id"));
        answer["data"]["role_id"].as_str().expect("a role id").to_owned()
    };
    let path = "auth/approle/role/bound/secret-id";
    let secret_id = vault.request("POST", path, ROOT_TOKEN, Some(&json!({}))).json();
    let secret_id = &secret_id["data"]["secret_id"];
    let check = |body: Value, expect: &str| check(&practice, "approle", &body, expect);
    check(
        json!({"role_id": "nobody", "secret_id": "x"}),
        "STRONGROOM_APPROLE_ROLE_ID is that of no role",
    );
    check(json!({"role_id": role_id("app"), "secret_id": "x"}), "the secret id is wrong");
    check(json!({"role_id": role_id("app")}), "the role wants a secret id");
    check(json!({"role_id": role_id("bound"), "secret_id": secret_id}), "bound to other addresses");
    for _ in 0..5 {
        check(json!({"role_id": role_id("app"), "secret_id": "x"}), "");
    }
    check(json!({"role_id": role_id("app"), "secret_id": "x"}), "locked the role out");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_jwt_has_its_remedy() {
    let Some(practice) = practice_of("refusals of a JWT") else { return };
    let issuer = JwtIssuer::new();
    jwt::set_up(&practice, &issuer);
    practice.vault.write("auth/jwt/role/bound", &json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_subject": "other",
    }));
    let with = |claim: &str, value: Value| {
        let mut claims = jwt::claims(600);
        claims[claim] = value;
        issuer.sign(&claims)
    };
    let later = JwtIssuer::now() + 3600;
    let check_as = |role: &str, jwt: String, expect: &str| {
        check(&practice, "jwt", &json!({"role": role, "jwt": jwt}), expect);
    };
    let check_jwt = |jwt: String, expect: &str| check_as("app", jwt, expect);
    check_jwt(issuer.sign(&jwt::claims(-3600)), "the JWT is too old");
    check_jwt(with("nbf", later.into()), "the clocks of Vault and of the JWT's issuer");
    check_jwt(with("iat", later.into()), "the clocks of Vault and of the JWT's issuer");
    check_jwt(with("aud", "other".into()), "bound_audiences");
    check_jwt(with("team", "other".into()), "bound_claims");
    check_jwt("no JWT".into(), "the JWT is none");
    check_jwt(JwtIssuer::new().sign(&jwt::claims(600)), "no key of auth/<mount>/config");
    check_as("bound", issuer.sign(&jwt::claims(600)), "bound_subject");
    check_as("nobody", issuer.sign(&jwt::claims(600)), "VAULT_AUTH_ROLE names no role");
    practice.vault.write("sys/auth/other", &json!({"type": "jwt"}));
    let body = json!({"role": "app", "jwt": "x"});
    check(&practice, "other", &body, "the auth method is not set up");
    let keys = json!({"jwt_validation_pubkeys": [issuer.public_key()]});
    practice.vault.write("auth/other/config", &keys);
    check(&practice, "other", &json!({"jwt": "x"}), "set VAULT_AUTH_ROLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_by_certificate_without_tls_has_its_remedy() {
    let Some(practice) = practice_of("a certificate without TLS") else { return };
    practice.vault.write("sys/auth/cert", &json!({"type": "cert"}));
    check(&practice, "cert", &json!({}), "ends it");
}
