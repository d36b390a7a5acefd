//! A token's life in real Vault: renewed, replaced, revoked by others.

use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_tests::beds::practice;
use strongroom_tests::stage::practice::Practice;
use strongroom_tests::stage::{Environment, PATIENCE};

use super::{LOGIN, RENEWAL, REVOCATION, practice_of, secret_url};

/// Sets how the role's tokens live.
fn write_role(practice: &Practice, role: serde_json::Value) {
    practice.vault.write(&format!("auth/aws/role/{}", practice::ROLE), &role);
}

/// Reads the secret in one invocation after the other, which all must get it, until Vault has seen what is wanted.
async fn read_until(
    environment: &Environment,
    practice: &Practice,
    wanted: impl Fn(&[String]) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = environment.invoke(&[], &[&secret_url()]).await;
        assert_eq!(seen["get"][0]["status"], 200, "{seen}\n{}", environment.log());
        let requests = practice.audit.requests();
        if wanted(&requests) {
            return;
        }
        assert!(Instant::now() < deadline, "{requests:?}\n{}", environment.log());
        // Tokens age in real time, which nothing can hurry; this is only how often they are looked at.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The logins, renewals and revocations among these requests.
///
/// A look at the token may come between: Vault counts a token's life in whole seconds, so that it can die a moment
/// before its time, and then the extension asks before it logs in.
fn of_token(requests: &[String]) -> Vec<&str> {
    let is_of_token = |request: &&str| [LOGIN, RENEWAL, REVOCATION].contains(request);
    requests.iter().map(String::as_str).filter(is_of_token).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_as_long_as_it_can_be_and_then_replaced() {
    let Some(practice) = practice_of("a token is renewed, then replaced") else { return };
    write_role(&practice, json!({"token_ttl": "5s", "token_max_ttl": "12s"}));
    let environment = practice.ready().await;
    let replaced = |requests: &[String]| {
        of_token(requests).last() == Some(&LOGIN) && of_token(requests).len() > 1
    };
    read_until(&environment, &practice, replaced).await;
    let requests = practice.audit.requests();
    let requests = of_token(&requests);
    let [LOGIN, renewals @ .., LOGIN] = &requests[..] else { panic!("{requests:?}") };
    assert!(renewals.len() >= 2, "{requests:?}");
    assert!(renewals.iter().all(|request| *request == RENEWAL), "{requests:?}");
    environment.shut_down().await;
    assert_eq!(practice.audit.requests().last().map(String::as_str), Some(REVOCATION));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_token_is_renewed_for_ever() {
    let Some(practice) = practice_of("a periodic token is renewed") else { return };
    write_role(&practice, json!({"token_period": "4s"}));
    let environment = practice.ready().await;
    let renewed_thrice = |requests: &[String]| of_token(requests).len() == 4;
    read_until(&environment, &practice, renewed_thrice).await;
    let requests = practice.audit.requests();
    assert_eq!(of_token(&requests), [LOGIN, RENEWAL, RENEWAL, RENEWAL]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_a_few_uses_is_replaced_when_it_is_used_up() {
    let Some(mut practice) = practice_of("a token is used up") else { return };
    write_role(&practice, json!({"token_num_uses": 3}));
    practice.set("VAULT_RUN_MODE", "proxy");
    let environment = practice.ready().await;
    for _ in 0..7 {
        let seen = environment.invoke(&[], &[&secret_url()]).await;
        assert_eq!(seen["get"][0]["status"], 200, "{seen}\n{}", environment.log());
    }
    assert_eq!(practice.audit.count(LOGIN), 3, "{:?}", practice.audit.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_tokens_are_replaced_and_neither_renewed_nor_revoked() {
    let Some(practice) = practice_of("batch tokens are replaced") else { return };
    write_role(&practice, json!({"token_type": "batch", "token_ttl": "3s"}));
    let environment = practice.ready().await;
    let replaced_twice = |requests: &[String]| of_token(requests).len() == 3;
    read_until(&environment, &practice, replaced_twice).await;
    environment.shut_down().await;
    assert_eq!(of_token(&practice.audit.requests()), [LOGIN; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_an_operator_revokes_costs_one_login() {
    let Some(practice) = practice_of("an operator revokes the token") else { return };
    let environment = practice.ready().await;
    practice.vault.revoke_logins();
    // Whoever asks at that moment gets an answer, and together they cost one login.
    let url = secret_url();
    let (first, second, third) =
        tokio::join!(environment.get(&url), environment.get(&url), environment.get(&url));
    let statuses = [first.status, second.status, third.status];
    assert_eq!(statuses, [200; 3], "{}", environment.log());
    assert_eq!(practice.audit.count(LOGIN), 2, "{:?}", practice.audit.requests());
    assert_eq!(practice.vault.login_accessors().len(), 1);
}
