//! Vault that is gone for a while, overloaded, or behind.

use std::time::{Duration, Instant};

use strongroom_faults::{Fault, Rule};
use strongroom_tests::beds::Answer;
use strongroom_tests::stage::{Environment, SECRET_FILE, SECRET_URL, SECRET_VALUE, Stage, within};

use super::stage;

const LOGIN: &str = "/v1/auth/aws/login";
const CACHED: [(&str, &str); 1] = [("x-vault-cache-control", "cache")];

#[tokio::test]
async fn a_restart_of_vault_is_an_error_that_says_so_and_then_over() {
    let Some(mut stage) = stage("a restart of Vault is an error and then over").await else {
        return;
    };
    stage.set("VAULT_DEFAULT_CACHE_TTL", "60s");
    let environment = stage.ready().await;
    let held = environment.ask("GET", SECRET_URL, &CACHED, "").await;
    assert_eq!(held.status, 200);

    stage.take_vault_away().await;
    for (method, body) in [("GET", ""), ("POST", r#"{"data":{"api-key":"lost"}}"#)] {
        let path = "/v1/kv/data/other";
        let answer = environment.ask(method, path, &[], body).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        let error = answer.json()["errors"][0].as_str().unwrap().to_owned();
        let address = stage.faults.address().to_string();
        assert!(error.contains(&address) && error.contains("hint"), "{error}");
    }
    let still_held = environment.ask("GET", SECRET_URL, &CACHED, "").await;
    assert_eq!((still_held.status, still_held.body), (200, held.body));

    stage.faults.listen_again().await.unwrap();
    answers_again(&environment).await;
    assert_eq!(stage.logins(), 1, "the token outlived the restart");
}

#[tokio::test]
async fn a_vault_that_keeps_failing_is_left_alone_and_asked_by_one_at_a_time() {
    let name = "a Vault that keeps failing is left alone";
    let Some(stage) = stage(name).await else { return };
    let environment = stage.ready().await;
    stage.faults.inject(Rule::new(Fault::unavailable()).path(SECRET_URL));
    let refused_by_us = |answer: &Answer| answer.text().contains("fail at once");
    let mut answer = environment.get(SECRET_URL).await;
    assert_eq!(answer.status, 503);
    while !refused_by_us(&answer) {
        answer = environment.get(SECRET_URL).await;
    }
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("Vault answered 503"), "{}", answer.text());
    assert_eq!(answer.headers["retry-after"], "1");

    let asked = |stage: &Stage| stage.faults.requests().len();
    let before = asked(&stage);
    for _ in 0..500 {
        let answer = environment.get(SECRET_URL).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    let probes = asked(&stage) - before;
    assert!(probes <= 10, "{probes} of 500 requests reached Vault");

    stage.faults.clear();
    answers_again(&environment).await;
    // What it says is read beside what it answers, and may come later.
    environment.line("Vault answers again").await;
    let log = environment.log();
    assert_eq!(log.matches("requests fail at once until").count(), 1, "{log}");
    assert_eq!(log.matches("Vault answers again").count(), 1, "{log}");
}

/// Reads until Vault's answer is there: after an outage it is asked at intervals.
async fn answers_again(environment: &Environment) {
    let answered = async { while environment.get(SECRET_URL).await.status != 200 {} };
    within("an answer after the outage", answered).await;
}

#[tokio::test]
async fn an_overloaded_vault_is_asked_again_when_it_says_so() {
    let name = "an overloaded Vault is asked again when it says so";
    let Some(mut stage) = stage(name).await else { return };
    stage.deliver_file();
    stage.set("STRONGROOM_INIT_TIMEOUT", "60s");
    stage.config.init_timeout = Duration::from_secs(60);
    let second = Duration::from_secs(1);
    for (fault, path) in [
        (Fault::too_many_requests(second), LOGIN),
        (Fault::unavailable(), LOGIN),
        (Fault::precondition_failed(), SECRET_URL),
        (Fault::too_many_requests(second), SECRET_URL),
    ] {
        stage.faults.inject(Rule::new(fault).path(path).times(1));
    }
    let start = Instant::now();
    let environment = stage.ready().await;
    // Twice Vault asked for a second, and a second more passes before it counts anew.
    assert!(start.elapsed() > Duration::from_secs(3), "{:?}", start.elapsed());
    let file = environment.invoke(&[SECRET_FILE], &[]).await["files"][0].to_string();
    assert!(file.contains(SECRET_VALUE), "{file}");
    let tries =
        |path: &str| stage.faults.requests().iter().filter(|seen| seen.path == path).count();
    assert_eq!((tries(LOGIN), tries(SECRET_URL)), (3, 3));
}

#[tokio::test]
async fn a_vault_that_asks_for_more_patience_than_there_is_ends_init_in_time() {
    let name = "a Vault that asks for more patience than there is ends init in time";
    let Some(stage) = stage(name).await else { return };
    let fault = Fault::too_many_requests(Duration::from_secs(3600));
    stage.faults.inject(Rule::new(fault).path(LOGIN));
    let environment = stage.start().await;
    let start = Instant::now();
    assert_eq!(environment.init_failure().await, "exit status 8");
    // Not earlier: what ends at once begins at once, and asks Vault again.
    let took = start.elapsed();
    assert!(took > Duration::from_secs(7) && took < Duration::from_secs(9), "{took:?}");
    let line = environment.line("[ERROR]").await;
    assert!(line.contains("429") && line.contains(LOGIN), "{line}");
}

#[tokio::test]
async fn a_request_before_the_extension_knows_of_the_invocation_is_answered_within_it() {
    let name = "a request before the extension knows of the invocation is answered within it";
    let Some(mut stage) = stage(name).await else { return };
    stage.config.timeout = Duration::from_secs(2);
    let environment = stage.ready().await;
    stage.faults.inject(Rule::new(Fault::Silence).path(SECRET_URL));
    let before = stage.faults.requests().len();
    let (answer, ()) = tokio::join!(environment.get(SECRET_URL), async {
        assert!(stage.faults.wait_for_requests(before + 1, Duration::from_secs(5)).await);
        let invoked = Instant::now();
        environment.invoke(&[], &[]).await;
        // Its answer would come after a minute, if nobody told it.
        assert!(invoked.elapsed() < Duration::from_secs(2));
    });
    assert_eq!(answer.status, 504, "{}", answer.text());
}
