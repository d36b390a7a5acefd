//! Real Vault falls silent, goes away and comes back under a running function.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_tests::beds::{Audit, Vault, shared_moto};
use strongroom_tests::stage::practice::Practice;
use strongroom_tests::stage::{Environment, within};

use super::{LOGIN, practice_of, read_of_secret, secret_url};

/// The function's time-out while Vault is away.
const TIMEOUT: Duration = Duration::from_secs(4);
/// What a function must have left to say what went wrong, instead of being timed out itself.
const TO_HANDLE_IT: Duration = Duration::from_millis(50);

/// One invocation that reads the secret by proxy: status and body of what it got.
async fn read(environment: &Environment) -> (u64, Value) {
    let seen = environment.invoke(&[], &[&secret_url()]).await;
    let answer = &seen["get"][0];
    let status =
        answer["status"].as_u64().unwrap_or_else(|| panic!("{seen}\n{}", environment.log()));
    let body = answer["body"].as_str().unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {body}")))
}

/// An invocation is told in Vault's form, with this status, why there is no secret, while it still has time.
async fn check_outage(environment: &Environment, status: u64, said: &str) {
    let began = Instant::now();
    let (seen, body) = read(environment).await;
    assert_eq!(seen, status, "{body}");
    assert!(body["errors"][0].as_str().is_some_and(|error| error.contains(said)), "{body}");
    let left = TIMEOUT.saturating_sub(began.elapsed());
    assert!(left > TO_HANDLE_IT, "answered with {left:?} left");
}

async fn check_secret(environment: &Environment, value: &str) {
    let (status, body) = read(environment).await;
    assert_eq!((status, &body["data"]["data"]["api-key"]), (200, &json!(value)), "{body}");
}

fn practice_with_short_timeout(test: &str) -> Option<Practice> {
    let mut practice = practice_of(test)?;
    practice.config.timeout = TIMEOUT;
    Some(practice)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_vault_costs_an_error_in_time_and_nothing_afterwards() {
    let test = "real Vault falls silent";
    let Some(practice) = practice_with_short_timeout(test) else { return };
    let environment = practice.ready().await;
    check_secret(&environment, "ABCDEFG9876").await;
    practice.vault.freeze();
    check_outage(&environment, 504, "no answer in time").await;
    practice.vault.thaw();
    check_secret(&environment, "ABCDEFG9876").await;
    assert_eq!(practice.audit.count(LOGIN), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_was_restarted_is_logged_in_to_anew() {
    let test = "real Vault stopped and restarted";
    let Some(practice) = practice_with_short_timeout(test) else { return };
    let environment = practice.ready().await;
    check_secret(&environment, "ABCDEFG9876").await;

    let address = practice.vault.address.clone();
    drop(practice.vault);
    check_outage(&environment, 502, "cannot connect").await;
    check_outage(&environment, 502, "cannot connect").await;

    let vault = Vault::start_on(address.trim_start_matches("http://"));
    vault.set_up_practice(shared_moto());
    vault.write_secret("after the restart");
    let audit = Audit::of(&vault);
    // After so many failures it is asked at intervals only.
    let asked_again = async { while read(&environment).await.0 == 503 {} };
    within("a request that Vault sees", asked_again).await;
    check_secret(&environment, "after the restart").await;
    // The token is unknown there, which this release says in the words in which it might refuse a path,
    // and what it refuses in that way it does not audit.
    assert_eq!(audit.requests(), [LOGIN, &read_of_secret(), &read_of_secret()]);
    environment.line("the token is dead: logging in again").await;
    let log = environment.log();
    assert_eq!(log.matches("the token is dead: logging in again").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_vault_holds_up_the_end_for_a_second_at_most() {
    let Some(practice) = practice_of("the environment ends while Vault is silent") else { return };
    let environment = practice.ready().await;
    practice.vault.freeze();
    let ended = environment.shut_down().await;
    assert_eq!(ended.exit(&environment.source()), Some("exit status 0"), "{ended:?}");
    assert!(environment.log().contains("could not be revoked"), "{}", environment.log());
}
