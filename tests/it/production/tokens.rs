//! Tokens that die while the function runs.

use strongroom_devvault::Release;
use strongroom_faults::{Fault, Rule};
use strongroom_tests::beds::Part;
use strongroom_tests::stage::{Environment, SECRET_URL, SECRET_VALUE, client, within};
use tokio::task::JoinSet;

use super::{stage, stage_with};

#[tokio::test]
async fn a_revoked_token_costs_one_login_and_no_answer() {
    for release in [Release::V1_14, Release::V1_21] {
        let name = "a revoked token costs one login and no answer";
        let Some(stage) = stage_with(name, &[Part::Extension], release).await else { return };
        let environment = stage.ready().await;
        reads_the_secret(&environment).await;
        assert_eq!(stage.logins(), 1);

        stage.revoke_logins().await;
        reads_the_secret(&environment).await;
        assert_eq!(stage.logins(), 2, "{release:?}");

        stage.revoke_logins().await;
        twenty_read_at_once(&environment).await;
        assert_eq!(stage.logins(), 3, "{release:?}: one login for all");
    }
}

#[tokio::test]
async fn a_policys_no_costs_no_login() {
    for release in [Release::V1_14, Release::V1_21] {
        let name = "a policy's no costs no login";
        let Some(stage) = stage_with(name, &[Part::Extension], release).await else { return };
        let environment = stage.ready().await;
        for _ in 0..3 {
            let answer = environment.get("/v1/kv/data/forbidden").await;
            assert_eq!(answer.status, 403, "{release:?}: {}", answer.text());
        }
        assert_eq!(stage.logins(), 1, "{release:?}");
    }
}

#[tokio::test]
async fn a_token_that_a_balancers_other_vault_does_not_know_is_replaced() {
    let name = "a token that is suddenly unknown is replaced";
    let Some(stage) = stage(name).await else { return };
    let environment = stage.ready().await;
    reads_the_secret(&environment).await;
    stage.faults.kill_tokens();
    twenty_read_at_once(&environment).await;
    assert_eq!(stage.logins(), 2);
}

async fn reads_the_secret(environment: &Environment) {
    let answer = environment.get(SECRET_URL).await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), environment.log());
    assert_eq!(answer.json()["data"]["data"]["api-key"], SECRET_VALUE);
}

async fn twenty_read_at_once(environment: &Environment) {
    let mut reads = JoinSet::new();
    for _ in 0..20 {
        let address = environment.proxy();
        reads.spawn(async move {
            let asked = client::ask(address, "GET", SECRET_URL, &[], "");
            within("an answer", asked).await.expect("the proxy answers").status
        });
    }
    assert_eq!(reads.join_all().await, [200; 20], "{}", environment.log());
}

#[tokio::test]
async fn a_token_that_may_not_be_renewed_is_used_to_its_end_without_asking_again() {
    let name = "a token that may not be renewed is used to its end";
    let Some(mut stage) = stage(name).await else { return };
    stage.set("VAULT_TOKEN_EXPIRY_GRACE_PERIOD", "100ms");
    let role = serde_json::json!({ "token_ttl": "5s", "token_max_ttl": "1h" });
    stage.write("auth/aws/role/lambda-role", role).await;
    let environment = stage.ready().await;
    let refusal = Fault::Answer {
        body: r#"{"errors":["lease is not renewable"]}"#.to_owned(),
        retry_after: None,
        status: 400,
    };
    let renewal = "/v1/auth/token/renew-self";
    stage.faults.inject(Rule::new(refusal).path(renewal));
    let replaced = async {
        while stage.logins() < 2 {
            reads_the_secret(&environment).await;
        }
    };
    within("a second login", replaced).await;
    let seen = stage.faults.requests();
    let renewals = seen.iter().filter(|request| request.path == renewal).count();
    assert_eq!(renewals, 1, "{}", environment.log());
}
