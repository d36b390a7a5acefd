//! Ways to bind a Vault role that only real Vault knows: wildcards, unique ids, and an account of which Vault asks by another role.

use serde_json::{Value, json};
use strongroom_core::failure::Category;
use strongroom_tests::beds::{self, Moto, practice};
use strongroom_tests::stage::practice::Practice;

use super::{FUNCTION, UNDER_HOST, practice_of, secret_url};

/// What the function's role is bound to besides its ARN.
fn role(binding: &Value) -> Value {
    let mut role = json!({"auth_type": "iam", "token_policies": ["lambda"]});
    for (name, value) in binding.as_object().into_iter().flatten() {
        role[name] = value.clone();
    }
    role
}

/// Whether a login goes well with a role that is bound in this way.
async fn check(practice: Option<Practice>, binding: &Value, is_bound: bool) {
    let Some(mut practice) = practice else { return };
    practice.vault.write("auth/aws/role/of-the-test", &role(binding));
    practice.set("VAULT_AUTH_ROLE", "of-the-test");
    if is_bound {
        check_login(&practice).await;
    } else {
        check_refusal(&practice, "does not belong to the role").await;
    }
}

async fn check_login(practice: &Practice) {
    let environment = practice.ready().await;
    assert_eq!(environment.get(&secret_url()).await.status, 200);
    environment.shut_down().await;
}

async fn check_refusal(practice: &Practice, said: &str) {
    let (status, log) = practice.failure().await;
    let code = Category::VaultRefused.exit_code();
    assert_eq!(status, format!("exit status {code}"), "{log}");
    assert!(log.contains(said), "no {said:?} in:\n{log}");
}

fn arn(role: &str) -> String {
    format!("arn:aws:iam::{}:role/{role}", practice::ACCOUNT)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_lets_in_the_roles_that_it_covers_and_no_others() {
    let test = "a wildcard lets roles in";
    check(practice_of(test), &json!({"bound_iam_principal_arn": arn("lambda-*")}), true).await;
    check(practice_of(test), &json!({"bound_iam_principal_arn": arn("batch-*")}), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arn_without_its_unique_id_is_enough_where_vault_is_told_so() {
    let binding = json!({
        "bound_iam_principal_arn": arn(practice::ROLE),
        "resolve_aws_unique_ids": false,
    });
    check(practice_of("an ARN without unique id"), &binding, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_made_anew_is_refused_until_vaults_role_is_written_again() {
    let test = "a role that was made anew";
    if !beds::available(test, &UNDER_HOST) {
        return;
    }
    // A moto of its own: the change would reach other tests.
    let moto = Moto::start();
    let mut practice = Practice::new(FUNCTION.as_ref(), &moto);
    practice.act_as(&moto.unbound_session);
    practice.set("VAULT_AUTH_ROLE", "of-the-test");
    let binding = role(&json!({"bound_iam_principal_arn": arn(practice::UNBOUND_ROLE)}));
    practice.vault.write("auth/aws/role/of-the-test", &binding);
    check_login(&practice).await;
    moto.make_role_anew(practice::UNBOUND_ROLE);
    check_refusal(&practice, "if the IAM role was made anew, write the Vault role again").await;
    practice.vault.write("auth/aws/role/of-the-test", &binding);
    check_login(&practice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_looks_an_account_up_by_the_role_that_it_was_given_for_it() {
    let test = "Vault looks an account up by a role";
    let binding = json!({"bound_iam_principal_arn": arn("lambda-*")});
    let with_role = |role: &str| {
        let practice = practice_of(test)?;
        let path = format!("auth/aws/config/sts/{}", practice::ACCOUNT);
        practice.vault.write(&path, &json!({"sts_role": arn(role)}));
        Some(practice)
    };
    check(with_role(practice::LOOKUP_ROLE), &binding, true).await;
    // Vault may not assume this one, and by its own user it does not ask then.
    let Some(mut practice) = with_role(practice::ASSUMED_ROLE) else { return };
    practice.vault.write("auth/aws/role/of-the-test", &role(&binding));
    practice.set("VAULT_AUTH_ROLE", "of-the-test");
    check_refusal(&practice, "error looking up full ARN").await;
}
