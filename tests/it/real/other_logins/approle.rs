//! AppRole: secret ids in a variable, in a file, wrapped, and those that Vault refuses.

use serde_json::{Value, json};
use strongroom_core::failure::Category;
use strongroom_faults::{Fault, Faults, Rule};
use strongroom_tests::beds::ROOT_TOKEN;
use strongroom_tests::stage::Environment;
use strongroom_tests::stage::practice::Practice;

use super::super::{practice_of, secret_url};
use super::{check_failure, check_life, check_secret, log_in_by, put_beside_code, revoke_logins};

const LOGIN: &str = "update auth/approle/login";
const LOOKUP: &str = "update sys/wrapping/lookup";
const UNWRAPPING: &str = "update sys/wrapping/unwrap";
const ROLE: &str = "auth/approle/role/app";

/// The practice with a role that is bound by these settings, too.
fn practice_of_approle(test: &str, role: Value) -> Option<Practice> {
    let mut practice = practice_of(test)?;
    let vault = &practice.vault;
    vault.write("sys/auth/approle", &json!({"type": "approle"}));
    vault.write(ROLE, &json!({"token_policies": ["lambda"], "token_ttl": "1h"}));
    vault.write(ROLE, &role);
    let role_id = vault.read(&format!("{ROLE}/role-id"));
    let role_id = role_id["data"]["role_id"].as_str().expect("a role id").to_owned();
    log_in_by(&mut practice, "approle");
    practice.set("STRONGROOM_APPROLE_ROLE_ID", &role_id);
    Some(practice)
}

fn new_secret_id(practice: &Practice) -> String {
    let path = format!("{ROLE}/secret-id");
    let answer = practice.vault.request("POST", &path, ROOT_TOKEN, Some(&json!({})));
    answer.json()["data"]["secret_id"].as_str().expect("a secret id").to_owned()
}

fn destroy(practice: &Practice, secret_id: &str) {
    practice.vault.write(&format!("{ROLE}/secret-id/destroy"), &json!({"secret_id": secret_id}));
}

fn wrapped_secret_id(practice: &Practice) -> String {
    practice.vault.wrapped(&format!("{ROLE}/secret-id"), &json!({}), "5m")
}

fn give_wrapped(practice: &mut Practice, wrapping_token: &str) {
    practice.set("STRONGROOM_APPROLE_SECRET_ID", wrapping_token);
    practice.set("STRONGROOM_APPROLE_SECRET_ID_WRAPPED", "on");
}

/// A request gets no token, and is told why.
async fn check_refusal(environment: &Environment, said: &str) {
    let answer = environment.get(&secret_url()).await;
    assert!(answer.status >= 500, "{}", answer.text());
    assert!(answer.text().contains(said), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_id_in_a_variable_logs_in() {
    let Some(mut practice) = practice_of_approle("a secret id logs in", json!({})) else { return };
    let secret_id = new_secret_id(&practice);
    practice.set("STRONGROOM_APPROLE_SECRET_ID", &secret_id);
    check_life(&practice, LOGIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_asks_for_no_secret_id_is_logged_in_to_without() {
    let role = json!({"bind_secret_id": false, "token_bound_cidrs": ["127.0.0.0/8"]});
    let Some(practice) = practice_of_approle("a role id alone logs in", role) else { return };
    check_life(&practice, LOGIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_id_in_a_file_is_read_for_each_login() {
    let test = "a secret id in a file is read for each login";
    let Some(mut practice) = practice_of_approle(test, json!({})) else { return };
    let first = new_secret_id(&practice);
    let file = put_beside_code(&practice, "secret-id", &format!("{first}\n"));
    practice.set("STRONGROOM_APPROLE_SECRET_ID_FILE", &file);
    let environment = practice.ready().await;
    check_secret(&environment).await;
    let second = new_secret_id(&practice);
    put_beside_code(&practice, "secret-id", &second);
    destroy(&practice, &first);
    revoke_logins(&practice, "approle");
    check_secret(&environment).await;
    assert_eq!(practice.audit.count(LOGIN), 2, "{:?}", practice.audit.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapped_secret_id_is_unwrapped_once_and_serves_every_login() {
    let test = "a wrapped secret id is unwrapped once";
    let Some(mut practice) = practice_of_approle(test, json!({})) else { return };
    let wrapping_token = wrapped_secret_id(&practice);
    give_wrapped(&mut practice, &wrapping_token);
    let environment = practice.ready().await;
    check_secret(&environment).await;
    revoke_logins(&practice, "approle");
    check_secret(&environment).await;
    let requests = practice.audit.requests();
    let of_login = |request: &&String| [LOGIN, LOOKUP, UNWRAPPING].contains(&request.as_str());
    let of_login: Vec<_> = requests.iter().filter(of_login).collect();
    assert_eq!(of_login, [LOOKUP, UNWRAPPING, LOGIN, LOGIN]);
    assert!(!environment.log().contains(&wrapping_token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_wrapping_token_in_the_file_is_unwrapped_in_turn() {
    let test = "a new wrapping token is unwrapped in turn";
    let Some(mut practice) = practice_of_approle(test, json!({"secret_id_num_uses": 1})) else {
        return;
    };
    let file = put_beside_code(&practice, "wrapping-token", &wrapped_secret_id(&practice));
    practice.set("STRONGROOM_APPROLE_SECRET_ID_FILE", &file);
    practice.set("STRONGROOM_APPROLE_SECRET_ID_WRAPPED", "on");
    let environment = practice.ready().await;
    put_beside_code(&practice, "wrapping-token", &wrapped_secret_id(&practice));
    revoke_logins(&practice, "approle");
    check_secret(&environment).await;
    assert_eq!(practice.audit.count(UNWRAPPING), 2, "{:?}", practice.audit.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapping_token_that_another_has_unwrapped_is_an_alarm() {
    let test = "a wrapping token that another has unwrapped";
    let Some(mut practice) = practice_of_approle(test, json!({})) else { return };
    let wrapping_token = wrapped_secret_id(&practice);
    let stolen = practice.vault.request("POST", "sys/wrapping/unwrap", &wrapping_token, None);
    assert_eq!(stolen.status, 200, "{}", stolen.text());
    give_wrapped(&mut practice, &wrapping_token);
    let said = ["wrapping token is not valid", "somebody else has the secret id"];
    check_failure(&practice, Category::VaultRefused, &said, &[&wrapping_token]).await;
    assert_eq!(practice.audit.count(LOGIN), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapping_token_that_was_made_elsewhere_is_not_unwrapped() {
    let test = "a wrapping token that was made elsewhere";
    let Some(mut practice) = practice_of_approle(test, json!({})) else { return };
    // Who stole the right one can wrap what was in it again, but not as the auth method.
    let secret_id = new_secret_id(&practice);
    let wrapped = json!({"secret_id": secret_id});
    let forged = practice.vault.wrapped("sys/wrapping/wrap", &wrapped, "5m");
    give_wrapped(&mut practice, &forged);
    let said = ["STRONGROOM_APPROLE_SECRET_ID", "auth/approle", "sys/wrapping/wrap"];
    check_failure(&practice, Category::Config, &said, &[&forged, &secret_id]).await;
    assert_eq!(practice.audit.count(UNWRAPPING), 0);
    assert_eq!(practice.audit.count(LOGIN), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapping_token_whose_content_was_lost_on_its_way_is_not_waited_for() {
    let test = "the content of a wrapping token is lost";
    let Some(mut practice) = practice_of_approle(test, json!({})) else { return };
    let address = practice.vault.address.trim_start_matches("http://").parse().unwrap();
    let faults = Faults::start(address).await.unwrap();
    let lost = faults.inject(Rule::new(Fault::HalfAnswer).path("/v1/sys/wrapping/unwrap"));
    practice.set("VAULT_ADDR", &faults.url());
    let wrapping_token = wrapped_secret_id(&practice);
    give_wrapped(&mut practice, &wrapping_token);
    let said = ["wrapping token is not valid", "give a new one"];
    check_failure(&practice, Category::VaultRefused, &said, &[&wrapping_token]).await;
    assert_eq!(faults.met(lost), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_id_is_tried_once() {
    let test = "a wrong secret id is tried once";
    let Some(mut practice) = practice_of_approle(test, json!({})) else { return };
    let secret_id = new_secret_id(&practice);
    destroy(&practice, &secret_id);
    practice.set("STRONGROOM_APPROLE_SECRET_ID", &secret_id);
    practice.set("VAULT_MAX_RETRIES", "2");
    let said = ["invalid secret id", "make a new one with auth/<mount>/role/<name>/secret-id"];
    check_failure(&practice, Category::VaultRefused, &said, &[&secret_id]).await;
    assert_eq!(practice.audit.count(LOGIN), 1, "{:?}", practice.audit.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_id_that_was_destroyed_does_not_lock_the_role_out() {
    let test = "a destroyed secret id does not lock the role out";
    let Some(mut practice) = practice_of_approle(test, json!({})) else { return };
    let (ours, of_another) = (new_secret_id(&practice), new_secret_id(&practice));
    let file = put_beside_code(&practice, "secret-id", &ours);
    practice.set("STRONGROOM_APPROLE_SECRET_ID_FILE", &file);
    let environment = practice.ready().await;
    destroy(&practice, &ours);
    revoke_logins(&practice, "approle");
    check_refusal(&environment, "invalid secret id").await;
    for _ in 0..6 {
        check_refusal(&environment, "not tried again").await;
    }
    assert_eq!(practice.audit.count(LOGIN), 2, "{:?}", practice.audit.requests());
    // Vault has not locked the role out, and a new secret id is tried at once.
    put_beside_code(&practice, "secret-id", &of_another);
    check_secret(&environment).await;
}
