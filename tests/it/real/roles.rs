//! A role that is assumed before the login, on moto and on the stand-in that knows external ids; and the region that
//! the login is signed for, which only the stand-in checks.

use serde_json::json;
use strongroom_core::failure::Category;
use strongroom_tests::beds::{self, Part, practice, shared_moto};
use strongroom_tests::stage::practice::Practice;
use strongroom_tests::stage::{ROLE, SECRET_URL, SECRET_VALUE, Stage};

use super::{LOGIN, practice_of, secret_url};

/// The practice, in which only the role to assume may log in.
fn practice_with_assumed_role(test: &str) -> Option<Practice> {
    let mut practice = practice_of(test)?;
    let arn = format!("arn:aws:iam::{}:role/{}", practice::ACCOUNT, practice::ASSUMED_ROLE);
    let role = json!({"bound_iam_principal_arn": arn});
    practice.vault.write(&format!("auth/aws/role/{}", practice::ROLE), &role);
    practice.set("VAULT_ASSUMED_ROLE_ARN", &arn);
    practice.set("STRONGROOM_EXTERNAL_ID", practice::EXTERNAL_ID);
    practice.set("AWS_ENDPOINT_URL_STS", &shared_moto().address);
    Some(practice)
}

/// Init fails with this category's exit code, after logging each of `said`.
async fn check_failure(practice: &Practice, category: Category, said: &[&str]) {
    let (status, log) = practice.failure().await;
    assert_eq!(status, format!("exit status {}", category.exit_code()), "{log}");
    for part in said {
        assert!(log.contains(part), "no {part:?} in:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_with_its_external_id_and_logged_in_as() {
    let Some(practice) = practice_with_assumed_role("a role is assumed") else { return };
    let environment = practice.ready().await;
    assert_eq!(environment.get(&secret_url()).await.status, 200);
    let [accessor] = &practice.vault.login_accessors()[..] else { panic!("not one login") };
    let token = practice.vault.look_up(accessor).json();
    let session = format!("aws-{}/vault_auth", practice::ASSUMED_ROLE);
    assert_eq!(token["data"]["display_name"], session);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_wrong_external_id_the_role_is_not_assumed_and_vault_is_not_asked() {
    let Some(mut practice) = practice_with_assumed_role("an external id is wrong") else {
        return;
    };
    practice.set("STRONGROOM_EXTERNAL_ID", "of-somebody-else");
    let said = ["the role of VAULT_ASSUMED_ROLE_ARN", "403", "AccessDenied"];
    check_failure(&practice, Category::Aws, &said).await;
    assert_eq!(practice.audit.count(LOGIN), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_be_assumed_is_an_error_of_aws_and_vault_is_not_asked() {
    let Some(mut practice) = practice_with_assumed_role("a role may not be assumed") else {
        return;
    };
    practice.act_as(&shared_moto().unbound_session);
    let said = ["the role of VAULT_ASSUMED_ROLE_ARN", "403", "AccessDenied"];
    check_failure(&practice, Category::Aws, &said).await;
    assert_eq!(practice.audit.count(LOGIN), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_assuming_the_role_the_login_is_refused() {
    let Some(mut practice) = practice_with_assumed_role("a role is not assumed") else { return };
    practice.unset("VAULT_ASSUMED_ROLE_ARN");
    practice.unset("STRONGROOM_EXTERNAL_ID");
    check_failure(&practice, Category::VaultRefused, &["does not belong to the role"]).await;
}

async fn stage(test: &str) -> Option<Stage> {
    if !beds::available(test, &[Part::Extension]) {
        return None;
    }
    Some(Stage::new(super::FUNCTION.as_ref()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_wants_an_external_id_is_assumed_with_it_and_not_without() {
    let Some(mut stage) = stage("a role wants an external id").await else { return };
    let caller = format!("arn:aws:iam::123456789012:role/{ROLE}");
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"AWS": caller},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "of-the-tests"}},
        }],
    });
    let role = stage.vault.aws().create_role("partner", &trust.to_string()).unwrap();
    stage.write("auth/aws/role/lambda-role", json!({"bound_iam_principal_arn": [role]})).await;
    stage.set("VAULT_ASSUMED_ROLE_ARN", &role);
    let sts = stage.vault.aws().url();
    stage.set("AWS_ENDPOINT_URL_STS", &sts);

    let environment = stage.start().await;
    let code = Category::Aws.exit_code();
    assert_eq!(environment.init_failure().await, format!("exit status {code}"));
    assert!(environment.log().contains("AccessDenied"), "{}", environment.log());

    stage.set("STRONGROOM_EXTERNAL_ID", "of-the-tests");
    let environment = stage.ready().await;
    let answer = environment.get(SECRET_URL).await;
    assert_eq!(answer.json()["data"]["data"]["api-key"], SECRET_VALUE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_region_that_vault_expects_is_found_once_remembered_and_named() {
    const REGION: &str = "ap-northeast-2";
    let Some(mut stage) = stage("the region that Vault expects is found").await else { return };
    REGION.clone_into(&mut stage.config.region);
    stage.vault.aws().set_sts_region(REGION);
    stage.write("auth/aws/config/client", json!({"sts_region": REGION})).await;
    let environment = stage.ready().await;
    // At first for the global endpoint, then for the function's own region.
    assert_eq!(stage.logins(), 2);
    let warning = environment.line("WARN").await;
    assert!(warning.contains(&format!("set VAULT_STS_ENDPOINT_REGION={REGION}")), "{warning}");

    stage.revoke_logins().await;
    assert_eq!(environment.get(SECRET_URL).await.status, 200);
    assert_eq!(stage.logins(), 3, "the right one is remembered");
    assert_eq!(environment.log().matches("VAULT_STS_ENDPOINT_REGION").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_region_is_set_no_other_is_tried() {
    const REGION: &str = "ap-northeast-2";
    let Some(mut stage) = stage("no region but the one that is set is tried").await else { return };
    stage.vault.aws().set_sts_region(REGION);
    stage.write("auth/aws/config/client", json!({"sts_region": REGION})).await;
    stage.set("VAULT_STS_ENDPOINT_REGION", "eu-west-1");
    let environment = stage.start().await;
    let code = Category::VaultRefused.exit_code();
    assert_eq!(environment.init_failure().await, format!("exit status {code}"));
    assert_eq!(stage.logins(), 1);
    let log = environment.log();
    assert!(log.contains("set VAULT_STS_ENDPOINT_REGION to the sts_region"), "{log}");
}
