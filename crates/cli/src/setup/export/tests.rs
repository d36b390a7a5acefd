//! What is written for plans, whole for one and in part for others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use strongroom_core::settings::{Environment, SettingsFile};

use super::{Deployment, Form, cloudformation, deliver, terraform};
use crate::aws::Caller;
use crate::setup::accounts::Accounts;
use crate::setup::found::{
    Attributes, ClientConfig, Found, FoundFunction, FoundRole, FoundUser, FoundVault, Mount,
    VaultRole,
};
use crate::setup::wish::{AccountWish, Wish};
use crate::setup::{document, names, plan, policies};
use strongroom_vault::client::Engine;

const ACCOUNT: &str = "123456789012";
const OTHER: &str = "210987654321";

/// A wish with more in `[setup.vault]`, and a table for each function.
fn wish(vault: &str, functions: &str) -> Wish {
    let text = format!(
        "VAULT_ADDR = 'https://vault.example.com'\nVAULT_NAMESPACE = 'team'\nVAULT_AUTH_PROVIDER = 'aws'\n\
         VAULT_AUTH_ROLE = 'app'\n[[secret]]\npath = 'kv/data/app'\nfile = 'app.json'\n\
         [setup]\nregion = 'eu-central-1'\n[setup.vault]\n{vault}\n{functions}"
    );
    let environment =
        Environment::new([]).with_file(SettingsFile::parse("s.toml", text.as_bytes()));
    let setup = document::read("s.toml", &text).unwrap();
    Wish::new(&environment, setup, None).unwrap()
}

/// Nothing but one function that is not setup's.
fn found(wish: &Wish) -> Found {
    let kv = Engine { path: "kv/".to_owned(), kind: "kv".to_owned(), is_versioned: true };
    let present = |name: &str| {
        (name == "invoices").then(|| FoundFunction {
            arn: format!("arn:aws:lambda:eu-central-1:{ACCOUNT}:function:invoices"),
            role: format!("arn:aws:iam::{ACCOUNT}:role/service-role/invoices"),
            variables: BTreeMap::new(),
            tags: BTreeMap::new(),
        })
    };
    let role = FoundRole {
        arn: format!("arn:aws:iam::{ACCOUNT}:role/service-role/invoices"),
        id: "AROA1".to_owned(),
        trust: policies::trust_of_lambda(),
        attributes: Attributes::default(),
    };
    Found {
        vault: FoundVault {
            version: Some((1, 21)),
            engines: BTreeMap::from([("kv/data/app".to_owned(), Some(kv))]),
            ..FoundVault::default()
        },
        roles: BTreeMap::from([((ACCOUNT.to_owned(), "invoices".to_owned()), role)]),
        user: None,
        functions: wish.functions.iter().map(|function| present(&function.name)).collect(),
    }
}

/// The account of most, and one that is reached by the profile `other`.
fn accounts() -> Accounts {
    let caller = |account: &str| Caller::user(account, "aws");
    let other = AccountWish { profile: Some("other".to_owned()), id: None };
    Accounts::of_test(&[(AccountWish::default(), caller(ACCOUNT)), (other, caller(OTHER))])
}

/// The files of a form.
fn files(form: Form, wish: &Wish, found: Found) -> Vec<(String, String)> {
    let accounts = accounts();
    let plan = plan::of(wish, &found.without_ours(wish), &accounts).unwrap();
    assert_eq!(plan.problems, [] as [&str; 0]);
    let deployment = Deployment { wish, accounts: &accounts, plan };
    match form {
        Form::Cloudformation => cloudformation::write(&deployment).unwrap(),
        Form::Terraform => {
            vec![("strongroom.tf".to_owned(), terraform::write(&deployment).unwrap())]
        }
    }
}

/// A function that is made and one that is there.
fn two_functions() -> Wish {
    wish(
        "",
        "[[setup.function]]\nname = 'orders'\nruntime = 'python3.13'\nhandler = 'app.handler'\npackage = 'orders.zip'\n\
         memory = 256\n[[setup.function]]\nname = 'invoices'\n",
    )
}

/// One in another account and one in another region, with a role by which Vault looks into the other account.
fn three_places() -> Wish {
    wish(
        "external_id = '${x}'",
        "[[setup.function]]\nname = 'orders'\n[[setup.function]]\nname = 'orders'\nregion = 'eu-west-1'\nruntime = 'python3.13'\n\
         handler = 'app.handler'\npackage = 'orders.zip'\n[[setup.function]]\nname = 'bills'\nprofile = 'other'\n",
    )
}

#[test]
fn a_plan_is_written_as_terraform() {
    let wish = two_functions();
    let files = files(Form::Terraform, &wish, found(&wish));
    assert_eq!(files[0].1, include_str!("tests/two_functions.tf"));
}

#[test]
fn a_plan_is_written_as_cloudformation() {
    let wish = two_functions();
    let files = files(Form::Cloudformation, &wish, found(&wish));
    let [(name, template)] = &files[..] else { panic!("{files:?}") };
    assert_eq!(name, "strongroom-123456789012-eu-central-1.json");
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parsed(template), parsed(include_str!("tests/two_functions.json")));
}

#[test]
fn terraform_has_a_provider_for_each_account_and_region() {
    let wish = three_places();
    let files = files(Form::Terraform, &wish, found(&wish));
    let text = &files[0].1;
    for part in [
        "  alias               = \"account_123456789012_eu_central_1\"\n",
        "  alias               = \"account_123456789012_eu_west_1\"\n",
        "  alias               = \"account_210987654321_eu_central_1\"\n  region              = \"eu-central-1\"\n  \
         profile             = \"other\"\n",
        "resource \"aws_lambda_function\" \"orders\" {\n  provider      = aws.account_123456789012_eu_west_1\n",
        // Vault's user assumes this role, which trusts it, so that one has to be named by its ARN.
        "        AWS = aws_iam_user.strongroom_vault.arn\n",
        "resource \"vault_aws_auth_backend_sts_role\" \"account_210987654321\" {\n  backend     = vault_auth_backend.aws.path\n  \
         account_id  = \"210987654321\"\n  external_id = \"$${x}\"\n  \
         sts_role    = aws_iam_role.strongroom_vault_look_up.arn\n}\n",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn there_is_a_template_for_each_account_and_region() {
    let wish = three_places();
    let files = files(Form::Cloudformation, &wish, found(&wish));
    let templates: Vec<(&str, Value)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), serde_json::from_str(text).unwrap()))
        .collect();
    let made = templates.iter().map(|(name, template)| {
        let resources = template["Resources"].as_object().unwrap();
        (*name, resources.keys().map(String::as_str).collect::<Vec<_>>())
    });
    assert_eq!(
        made.collect::<Vec<_>>(),
        [
            (
                "strongroom-123456789012-eu-central-1.json",
                vec!["OrdersRole", "StrongroomVaultUser"]
            ),
            ("strongroom-123456789012-eu-west-1.json", vec!["OrdersFunction"]),
            (
                "strongroom-210987654321-eu-central-1.json",
                vec!["BillsRole", "StrongroomVaultLookUpRole"]
            ),
        ]
    );
    // What another template makes is named by its ARN.
    assert_eq!(
        templates[1].1["Resources"]["OrdersFunction"]["Properties"]["Role"],
        "arn:aws:iam::123456789012:role/orders-role"
    );
    assert_ne!(templates[0].1["Metadata"]["Strongroom"]["Vault"], Value::Null);
    assert_eq!(templates[1].1["Metadata"]["Strongroom"]["Vault"], Value::Null);
    let told = deliver(&files, None).unwrap_err().to_string();
    assert!(told.contains("this needs 3: ") && told.contains("--output DIRECTORY/"), "{told}");
}

#[test]
fn what_setup_has_made_is_forgotten() {
    let wish = two_functions();
    let forms = [Form::Terraform, Form::Cloudformation];
    let before = forms.map(|form| files(form, &wish, found(&wish)));
    assert_eq!(forms.map(|form| files(form, &wish, applied(&wish, found(&wish)))), before);
}

/// What is found after an apply, each thing in a way that would be a problem if it were somebody else's.
fn applied(wish: &Wish, mut found: Found) -> Found {
    let tagged = |owner: String| Attributes {
        tags: BTreeMap::from([(names::OWNER_TAG.to_owned(), owner)]),
        policies: BTreeMap::from([("x".to_owned(), json!({}))]),
    };
    let owner = wish.owner_of_role();
    let role = FoundRole {
        arn: format!("arn:aws:iam::{ACCOUNT}:role/orders-role"),
        id: "AROA2".to_owned(),
        trust: json!({}),
        attributes: tagged(owner.clone()),
    };
    found.roles.insert((ACCOUNT.to_owned(), "orders-role".to_owned()), role.clone());
    found.user = Some(FoundUser {
        attributes: tagged(wish.owner_of_mount()),
        keys: vec!["AKIA1".to_owned()],
    });
    let told = BTreeMap::from([("VAULT_AUTH_ROLE".to_owned(), "old".to_owned())]);
    let mut tags = names::tags_of_variables(&told.keys().cloned().collect());
    if let Some(invoices) = &mut found.functions[1] {
        invoices.variables.clone_from(&told);
        invoices.tags = tags.clone();
    }
    tags.insert(names::OWNER_TAG.to_owned(), owner);
    found.functions[0] = Some(FoundFunction {
        arn: "arn:aws:lambda:eu-central-1:1:function:orders".to_owned(),
        role: role.arn,
        variables: told,
        tags,
    });
    found.vault.mount = Some(Mount { kind: "aws".to_owned(), description: names::MARK.to_owned() });
    found.vault.client =
        Some(ClientConfig { access_key: "AKIA1".to_owned(), ..ClientConfig::default() });
    found.vault.policy = Some(policies::of_vault(wish, &BTreeSet::new()));
    found.vault.role = Some(VaultRole {
        token_policies: BTreeSet::from([wish.policy.clone()]),
        ..VaultRole::default()
    });
    found
}

#[test]
fn what_setup_has_written_below_a_method_of_somebody_else_is_forgotten_and_no_more() {
    let wish = two_functions();
    let client = ClientConfig { access_key: "AKIA1".to_owned(), ..ClientConfig::default() };
    let theirs = |written: &[&str]| {
        let mut found = found(&wish);
        found.vault.mount = Some(Mount { kind: "aws".to_owned(), description: String::new() });
        found.vault.client = Some(client.clone());
        let written = written.iter().map(|path| (*path).to_owned()).collect();
        found.vault.policy = Some(policies::of_vault(&wish, &written));
        found.without_ours(&wish).vault
    };
    assert_eq!(theirs(&["config/client"]).client, None);
    let vault = theirs(&[]);
    assert_eq!((vault.client, vault.policy), (Some(client.clone()), None));
    assert!(vault.mount.is_some());
}
