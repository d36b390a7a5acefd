//! Functions in an account that is not Vault's: Vault looks their roles up by a role there.

use serde_json::json;
use strongroom_tests::beds::{self, Part, Vault, practice};
use strongroom_tests::stage::site::Site;

use super::{PARTS, secret_seen_with, settings};

const OTHER: &str = "210987654321";

#[tokio::test(flavor = "multi_thread")]
async fn vault_looks_into_another_account_and_only_for_as_long_as_it_has_to() {
    let parts = [PARTS.as_slice(), &[Part::Extension]].concat();
    if !beds::available("setup over two accounts", &parts) {
        return;
    }
    let site = Site::new();
    let before = (site.account.content(), site.content_of_vault());
    let other = site.account.administrator_of(OTHER);
    std::fs::create_dir(site.path(".aws")).unwrap();
    site.write(
        ".aws/credentials",
        &format!(
            "[other]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            other.id, other.secret
        ),
    );
    site.write_package("orders.zip");
    // The functions' account is the other one, Vault's is that of the shell.
    let own = format!("profile = 'other'\naccount = '{OTHER}'");
    let settings = settings(&site, "")
        .replace(&format!("account = '{}'", practice::ACCOUNT), &own)
        .replace("[setup.vault]\n", &format!("[setup.vault]\naccount = '{}'\n", practice::ACCOUNT));
    site.write("strongroom.toml", &settings);

    let applied = site.run(&["setup", "apply", "--yes"]).good();
    assert!(applied.out.contains("+ IAM role strongroom-vault-look-up"), "{}", applied.out);
    site.run(&["setup", "plan", "--check"]).good();
    let sts = site.vault.read(&format!("auth/aws/config/sts/{OTHER}"))["data"].clone();
    let role = format!("arn:aws:iam::{OTHER}:role/strongroom-vault-look-up");
    assert_eq!(sts["sts_role"], json!(role));
    let path = "/2015-03-31/functions/orders";
    let function = site.account.lambda_of(&other.id, "GET", path, None)["Configuration"].clone();
    assert_eq!(secret_seen_with(&site, &function).await, practice::SECRET_VALUE);

    site.run(&["setup", "destroy", "--yes"]).good();
    assert_eq!((site.account.content(), site.content_of_vault()), before);
    let gone = site.run(&["setup", "plan"]).good();
    assert!(gone.out.contains("+ IAM role strongroom-vault-look-up"), "{}", gone.out);
    assert!(gone.out.contains("+ IAM role orders-role"), "{}", gone.out);

    // This Vault is too old for an external id, which it would forget without a word.
    let with_id = settings.replace("[setup.vault]\n", "[setup.vault]\nexternal_id = 'x'\n");
    site.write("strongroom.toml", &with_id);
    let refused = site.run(&["setup", "apply", "--yes"]).exits_with(1);
    assert!(refused.out.contains("only Vault 1.17 and later"), "{}", refused.out);
}

#[test]
fn in_another_partition_what_is_made_has_the_names_of_that_partition() {
    if !beds::available("setup in another partition", &PARTS) {
        return;
    }
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        let site = site_in(region, Vault::start_in(region));
        let before = site.content_of_vault();
        let applied = site.run(&["setup", "apply", "--yes"]).good();
        let again = site.run(&["setup", "apply", "--yes"]).good();
        let is_done = again.out.contains("Everything is as it should be.");
        assert!(is_done, "{}{}{}", applied.err, applied.out, again.out);
        let bound = site.vault.read("auth/aws/role/app")["data"]["bound_iam_principal_arn"].clone();
        let role = format!("arn:{partition}:iam::{}:role/orders-role", practice::ACCOUNT);
        assert_eq!(bound, json!([role]));
        let client = site.vault.read("auth/aws/config/client")["data"].clone();
        assert_eq!(client["sts_region"], region);

        site.run(&["setup", "destroy", "--yes"]).good();
        assert_eq!(site.content_of_vault(), before);
        let gone = site.run(&["setup", "plan"]).good();
        assert!(gone.out.contains("+ IAM role orders-role"), "{}", gone.out);
    }
}

#[test]
fn a_vault_that_asks_iam_in_another_partition_keeps_its_key_and_says_what_to_do() {
    if !beds::available("a Vault of another partition than its functions", &PARTS) {
        return;
    }
    let site = site_in("cn-north-1", Vault::start());
    let applied = site.run(&["setup", "apply", "--yes"]).good();
    let hint = "set AWS_REGION in the environment of the Vault server to a region of aws-cn";
    assert!(applied.err.contains(hint), "{}", applied.err);
    // All else is there, and the key is still to be replaced.
    let left = site.run(&["setup", "plan", "--check"]).exits_with(1);
    assert!(left.out.contains("auth/aws/config/rotate-root"), "{}", left.out);
    assert!(left.out.contains("0 to make, 1 to change"), "{}", left.out);
}

/// For a function in this region, with this Vault.
fn site_in(region: &str, vault: Vault) -> Site {
    let mut site = Site::with(vault);
    site.act_as(&site.account.administrator_in(region));
    site.set("AWS_REGION", region);
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, "").replace(practice::REGION, region));
    site
}

#[test]
fn credentials_of_another_account_than_was_named_are_refused() {
    if !beds::available("setup refuses another account", &PARTS) {
        return;
    }
    let site = Site::new();
    site.write("strongroom.toml", &settings(&site, "").replace(practice::ACCOUNT, OTHER));
    let refused = site.run(&["setup", "apply", "--yes"]).exits_with(1);
    let said = format!(
        "the credentials are of account {}, and the settings say {OTHER}",
        practice::ACCOUNT
    );
    assert!(refused.err.contains(&said), "{}", refused.err);
}
