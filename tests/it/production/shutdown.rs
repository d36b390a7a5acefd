//! The end of an environment: Lambda gives extensions two seconds, and the log no more after them.

use std::time::Duration;

use strongroom_faults::{Fault, Rule};
use strongroom_tests::stage::{Environment, PATIENCE, SECRET_URL, client};

use super::stage;

const REVOKE: &str = "/v1/auth/token/revoke-self";
/// Well within Lambda's two seconds.
const SOON: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn the_token_is_refused_after_the_end() {
    let Some(stage) = stage("the token is refused after the end").await else { return };
    let environment = stage.ready().await;
    assert_eq!(stage.login_accessors().await.len(), 1);
    ends_well(&environment).await;
    assert_eq!(stage.login_accessors().await.len(), 0, "{}", environment.log());
}

#[tokio::test]
async fn a_token_that_a_lease_hangs_on_is_left_to_expire() {
    let name = "a token that a lease hangs on is left to expire";
    let Some(mut stage) = stage(name).await else { return };
    stage.set("STRONGROOM_REVOKE", "auto");
    // The embedded Vault has no engine that leases.
    let body = r#"{"lease_id":"database/creds/app/1","lease_duration":3600,"renewable":true,"data":{"username":"u","password":"p"}}"#;
    let leased = Fault::Answer { body: body.to_owned(), retry_after: None, status: 200 };
    stage.faults.inject(Rule::new(leased).path("/v1/database/creds/app"));
    let environment = stage.ready().await;
    assert_eq!(environment.get("/v1/database/creds/app").await.json()["data"]["password"], "p");
    ends_well(&environment).await;
    assert_eq!(stage.login_accessors().await.len(), 1);
}

#[tokio::test]
async fn the_end_comes_in_time_whatever_vault_does() {
    let name = "the end comes in time whatever Vault does";
    let Some(mut stage) = stage(name).await else { return };
    // Gone.
    let environment = stage.ready().await;
    stage.take_vault_away().await;
    ends_well(&environment).await;
    environment.line("the token could not be revoked").await;
    stage.faults.listen_again().await.unwrap();

    // Silent, to the revocation and to a request of the function that still waits.
    let environment = stage.ready().await;
    stage.faults.inject(Rule::new(Fault::Silence).path(SECRET_URL));
    stage.faults.inject(Rule::new(Fault::Silence).path(REVOKE));
    let seen = stage.faults.requests().len();
    let waiting = tokio::spawn(client::ask(environment.proxy(), "GET", SECRET_URL, &[], ""));
    assert!(stage.faults.wait_for_requests(seen + 1, PATIENCE).await, "{}", environment.log());
    ends_well(&environment).await;
    assert!(waiting.await.unwrap().is_err(), "there was no answer to give");
}

async fn ends_well(environment: &Environment) {
    let end = environment.shut_down().await;
    assert_eq!(end.exit(&environment.source()), Some("exit status 0"), "{}", environment.log());
    assert!(end.duration < SOON, "{:?}\n{}", end.duration, environment.log());
}
