//! A setup among things that somebody else has made: they are used, and left as they were.

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part, ROOT_TOKEN, practice};
use strongroom_tests::stage::site::Site;

use super::{PARTS, secret_seen_by, settings};

/// A site whose auth method is set up by hand, for a Vault role of somebody else's.
fn with_auth_method(server_id: &str) -> Site {
    let site = Site::new();
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iam:GetRole", "Resource": "*"}],
    });
    let key = site.account.user_with_policy("vault", &policy.to_string());
    let aws = &site.account.address;
    site.vault
        .write("sys/auth/aws", &json!({"type": "aws", "description": "of the platform team"}));
    site.vault.write(
        "auth/aws/config/client",
        &json!({
            "access_key": key.id, "secret_key": key.secret, "sts_endpoint": aws, "iam_endpoint": aws,
            "sts_region": practice::REGION, "iam_server_id_header_value": server_id,
        }),
    );
    let bound = format!("arn:aws:iam::{}:role/theirs", practice::ACCOUNT);
    let role = json!({
        "auth_type": "iam", "bound_iam_principal_arn": bound, "resolve_aws_unique_ids": false,
    });
    site.vault.write("auth/aws/role/theirs", &role);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auth_method_of_somebody_else_is_used_and_stays() {
    let parts = [PARTS.as_slice(), &[Part::Extension]].concat();
    if !beds::available("setup uses an auth method", &parts) {
        return;
    }
    let site = with_auth_method("vault.example");
    let before = (site.account.content(), site.content_of_vault());
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, ""));
    let applied = site.run(&["setup", "apply", "--yes"]).good();
    assert!(applied.out.contains("auth method auth/aws, which is not setup's"), "{}", applied.out);
    site.run(&["setup", "plan", "--check"]).good();
    assert_eq!(secret_seen_by(&site, "orders").await, practice::SECRET_VALUE);
    site.run(&["setup", "destroy", "--yes"]).good();
    assert_eq!(site.content_of_vault(), before.1);
    assert_eq!(site.account.content(), before.0);
}

#[test]
fn a_server_id_of_somebody_else_is_told_before_anything_is_done() {
    if !beds::available("setup tells another server id", &PARTS) {
        return;
    }
    let site = with_auth_method("vault.of.the.platform");
    let before = site.account.content();
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, ""));
    let refused = site.run(&["setup", "apply", "--yes"]).exits_with(1);
    let remedy = "hint: write VAULT_IAM_SERVER_ID = \"vault.of.the.platform\"";
    assert!(refused.out.contains(remedy), "{}", refused.out);
    assert_eq!(site.account.content(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_there_is_given_variables_and_gets_its_own_back() {
    let parts = [PARTS.as_slice(), &[Part::Extension]].concat();
    if !beds::available("setup uses a function", &parts) {
        return;
    }
    let site = Site::new();
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
    }]});
    site.account.iam(&[
        ("Action", "CreateRole"),
        ("RoleName", "theirs"),
        ("Path", "/service-role/"),
        ("AssumeRolePolicyDocument", &trust.to_string()),
    ]);
    let role = format!("arn:aws:iam::{}:role/service-role/theirs", practice::ACCOUNT);
    let function = json!({
        "FunctionName": "orders", "Role": role, "Runtime": "python3.12", "Handler": "app.handler",
        "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}, "Timeout": 20,
        "Environment": {"Variables": {"TEAM": "payments", "VAULT_AUTH_ROLE": "app"}},
        "Tags": {"team": "payments"},
    });
    let made = site.account.lambda("POST", "/2015-03-31/functions", Some(&function));
    assert_eq!(made["FunctionName"], "orders", "{made}");
    let state = |site: &Site| {
        let arn =
            format!("arn:aws:lambda:{}:{}:function:orders", practice::REGION, practice::ACCOUNT);
        let tags = site.account.lambda("GET", &format!("/2017-03-31/tags/{arn}"), None);
        let function = site.function("orders");
        (function["Environment"].clone(), function["Role"].clone(), tags)
    };
    let before = state(&site);

    let settings = settings(&site, "");
    let (without, _) = settings.split_once("runtime =").unwrap();
    site.write("strongroom.toml", without);
    site.run(&["setup", "apply", "--yes"]).good();
    site.run(&["setup", "plan", "--check"]).good();
    let variables = &site.function("orders")["Environment"]["Variables"];
    assert_eq!(variables["TEAM"], "payments");
    assert_eq!(variables["VAULT_AUTH_PROVIDER"], "aws");
    assert_eq!(secret_seen_by(&site, "orders").await, practice::SECRET_VALUE);

    site.run(&["setup", "destroy", "--yes"]).good();
    assert_eq!(state(&site), before);

    // What contradicts the settings is told, and stays.
    site.write("strongroom.toml", &without.replace("'app'", "'other'"));
    let refused = site.run(&["setup", "apply", "--yes"]).exits_with(1);
    assert!(refused.out.contains("has another VAULT_AUTH_ROLE"), "{}", refused.out);
    assert_eq!(state(&site), before);
}

#[test]
fn a_role_of_somebody_else_in_vault_is_not_taken_over() {
    if !beds::available("setup leaves a role of somebody else", &PARTS) {
        return;
    }
    let site = with_auth_method("vault.example");
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, "").replace("'app'", "'theirs'"));
    let before = site.vault.read("auth/aws/role/theirs");
    let refused = site.run(&["setup", "apply", "--yes"]).exits_with(1);
    assert!(refused.out.contains("was not made by setup"), "{}", refused.out);
    let destroyed = site.run(&["setup", "destroy", "--yes"]).good();
    assert!(destroyed.out.contains("Nothing here was made by setup."), "{}", destroyed.out);
    let after = site.vault.request("GET", "auth/aws/role/theirs", ROOT_TOKEN, None).json();
    assert_eq!(data(&after), data(&before));
}

fn data(answer: &Value) -> &Value {
    &answer["data"]
}
