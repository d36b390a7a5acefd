//! What is planned for what was found, by table.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_core::settings::{Environment, SettingsFile};

use super::Plan;
use crate::aws::Caller;
use crate::setup::accounts::Accounts;
use crate::setup::found::{
    Attributes, ClientConfig, Found, FoundFunction, FoundRole, FoundVault, Mount, VaultRole,
};
use crate::setup::step::Step;
use crate::setup::wish::{AccountWish, Wish};
use crate::setup::{document, names};
use strongroom_vault::client::Engine;

const ACCOUNT: &str = "123456789012";

/// A wish, with more lines before `[setup]`, in it, and in `[setup.vault]`.
fn wish(top: &str, setup: &str, vault: &str, region: &str) -> Wish {
    let text = format!(
        "VAULT_ADDR = 'https://vault.example.com'\nVAULT_AUTH_PROVIDER = 'aws'\nVAULT_AUTH_ROLE = 'App'\n{top}\n\
         [[secret]]\npath = 'kv/data/app'\nfile = 'app.json'\n\
         [setup]\nregion = '{region}'\n{setup}\n[setup.vault]\n{vault}\n[[setup.function]]\nname = 'orders'\n"
    );
    let environment =
        Environment::new([]).with_file(SettingsFile::parse("s.toml", text.as_bytes()));
    let setup = document::read("s.toml", &text).unwrap();
    Wish::new(&environment, setup, None).unwrap()
}

fn plain() -> Wish {
    wish("", "", "", "eu-central-1")
}

/// Nothing, in a Vault of this version whose secrets engine is KV v2.
fn nothing(version: (u32, u32)) -> Found {
    let kv = Engine { path: "kv/".to_owned(), kind: "kv".to_owned(), is_versioned: true };
    Found {
        vault: FoundVault {
            version: Some(version),
            engines: BTreeMap::from([("kv/data/app".to_owned(), Some(kv))]),
            ..FoundVault::default()
        },
        roles: BTreeMap::new(),
        user: None,
        functions: vec![None],
    }
}

fn plan(wish: &Wish, found: &Found) -> Plan {
    let partition = strongroom_vault::aws::sts::partition_of(&wish.functions[0].region);
    let caller = Caller::user(ACCOUNT, partition);
    let accounts = Accounts::of_test(&[(AccountWish::default(), caller)]);
    super::of(wish, found, &accounts).unwrap()
}

/// How a thing is changed; nothing if it is not.
fn how(plan: &Plan, what: &str) -> Vec<String> {
    let lines = plan.steps.iter().map(Step::line);
    lines.filter(|line| line.what == what).flat_map(|line| line.how).collect()
}

fn made(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.line().what).collect()
}

#[track_caller]
fn check_problem(plan: &Plan, part: &str) {
    assert!(plan.problems.iter().any(|problem| problem.contains(part)), "{:?}", plan.problems);
}

#[test]
fn the_endpoint_of_sts_is_paired_with_what_the_functions_sign_for() {
    let client = "auth/aws/config/client";
    let check = |wish: &Wish, version, expect: &[&str]| {
        let how = how(&plan(wish, &nothing(version)), client);
        for line in expect {
            assert!(how.iter().any(|found| found == line), "{line} not in {how:?}");
        }
    };
    check(&plain(), (1, 15), &["use_sts_region_from_client: false -> true"]);
    check(
        &plain(),
        (1, 14),
        &[
            "sts_endpoint: none -> https://sts.eu-central-1.amazonaws.com",
            "sts_region: none -> eu-central-1",
        ],
    );
    check(
        &wish("", "", "", "cn-north-1"),
        (1, 14),
        &[
            "sts_endpoint: none -> https://sts.cn-north-1.amazonaws.com.cn",
            "sts_region: none -> cn-north-1",
        ],
    );
    check(
        &wish("", "", "", "us-gov-west-1"),
        (1, 14),
        &["sts_endpoint: none -> https://sts.us-gov-west-1.amazonaws.com"],
    );
    // What is named counts, in every version.
    check(
        &wish("", "", "sts_region = 'eu-west-1'", "eu-central-1"),
        (1, 21),
        &[
            "sts_endpoint: none -> https://sts.eu-west-1.amazonaws.com",
            "sts_region: none -> eu-west-1",
        ],
    );
    check(
        &wish("VAULT_STS_ENDPOINT_REGION = 'eu-west-1'", "", "", "eu-central-1"),
        (1, 21),
        &["sts_region: none -> eu-west-1"],
    );
}

#[test]
fn arns_are_of_the_partition_of_the_region() {
    let role = |region: &str| {
        let how = how(&plan(&wish("", "", "", region), &nothing((1, 15))), "auth/aws/role/app");
        how.into_iter().find(|line| line.starts_with("bound_iam_principal_arn")).unwrap()
    };
    for (region, partition) in
        [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-east-1", "aws-us-gov")]
    {
        let arn = format!("arn:{partition}:iam::{ACCOUNT}:role/orders-role");
        assert_eq!(role(region), format!("bound_iam_principal_arn = {arn}"));
    }
}

#[test]
fn tokens_are_batch_unless_something_leased_is_read() {
    let check = |kind: Option<&str>, more: &str, expect: &[&str]| {
        let mut found = nothing((1, 15));
        let mount = kind.map(|kind| Engine {
            path: "kv/".to_owned(),
            kind: kind.to_owned(),
            is_versioned: false,
        });
        found.vault.engines.insert("kv/data/app".to_owned(), mount);
        let how = how(&plan(&wish("", "", more, "eu-west-1"), &found), "auth/aws/role/app");
        for line in expect {
            assert!(how.iter().any(|found| found == line), "{line} not in {how:?}");
        }
    };
    check(Some("kv"), "", &["token_type = batch", "token_ttl = 900s", "token_max_ttl = 900s"]);
    check(Some("database"), "", &["token_type = service", "token_max_ttl = 3600s"]);
    check(None, "", &["token_type = service"]);
    check(
        Some("kv"),
        "token_type = 'service'\ntoken_ttl = '5m'\ntoken_max_ttl = '2h'",
        &["token_type = service", "token_ttl = 300s", "token_max_ttl = 7200s"],
    );
}

#[test]
fn a_vault_that_has_credentials_or_needs_none_gets_no_user() {
    let user = "IAM user strongroom-vault".to_owned();
    let check = |vault: &str, own: Option<&str>, makes_user: bool| {
        let mut found = nothing((1, 15));
        found.vault.has_own_credentials = own.map(str::to_owned);
        let plan = plan(&wish("", "", vault, "eu-west-1"), &found);
        assert_eq!(made(&plan).contains(&user), makes_user, "{vault} {own:?}: {plan:?}");
        assert_eq!(plan.problems, [] as [&str; 0]);
        plan
    };
    check("", None, true);
    let told = check("", Some("it is unsealed by AWS KMS"), false);
    assert!(told.notes[0].contains("unsealed by AWS KMS"), "{told:?}");
    assert!(told.notes[1].contains("iam:GetRole"), "{told:?}");
    check("credentials = 'access-key'", Some("it is unsealed by AWS KMS"), true);
    check("credentials = 'own'", None, false);
    let without = check("credentials = 'none'", None, false);
    let how = how(&without, "auth/aws/role/app");
    assert!(how.contains(&"resolve_aws_unique_ids = false".to_owned()), "{how:?}");
}

#[test]
fn paths_of_a_versioned_engine_are_written_in_its_form() {
    let mut found = nothing((1, 15));
    let kv = found.vault.engines.remove("kv/data/app").unwrap();
    found.vault.engines.insert("kv/app".to_owned(), kv);
    check_problem(&plan(&plain(), &found), "hint: write kv/data/app");
    found.vault.engines.insert("kv/app".to_owned(), None);
    let plan = plan(&plain(), &found);
    assert_eq!(plan.problems, [] as [&str; 0]);
    assert!(plan.notes.iter().any(|note| note.contains("no secrets engine")), "{plan:?}");
}

#[test]
fn an_address_of_hcp_without_a_namespace_is_a_problem() {
    let mut hcp = plain();
    hcp.vault = "c.vault.11-22.aws.hashicorp.cloud:8200".to_owned();
    check_problem(&plan(&hcp, &nothing((1, 15))), "VAULT_NAMESPACE = \"admin\"");
    hcp.namespace = Some("admin/team".to_owned());
    assert_eq!(plan(&hcp, &nothing((1, 15))).problems, [] as [&str; 0]);
    assert_eq!(
        hcp.owner_of_role(),
        "c.vault.11-22.aws.hashicorp.cloud:8200/admin/team/auth/aws/role/app"
    );
}

#[test]
fn a_function_in_another_account_is_looked_up_by_a_role_there() {
    let wish =
        wish("", "profile = 'other'", "account = '111122223333'\nexternal_id = 'x'", "eu-west-1");
    let caller = |account: &str| Caller::user(account, "aws");
    let accounts = Accounts::of_test(&[
        (wish.functions[0].account.clone(), caller(ACCOUNT)),
        (wish.vault_account.clone(), caller("111122223333")),
    ]);
    let plan = super::of(&wish, &nothing((1, 17)), &accounts).unwrap();
    assert_eq!(plan.problems, [] as [&str; 0]);
    assert_eq!(
        how(&plan, "auth/aws/config/sts/123456789012"),
        [
            "external_id = \"x\"",
            "sts_role = \"arn:aws:iam::123456789012:role/strongroom-vault-look-up\"",
        ]
    );
    let user = "policy strongroom-look-up-aws-app in the IAM user strongroom-vault";
    let may = "sts:AssumeRole on arn:aws:iam::123456789012:role/strongroom-vault-look-up";
    assert_eq!(how(&plan, user), [may]);
    let plan = super::of(&wish, &nothing((1, 16)), &accounts).unwrap();
    check_problem(&plan, "only Vault 1.17 and later");
}

/// An auth method that somebody else has made.
fn foreign(client: ClientConfig) -> Found {
    let mut found = nothing((1, 15));
    found.vault.mount = Some(Mount { kind: "aws".to_owned(), description: String::new() });
    found.vault.client = Some(client);
    found
}

#[test]
fn an_auth_method_that_somebody_else_has_made_is_used_and_left_as_it_is() {
    let server_id = ClientConfig {
        iam_server_id_header_value: "vault.example.com".to_owned(),
        ..ClientConfig::default()
    };
    let plan_of = |found: &Found| plan(&plain(), found);
    assert_eq!(
        made(&plan_of(&foreign(ClientConfig::default()))),
        [
            "IAM role orders-role",
            "policy strongroom-logs in the IAM role orders-role",
            "policy strongroom-app",
            "auth/aws/role/app",
        ]
    );
    check_problem(&plan_of(&foreign(server_id)), "VAULT_IAM_SERVER_ID = \"vault.example.com\"");
    let mut userpass = foreign(ClientConfig::default());
    userpass.vault.mount.as_mut().unwrap().kind = "userpass".to_owned();
    check_problem(&plan_of(&userpass), "is of type userpass");
}

#[test]
fn functions_are_told_the_region_that_a_vault_of_one_region_expects() {
    let check = |client: ClientConfig, expect: Option<&str>| {
        let mut found = foreign(client);
        found.functions = vec![Some(function(&[], &[]))];
        let plan = plan(&plain(), &found);
        let set = how(&plan, "variables of the function orders in eu-central-1");
        let region = set.iter().find_map(|line| line.strip_prefix("VAULT_STS_ENDPOINT_REGION="));
        assert_eq!(region, expect, "{set:?}");
    };
    check(ClientConfig::default(), None);
    check(ClientConfig { use_sts_region_from_client: true, ..ClientConfig::default() }, None);
    let endpoint = "https://sts.eu-west-1.amazonaws.com".to_owned();
    check(ClientConfig { sts_endpoint: endpoint, ..ClientConfig::default() }, Some("eu-west-1"));
    let endpoint = "https://sts.amazonaws.com".to_owned();
    check(ClientConfig { sts_endpoint: endpoint, ..ClientConfig::default() }, None);
}

fn function(variables: &[(&str, &str)], tags: &[(&str, &str)]) -> FoundFunction {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    FoundFunction {
        arn: format!("arn:aws:lambda:eu-central-1:{ACCOUNT}:function:orders"),
        role: format!("arn:aws:iam::{ACCOUNT}:role/service-role/orders-xyz"),
        variables: owned(variables),
        tags: owned(tags),
    }
}

#[test]
fn variables_of_somebody_else_are_left_and_a_contradiction_is_a_problem() {
    let plan_of = |variables: &[(&str, &str)], tags: &[(&str, &str)]| {
        let mut found = foreign(ClientConfig::default());
        found.functions = vec![Some(function(variables, tags))];
        plan(&plain(), &found)
    };
    let variables = "variables of the function orders in eu-central-1";
    let told = plan_of(&[("TEAM", "payments"), ("VAULT_AUTH_ROLE", "App")], &[]);
    let set = how(&told, variables);
    assert!(
        !set.iter().any(|line| line.starts_with("TEAM") || line.contains("AUTH_ROLE")),
        "{set:?}"
    );
    check_problem(&plan_of(&[("VAULT_AUTH_ROLE", "other")], &[]), "has another VAULT_AUTH_ROLE");
    // What setup has set it may change, and forgets when it is wanted no more.
    let ours = [("strongroom:variables", "VAULT_AUTH_ROLE VAULT_OLD")];
    let changed = plan_of(&[("VAULT_AUTH_ROLE", "other"), ("VAULT_OLD", "x")], &ours);
    assert_eq!(changed.problems, [] as [&str; 0]);
    let set = how(&changed, variables);
    assert!(set.contains(&"VAULT_AUTH_ROLE=App".to_owned()), "{set:?}");
    assert!(set.contains(&"VAULT_OLD is removed".to_owned()), "{set:?}");
    check_problem(&plan_of(&[("BIG", &"x".repeat(4000))], &[]), "and Lambda takes 4096");
}

#[test]
fn a_role_that_was_not_made_by_setup_or_was_made_anew_is_told() {
    let mut found = foreign(ClientConfig::default());
    let function = function(&[], &[]);
    let key = (ACCOUNT.to_owned(), "orders-xyz".to_owned());
    let role = |id: &str| FoundRole {
        arn: function.role.clone(),
        id: id.to_owned(),
        trust: serde_json::Value::Null,
        attributes: Attributes::default(),
    };
    found.roles.insert(key.clone(), role("AROA1"));
    found.functions = vec![Some(function.clone())];
    let wish = plain();
    found.vault.policy = Some(crate::setup::policies::of_vault(&wish, &BTreeSet::new()));
    found.vault.role = Some(VaultRole {
        auth_type: "iam".to_owned(),
        bound_iam_principal_arn: BTreeSet::from([function.role.clone()]),
        bound_iam_principal_id: BTreeSet::from(["AROA1".to_owned()]),
        resolve_aws_unique_ids: true,
        token_max_ttl: 900,
        token_policies: BTreeSet::from(["strongroom-app".to_owned()]),
        token_ttl: 900,
        token_type: "batch".to_owned(),
    });
    assert_eq!(how(&plan(&wish, &found), "auth/aws/role/app"), [] as [&str; 0]);
    found.roles.insert(key, role("AROA2"));
    let told = how(&plan(&wish, &found), "auth/aws/role/app");
    assert_eq!(told, ["the IAM role orders-xyz is another than it was when Vault noted its id"]);
    found.vault.role.as_mut().unwrap().token_policies = BTreeSet::from(["theirs".to_owned()]);
    check_problem(&plan(&wish, &found), "was not made by setup");
    found.vault.policy = Some("path \"x\" {}".to_owned());
    check_problem(&plan(&wish, &found), "the policy strongroom-app was not made for");
}

#[test]
fn only_what_is_read_is_allowed() {
    let wish = wish(
        "STRONGROOM_ALLOW = 'kv/data/flags/*,team/kv/data/x'\nVAULT_NAMESPACE = 'team'",
        "",
        "",
        "eu-west-1",
    );
    assert_eq!(
        crate::setup::policies::of_vault(&wish, &BTreeSet::from(["config/client".to_owned()])),
        "# Made by strongroom setup for auth/aws/role/app, which overwrites changes.\n\
         # It wrote, too: config/client\n\
         \npath \"kv/data/app\" {\n  capabilities = [\"read\"]\n}\n\
         \npath \"kv/data/flags/*\" {\n  capabilities = [\"read\"]\n}\n\
         \npath \"kv/data/x\" {\n  capabilities = [\"read\"]\n}\n"
    );
    assert_eq!(names::look_up_policy(&wish), "strongroom-look-up-aws-app");
}
