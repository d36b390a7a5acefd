//! `strongroom setup` on an empty AWS account and a fresh real Vault, and the way back.

mod accounts;
mod existing;
mod export;
mod failures;
mod rights;
mod wire;

use serde_json::Value;
use strongroom_tests::beds::{self, Part, practice};
use strongroom_tests::stage::site::Site;

use super::FUNCTION;

/// What every test here needs.
const PARTS: [Part; 3] = [Part::CommandLine, Part::Moto, Part::Vault];

/// A settings file for one function that is to be made.
fn settings(site: &Site, more: &str) -> String {
    let (aws, vault) = (&site.account.address, &site.vault.address);
    format!(
        "VAULT_ADDR = '{vault}'\nVAULT_AUTH_PROVIDER = 'aws'\nVAULT_AUTH_ROLE = 'app'\n\
         VAULT_IAM_SERVER_ID = 'vault.example'\n\
         [[secret]]\npath = '{}'\nfile = 'app.json'\n\
         [setup]\naccount = '{}'\n{more}\n\
         [setup.vault]\nsts_endpoint = '{aws}'\niam_endpoint = '{aws}'\nsts_region = '{}'\n\
         [[setup.function]]\nname = 'orders'\nruntime = 'python3.12'\nhandler = 'app.handler'\n\
         package = 'orders.zip'\ntimeout = 20\n",
        practice::SECRET_PATH,
        practice::ACCOUNT,
        practice::REGION,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_setup_makes_of_nothing_gives_a_function_its_secret_and_is_taken_away_again() {
    let parts = [PARTS.as_slice(), &[Part::Extension]].concat();
    if !beds::available("setup makes everything of nothing", &parts) {
        return;
    }
    let site = Site::new();
    let before = (site.account.content(), site.content_of_vault());
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, ""));

    let planned = site.run(&["setup", "plan"]).good();
    assert!(planned.out.contains("+ IAM role orders-role"), "{}", planned.out);
    site.run(&["setup", "plan", "--check"]).exits_with(1);
    assert_eq!(site.content_of_vault(), before.1, "a plan changes nothing");

    let applied = site.run(&["setup", "apply", "--yes"]).good();
    let again = site.run(&["setup", "apply", "--yes"]).good();
    assert!(again.out.contains("Everything is as it should be."), "{}{}", applied.out, again.out);
    site.run(&["setup", "plan", "--check"]).good();

    assert_eq!(secret_seen_by(&site, "orders").await, practice::SECRET_VALUE);
    // Vault has replaced the key that it was given, and there is no other.
    let user = ("UserName", "strongroom-vault");
    let keys = site.account.iam(&[("Action", "ListAccessKeys"), user]);
    let used = site.vault.read("auth/aws/config/client")["data"]["access_key"].clone();
    let used = used.as_str().unwrap();
    assert!(keys.contains(used) && keys.matches("<AccessKeyId>").count() == 1, "{used} {keys}");
    let tags = site.account.iam(&[("Action", "ListUserTags"), user]);
    assert!(tags.contains("strongroom:first-key") && !tags.contains(used), "{tags}");

    site.run(&["setup", "destroy", "--yes"]).good();
    assert_eq!(site.content_of_vault(), before.1);
    assert_eq!(site.account.content(), before.0);
    let nothing = site.run(&["setup", "destroy", "--yes"]).good();
    assert!(nothing.out.contains("Nothing here was made by setup."), "{}", nothing.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_share_a_role_and_one_that_does_not_all_read_their_secret() {
    let parts = [PARTS.as_slice(), &[Part::Extension]].concat();
    if !beds::available("functions that share a role are set up", &parts) {
        return;
    }
    let site = Site::new();
    let before = (site.account.content(), site.content_of_vault());
    site.write_package("orders.zip");
    let of_role = |name: &str, role: &str| {
        format!(
            "[[setup.function]]\nname = '{name}'\nrole = '{role}'\nruntime = 'python3.12'\n\
             handler = 'app.handler'\npackage = 'orders.zip'\n"
        )
    };
    let mut text = settings(&site, "");
    text.push_str(&of_role("returns", "orders-role"));
    text.push_str(&of_role("prices", "prices-role"));
    // More than are looked at together.
    let many: Vec<String> = (0..20).map(|number| format!("stock-{number}")).collect();
    many.iter().for_each(|name| text.push_str(&of_role(name, "stock-role")));
    site.write("strongroom.toml", &text);

    let applied = site.run(&["setup", "apply", "--yes"]).good();
    for role in ["orders-role", "prices-role", "stock-role"] {
        assert_eq!(
            applied.out.matches(&format!("+ IAM role {role}\n")).count(),
            1,
            "{}",
            applied.out
        );
    }
    let again = site.run(&["setup", "apply", "--yes"]).good();
    assert!(again.out.contains("Everything is as it should be."), "{}{}", applied.out, again.out);
    for function in ["orders", "returns", "prices", "stock-19"] {
        assert_eq!(secret_seen_by(&site, function).await, practice::SECRET_VALUE, "{function}");
    }

    site.run(&["setup", "destroy", "--yes"]).good();
    assert_eq!(site.content_of_vault(), before.1);
    assert_eq!(site.account.content(), before.0);
}

/// What the function reads in its file, when it runs with exactly the role and the variables that Lambda has.
async fn secret_seen_by(site: &Site, function: &str) -> String {
    secret_seen_with(site, &site.function(function)).await
}

/// The same for a function with this configuration.
async fn secret_seen_with(site: &Site, configuration: &Value) -> String {
    let environment = site.environment_of(configuration, FUNCTION.as_ref()).await;
    environment.initialize().await;
    let seen = environment.invoke(&["/tmp/vault/app.json"], &[]).await;
    environment.shut_down().await;
    let document: Value = serde_json::from_str(seen["files"][0].as_str().unwrap()).unwrap();
    document["data"]["data"][practice::SECRET_KEY].as_str().unwrap().to_owned()
}
