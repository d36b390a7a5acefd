//! `STRONGROOM_ON_OUTAGE=stale`: what is held is served while Vault cannot be reached.

use strongroom_tests::beds::Answer;
use strongroom_tests::stage::{Environment, SECRET_URL, SECRET_VALUE, Stage, within};

use super::stage;

const LEASED: &str = "/v1/database/creds/app";

/// A function whose answers are held for a moment, and kept for `stale_for` in an outage.
async fn stage_that_keeps(test: &str, stale_for: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    stage.set("VAULT_DEFAULT_CACHE_TTL", "1ms");
    stage.set("VAULT_DEFAULT_CACHE_ENABLED", "true");
    stage.set("STRONGROOM_ON_OUTAGE", "stale");
    stage.set("STRONGROOM_STALE_FOR", stale_for);
    Some(stage)
}

fn is_stale(answer: &Answer) -> bool {
    answer.headers.get("warning").is_some_and(|warning| warning.as_bytes().starts_with(b"111 "))
}

/// Reads until the answer is no secret any more.
async fn refused(environment: &Environment, path: &str) -> Answer {
    let ends = async {
        loop {
            let answer = environment.get(path).await;
            if answer.status != 200 {
                return answer;
            }
        }
    };
    within("an end of what is held", ends).await
}

#[tokio::test]
async fn what_is_held_is_served_with_a_warning_and_one_line_in_the_log() {
    let Some(mut stage) = stage_that_keeps("stale answers are served", "1h").await else { return };
    let environment = stage.ready().await;
    let fresh = environment.get(SECRET_URL).await;
    assert_eq!((fresh.status, is_stale(&fresh)), (200, false));

    stage.take_vault_away().await;
    for _ in 0..5 {
        let answer = environment.get(SECRET_URL).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(is_stale(&answer), "{:?}", answer.headers);
        assert_eq!(answer.json()["data"]["data"]["api-key"], SECRET_VALUE);
    }
    let other = environment.get("/v1/kv/data/other").await;
    assert_ne!(other.status, 200, "it is not held: {}", other.text());
    environment.line("what is held is served past its time").await;
    let log = environment.log();
    assert_eq!(log.matches("what is held is served past its time").count(), 1, "{log}");

    stage.faults.listen_again().await.unwrap();
    stage.write_secret("after the outage").await;
    let again = async { while is_stale(&environment.get(SECRET_URL).await) {} };
    within("the end of the outage", again).await;
    let answer = environment.get(SECRET_URL).await;
    assert_eq!(answer.json()["data"]["data"]["api-key"], "after the outage");
}

#[tokio::test]
async fn it_is_served_for_so_long_and_no_longer() {
    let Some(mut stage) = stage_that_keeps("stale answers end", "3s").await else { return };
    let environment = stage.ready().await;
    assert_eq!(environment.get(SECRET_URL).await.status, 200);
    stage.take_vault_away().await;
    assert!(is_stale(&environment.get(SECRET_URL).await));
    let answer = refused(&environment, SECRET_URL).await;
    assert!(matches!(answer.status, 502 | 503), "{}", answer.text());
}

#[tokio::test]
async fn a_secret_whose_lease_is_over_is_not_served() {
    let Some(mut stage) = stage_that_keeps("leased answers end", "1h").await else { return };
    stage.add_database("4s").await;
    let environment = stage.ready().await;
    assert_eq!(environment.get(LEASED).await.status, 200);
    assert_eq!(environment.get(SECRET_URL).await.status, 200);
    stage.take_vault_away().await;
    let answer = environment.get(LEASED).await;
    assert!(is_stale(&answer), "its lease lasts: {}", answer.text());
    let answer = refused(&environment, LEASED).await;
    assert!(matches!(answer.status, 502 | 503), "{}", answer.text());
    assert!(is_stale(&environment.get(SECRET_URL).await), "what has no lease is still held");
}

#[tokio::test]
async fn without_it_what_is_too_old_is_an_error() {
    let Some(mut stage) = stage("what is too old is an error").await else { return };
    stage.set("VAULT_DEFAULT_CACHE_TTL", "1ms");
    stage.set("VAULT_DEFAULT_CACHE_ENABLED", "true");
    let environment = stage.ready().await;
    assert_eq!(environment.get(SECRET_URL).await.status, 200);
    stage.take_vault_away().await;
    assert_eq!(environment.get(SECRET_URL).await.status, 502);
}
