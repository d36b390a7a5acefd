//! JWTs in a variable and in a file.

use serde_json::{Value, json};
use strongroom_core::failure::Category;
use strongroom_tests::stage::practice::Practice;

use super::super::practice_of;
use super::{check_failure, check_life, check_secret, log_in_by, put_beside_code, revoke_logins};
use strongroom_tests::beds::JwtIssuer;

const LOGIN: &str = "update auth/jwt/login";

/// The practice with a Vault role for this issuer's JWTs.
fn practice_of_jwt(test: &str, issuer: &JwtIssuer) -> Option<Practice> {
    let mut practice = practice_of(test)?;
    set_up(&practice, issuer);
    log_in_by(&mut practice, "jwt");
    practice.set("VAULT_AUTH_ROLE", "app");
    Some(practice)
}

pub(super) fn set_up(practice: &Practice, issuer: &JwtIssuer) {
    practice.vault.write("sys/auth/jwt", &json!({"type": "jwt"}));
    let keys = json!({"jwt_validation_pubkeys": [issuer.public_key()], "default_role": "app"});
    practice.vault.write("auth/jwt/config", &keys);
    let role = json!({
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["vault"],
        "bound_claims": {"team": "app"},
        "token_policies": ["lambda"],
        "token_ttl": "1h",
    });
    practice.vault.write("auth/jwt/role/app", &role);
}

/// What the role asks for, for `seconds` from now; without `iat` Vault would count back from the end.
pub(super) fn claims(seconds: i64) -> Value {
    let now = JwtIssuer::now();
    let issued = now + seconds.min(0);
    json!({"sub": "function", "aud": "vault", "team": "app", "iat": issued, "exp": now + seconds})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_in_a_variable_logs_in() {
    let issuer = JwtIssuer::new();
    let Some(mut practice) = practice_of_jwt("a JWT logs in", &issuer) else { return };
    practice.set("STRONGROOM_JWT", &issuer.sign(&claims(600)));
    check_life(&practice, LOGIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_role_the_default_one_is_logged_in_to() {
    let issuer = JwtIssuer::new();
    let Some(mut practice) = practice_of_jwt("a JWT and the default role", &issuer) else { return };
    practice.unset("VAULT_AUTH_ROLE");
    practice.set("STRONGROOM_JWT", &issuer.sign(&claims(600)));
    check_life(&practice, LOGIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_in_a_file_is_read_for_each_login() {
    let issuer = JwtIssuer::new();
    let test = "a JWT in a file is read for each login";
    let Some(mut practice) = practice_of_jwt(test, &issuer) else { return };
    let file = put_beside_code(&practice, "jwt", &issuer.sign(&claims(600)));
    practice.set("STRONGROOM_JWT_FILE", &file);
    let environment = practice.ready().await;
    let expired = issuer.sign(&claims(-3600));
    put_beside_code(&practice, "jwt", &expired);
    revoke_logins(&practice, "jwt");
    let answer = environment.get(&super::secret_url()).await;
    assert!(answer.status >= 500, "{}", answer.text());
    assert!(answer.text().contains("token is expired"), "{}", answer.text());
    put_beside_code(&practice, "jwt", &issuer.sign(&claims(600)));
    check_secret(&environment).await;
    assert!(!environment.log().contains(&expired), "the log holds a JWT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_file_that_is_not_there_is_named() {
    let issuer = JwtIssuer::new();
    let Some(mut practice) = practice_of_jwt("a JWT file is missing", &issuer) else { return };
    practice.set("STRONGROOM_JWT_FILE", "/var/task/nowhere");
    let said = ["STRONGROOM_JWT_FILE", "/var/task/nowhere", "No such file"];
    check_failure(&practice, Category::Config, &said, &[]).await;
    assert_eq!(practice.audit.count(LOGIN), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_of_another_issuer_is_refused_and_the_remedy_named() {
    let issuer = JwtIssuer::new();
    let test = "a JWT of another issuer is refused";
    let Some(mut practice) = practice_of_jwt(test, &issuer) else { return };
    let jwt = JwtIssuer::new().sign(&claims(600));
    practice.set("STRONGROOM_JWT", &jwt);
    let said = ["400", "no known key", "jwt_validation_pubkeys"];
    check_failure(&practice, Category::VaultRefused, &said, &[&jwt]).await;
    assert_eq!(practice.audit.count(LOGIN), 1);
}
