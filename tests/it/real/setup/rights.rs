//! Who may run setup, and what it does about IAM roles that are made anew, other accounts and a Vault without a key.

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part, practice};
use strongroom_tests::stage::site::Site;

use super::{PARTS, secret_seen_by, settings};

const PAGE: &str = include_str!("../../../../docs/setup.md");

fn block(kind: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("```{kind}\n")).unwrap();
    rest.split("```").next().unwrap()
}

/// A site whose administrators may do what the documentation lists, and no more.
fn with_documented_rights() -> Site {
    let mut site = Site::new();
    let policy = block("hcl").replace("\"kv/config\"", "\"kv/data/test/config\"");
    site.vault.write("sys/policies/acl/operator", &json!({"policy": policy}));
    let token = site.vault.request(
        "POST",
        "auth/token/create",
        beds::ROOT_TOKEN,
        Some(&json!({"policies": ["operator"], "no_default_policy": false})),
    );
    let token = token.json()["auth"]["client_token"].as_str().unwrap().to_owned();
    site.set("VAULT_TOKEN", &token);
    let key = site.account.user_with_policy("operator", block("json"));
    site.act_as(&key);
    site
}

#[test]
fn the_documented_rights_are_enough_to_apply_and_to_destroy() {
    if !beds::available("documented rights are enough", &PARTS) {
        return;
    }
    let site = with_documented_rights();
    let before = (site.account.content(), site.content_of_vault());
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, ""));
    let applied = site.run(&["setup", "apply", "--yes"]).good();
    assert!(applied.out.contains("token_type = batch"), "{}", applied.out);
    site.run(&["setup", "plan", "--check"]).good();
    site.run(&["setup", "destroy", "--yes"]).good();
    assert_eq!((site.account.content(), site.content_of_vault()), before);
}

#[test]
fn no_right_over_users_is_needed_where_vault_needs_no_access_key() {
    if !beds::available("no right over users is needed", &PARTS) {
        return;
    }
    let mut site = with_documented_rights();
    let mut policy: Value = serde_json::from_str(block("json")).unwrap();
    let second = policy["Statement"].as_array_mut().unwrap().remove(1);
    assert!(second["Resource"].as_str().unwrap().contains(":user/"), "{second}");
    let key = site.account.user_with_policy("other-operator", &policy.to_string());
    site.act_as(&key);
    site.write_package("orders.zip");
    let settings = settings(&site, "");
    site.write("strongroom.toml", &settings);
    let refused = site.run(&["setup", "plan"]).exits_with(1);
    assert!(
        refused.err.contains("cannot look at the IAM user strongroom-vault"),
        "{}",
        refused.err
    );
    let without = settings.replace("[setup.vault]\n", "[setup.vault]\ncredentials = 'none'\n");
    site.write("strongroom.toml", &without);
    site.run(&["setup", "apply", "--yes"]).good();
    site.run(&["setup", "destroy", "--yes"]).good();
}

#[test]
fn each_documented_right_is_needed() {
    if !beds::available("documented rights are needed", &PARTS) {
        return;
    }
    let site = with_documented_rights();
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, ""));
    // Vault's first, whose lines are rights.
    let policy = block("hcl").replace("\"kv/config\"", "\"kv/data/test/config\"");
    for line in
        policy.lines().filter(|line| line.starts_with("path") && !line.contains("/config\""))
    {
        let less = policy.replace(line, "");
        site.vault.write("sys/policies/acl/operator", &json!({"policy": less}));
        let refused = site.run(&["setup", "apply", "--yes"]).exits_with(1);
        assert!(refused.err.contains("permission denied"), "{line}: {}", refused.err);
    }
    site.vault.write("sys/policies/acl/operator", &json!({"policy": policy}));
    site.run(&["setup", "apply", "--yes"]).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_made_anew_is_noticed_and_bound_again() {
    let parts = [PARTS.as_slice(), &[Part::Extension]].concat();
    if !beds::available("setup binds a role again", &parts) {
        return;
    }
    let site = Site::new();
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, ""));
    site.run(&["setup", "apply", "--yes"]).good();
    site.account.make_role_anew("orders-role", "strongroom-logs");
    let planned = site.run(&["setup", "plan", "--check"]).exits_with(1);
    let noticed = "the IAM role orders-role is another than it was when Vault noted its id";
    assert!(planned.out.contains(noticed), "{}", planned.out);
    site.run(&["setup", "apply", "--yes"]).good();
    site.run(&["setup", "plan", "--check"]).good();
    assert_eq!(secret_seen_by(&site, "orders").await, practice::SECRET_VALUE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_without_an_access_key_lets_the_function_in_by_its_name() {
    let parts = [PARTS.as_slice(), &[Part::Extension]].concat();
    if !beds::available("setup without an access key", &parts) {
        return;
    }
    let site = Site::new();
    site.write_package("orders.zip");
    let settings = settings(&site, "");
    site.write(
        "strongroom.toml",
        &settings.replace("[setup.vault]\n", "[setup.vault]\ncredentials = 'none'\n"),
    );
    site.run(&["setup", "apply", "--yes"]).good();
    site.run(&["setup", "plan", "--check"]).good();
    let users = &site.account.content()["users"];
    assert_eq!(*users, json!(["administrator"]));
    assert_eq!(secret_seen_by(&site, "orders").await, practice::SECRET_VALUE);
    // From none to one: Vault begins to look roles up.
    site.write("strongroom.toml", &settings);
    site.run(&["setup", "apply", "--yes"]).good();
    site.run(&["setup", "plan", "--check"]).good();
    assert_eq!(secret_seen_by(&site, "orders").await, practice::SECRET_VALUE);
    // And back, for which the role has to be written anew.
    site.write(
        "strongroom.toml",
        &settings.replace("[setup.vault]\n", "[setup.vault]\ncredentials = 'none'\n"),
    );
    site.run(&["setup", "apply", "--yes"]).good();
    site.run(&["setup", "plan", "--check"]).good();
    assert_eq!(secret_seen_by(&site, "orders").await, practice::SECRET_VALUE);
}
