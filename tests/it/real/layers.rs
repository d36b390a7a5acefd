//! `strongroom layer`: published and attached in an account of moto's, and the whole chain by three commands.

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part, practice};
use strongroom_tests::stage::site::Site;
use strongroom_tests::stage::within;

const PARTS: [Part; 5] =
    [Part::CommandLine, Part::Extension, Part::Moto, Part::Vault, Part::Wrapper];
const FUNCTION: &str = r#"
import json, os
def handler(event, context):
    with open("/tmp/vault/app.json") as file:
        document = json.load(file)
    return {"file": document["data"]["data"]["api-key"], "variable": os.environ["API_KEY"]}
"#;

/// A site with the layer's zip, and a settings file for a function that gets its secret in two ways.
fn site() -> Site {
    let site = Site::new();
    let (aws, vault, path) = (&site.account.address, &site.vault.address, practice::SECRET_PATH);
    site.write(
        "strongroom.toml",
        &format!(
            "VAULT_ADDR = '{vault}'\nVAULT_AUTH_PROVIDER = 'aws'\nVAULT_AUTH_ROLE = 'app'\n\
             [[secret]]\npath = '{path}'\nfile = 'app.json'\n\
             [[secret]]\npath = '{path}'\nvariable = 'API_KEY'\nfield = 'api-key'\n\
             [setup.vault]\nsts_endpoint = '{aws}'\niam_endpoint = '{aws}'\nsts_region = '{}'\n\
             [[setup.function]]\nname = 'orders'\nruntime = 'python3.12'\nhandler = 'app.handler'\n\
             package = 'orders.zip'\ntimeout = 20\n",
            practice::REGION
        ),
    );
    site.write_package("orders.zip");
    site.write_layer("layer.zip");
    site
}

fn layers(configuration: &Value) -> Vec<&str> {
    let layers = configuration["Layers"].as_array().into_iter().flatten();
    layers.map(|layer| layer["Arn"].as_str().unwrap()).collect()
}

const VERSION: &str = "arn:aws:lambda:us-east-1:123456789012:layer:strongroom:";

#[tokio::test(flavor = "multi_thread")]
async fn three_commands_on_an_empty_account_and_a_fresh_vault_give_a_function_its_secret() {
    let parts = [PARTS.as_slice(), &[Part::Python]].concat();
    if !beds::available("three commands set everything up", &parts) {
        return;
    }
    let site = site();
    let before = (site.account.content(), site.content_of_vault());
    site.run(&["setup", "apply", "--yes"]).good();
    let published = site.run(&["layer", "publish", "--zip", "layer.zip"]).good();
    assert!(published.out.starts_with(&format!("{VERSION}1\n")), "{}", published.out);
    let attached = site.run(&["layer", "attach", "--function", "orders", "--yes"]).good();
    assert!(
        attached.out.contains("+ AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec"),
        "{}",
        attached.out
    );

    let function = site.function("orders");
    assert_eq!(layers(&function), [format!("{VERSION}1")]);
    let environment = site.python_environment(&function, FUNCTION, "layer.zip").await;
    environment.initialize().await;
    let answer = within("the invocation", environment.host.invoke("{}")).await.unwrap();
    assert_eq!(answer.function_error, None, "{}", environment.log());
    let seen: Value = serde_json::from_slice(&answer.payload).unwrap();
    let secret = practice::SECRET_VALUE;
    assert_eq!(seen, json!({"file": secret, "variable": secret}));
    environment.shut_down().await;

    // A second time changes nothing, whatever came between.
    let again = site.run(&["setup", "apply", "--yes"]).good();
    assert!(again.out.contains("Everything is as it should be."), "{}", again.out);
    let again = site.run(&["layer", "publish", "--zip", "layer.zip", "--json"]).good();
    let again: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(again[0]["arn"], format!("{VERSION}1"));
    let again = site.run(&["layer", "attach", "--function", "orders", "--yes"]).good();
    assert!(again.out.contains("is as it should be"), "{}", again.out);

    site.run(&["layer", "attach", "--function", "orders", "--undo", "--yes"]).good();
    let function = site.function("orders");
    assert_eq!(layers(&function), [] as [&str; 0]);
    assert_eq!(function["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"], Value::Null);
    site.run(&["setup", "plan", "--check"]).good();
    site.run(&["setup", "destroy", "--yes"]).good();
    assert_eq!((site.account.content(), site.content_of_vault()), before);
}

#[test]
fn a_layer_is_published_in_each_region_shared_and_published_again_only_if_it_is_another() {
    if !beds::available("a layer is published", &PARTS) {
        return;
    }
    let site = site();
    let publish = |more: &[&str]| {
        let arguments = ["layer", "publish", "--region", "us-east-1,eu-west-1", "--json"];
        let run = site.run(&[&arguments, more].concat()).good();
        let list: Value = serde_json::from_str(&run.out).unwrap();
        list.as_array()
            .unwrap()
            .iter()
            .map(|one| one["arn"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let arn = |region: &str, version: u32| {
        format!("arn:aws:lambda:{region}:123456789012:layer:strongroom:{version}")
    };
    let shared = ["--zip", "layer.zip", "--share-with-account", "210987654321"];
    assert_eq!(publish(&shared), [arn("us-east-1", 1), arn("eu-west-1", 1)]);
    let policy =
        site.account.lambda("GET", "/2018-10-31/layers/strongroom/versions/1/policy", None);
    assert!(policy["Policy"].as_str().unwrap().contains("210987654321"), "{policy}");
    // Sharing again is no error, and neither is one more account.
    let both = [shared.as_slice(), &["--share-with-organization", "o-abc"]].concat();
    assert_eq!(publish(&both), [arn("us-east-1", 1), arn("eu-west-1", 1)]);

    // What Lambda could not start is not sent.
    site.write_package("no-layer.zip");
    let refused = site.run(&["layer", "publish", "--zip", "no-layer.zip"]).exits_with(1);
    assert!(refused.err.contains("no-layer.zip is not Strongroom's layer"), "{}", refused.err);
    let refused = site.run(&["layer", "publish"]).exits_with(1);
    assert!(refused.err.contains("cargo xtask layer builds it"), "{}", refused.err);
    let refused = site.run(&["layer", "publish", "--zip", "layer.zip", "--arch", "arm64"]);
    assert!(refused.exits_with(1).err.contains("is for x86_64"));
}

#[test]
fn a_layer_is_published_in_other_partitions_whose_accounts_and_arns_are_their_own() {
    if !beds::available("a layer is published in other partitions", &PARTS) {
        return;
    }
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        let mut site = site();
        site.act_as(&site.account.administrator_in(region));
        let arguments = ["layer", "publish", "--region", region, "--zip", "layer.zip"];
        let run = site.run(&arguments).good();
        let arn = format!("arn:{partition}:lambda:{region}:123456789012:layer:strongroom:1");
        assert!(run.out.contains(&format!("layers        = [\"{arn}\"]")), "{}", run.out);
    }
}

#[test]
fn the_incumbent_is_replaced_after_what_differs_was_shown_and_comes_back() {
    if !beds::available("the incumbent is replaced", &PARTS) {
        return;
    }
    let site = site();
    site.run(&["setup", "apply", "--yes"]).good();
    site.run(&["layer", "publish", "--zip", "layer.zip"]).good();
    // The incumbent's layer, as it is in the account.
    site.run(&["layer", "publish", "--zip", "layer.zip", "--name", "vault-lambda-extension"])
        .good();
    let vle = "arn:aws:lambda:us-east-1:123456789012:layer:vault-lambda-extension:1";
    let configuration = "/2015-03-31/functions/orders/configuration";
    let body = json!({"Layers": [vle]});
    site.account.lambda("PUT", configuration, Some(&body));
    assert_eq!(layers(&site.function("orders")), [vle]);
    let before = site.function("orders")["Environment"].clone();

    let attach = ["layer", "attach", "--function", "orders", "--yes"];
    let refused = site.run(&attach).exits_with(1);
    assert!(refused.out.contains("pass --replace-vle"), "{}", refused.out);
    let replaced = site.run(&[attach.as_slice(), &["--replace-vle"]].concat()).good();
    assert!(replaced.out.contains("A missing or deleted secret fails init."), "{}", replaced.out);
    assert_eq!(layers(&site.function("orders")), [format!("{VERSION}1")]);
    site.run(&[attach.as_slice(), &["--undo"]].concat()).good();
    assert_eq!(layers(&site.function("orders")), [vle]);
    assert_eq!(site.function("orders")["Environment"], before);
}
