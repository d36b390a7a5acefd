//! `strongroom run` as a person uses it against what `setup` made: the layer's zip, the function's own role, real Vault.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part, practice};
use strongroom_tests::stage::free_port;
use strongroom_tests::stage::site::Site;

use super::FUNCTION;

const PARTS: [Part; 5] =
    [Part::CommandLine, Part::Extension, Part::Moto, Part::Vault, Part::Wrapper];

/// What the function reads, by file and through the local Vault API.
fn event() -> String {
    let path = format!("/v1/{}", practice::SECRET_PATH);
    json!({ "files": ["/tmp/vault/app.json"], "get": [path], "variables": ["AWS_ACCESS_KEY_ID"] })
        .to_string()
}

/// Everything that `setup` makes for a function, its layer, and its code.
fn site() -> Site {
    let site = Site::new();
    site.write_package("orders.zip");
    site.write_layer("layer.zip");
    let (aws, vault) = (&site.account.address, &site.vault.address);
    let vault_settings = format!(
        "VAULT_ADDR = '{vault}'\nVAULT_AUTH_PROVIDER = 'aws'\nVAULT_AUTH_ROLE = 'app'\n\
         VAULT_IAM_SERVER_ID = 'vault.example'\n\
         [[secret]]\npath = '{}'\nfile = 'app.json'\n",
        practice::SECRET_PATH,
    );
    let setup = format!(
        "[setup]\naccount = '{}'\n\
         [setup.vault]\nsts_endpoint = '{aws}'\niam_endpoint = '{aws}'\nsts_region = '{}'\n\
         [[setup.function]]\nname = 'orders'\nruntime = 'python3.12'\nhandler = 'app.handler'\n\
         package = 'orders.zip'\ntimeout = 20\n",
        practice::ACCOUNT,
        practice::REGION,
    );
    site.write("strongroom.toml", &format!("{vault_settings}{setup}"));
    site.run(&["setup", "apply", "--yes"]).good();
    // Tokens that can be counted: those that setup has made otherwise leave no trace in Vault.
    site.vault.write("auth/aws/role/app", &json!({ "token_type": "service" }));
    // Lambda's own trust lets nobody else in.
    let administrator = format!("arn:aws:iam::{}:user/administrator", practice::ACCOUNT);
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": administrator },
            "Action": "sts:AssumeRole",
            "Condition": {},
        }],
    });
    let (action, role) = (("Action", "UpdateAssumeRolePolicy"), ("RoleName", "orders-role"));
    site.account.iam(&[action, role, ("PolicyDocument", &trust.to_string())]);
    std::fs::create_dir(site.path("code")).unwrap();
    std::fs::copy(FUNCTION, site.path("code/bootstrap")).unwrap();
    site
}

/// What it is run with but for events.
fn arguments(site: &Site) -> Vec<String> {
    let role = format!("arn:aws:iam::{}:role/orders-role", practice::ACCOUNT);
    let port = free_port();
    let port_of_proxy = format!("STRONGROOM_PROXY_PORT={port}");
    // For the function's own client: the local Vault API.
    let proxy = format!("VAULT_ADDR=http://127.0.0.1:{port}");
    let vault = format!("VLE_VAULT_ADDR={}", site.vault.address);
    let arguments = [
        &["run", "--code", "code", "--layer", "layer.zip", "--config", "strongroom.toml"][..],
        &["--assume-role", &role, "--name", "orders", "--timeout", "20"],
        &["--env", &port_of_proxy, "--env", &proxy, "--env", &vault],
    ];
    arguments.concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn the_functions_own_role_reads_its_secret_on_this_machine_and_leaves_no_token() {
    if !beds::available("strongroom run with real Vault and a role", &PARTS) {
        return;
    }
    let site = site();
    let arguments = arguments(&site);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ran =
        site.run(&[&arguments[..], &["--event", &event(), "--count", "2", "--json"]].concat());
    let ran = ran.good();
    let objects: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [cold, warm] = &objects[..] else { panic!("{}{}", ran.out, ran.err) };
    for object in [cold, warm] {
        let payload = &object["payload"];
        let file: Value = serde_json::from_str(payload["files"][0].as_str().unwrap()).unwrap();
        assert_eq!(file["data"]["data"][practice::SECRET_KEY], practice::SECRET_VALUE);
        assert!(payload["get"][0].to_string().contains(practice::SECRET_VALUE), "{payload}");
        // The role's, not those that the command line itself has.
        let key = payload["variables"][0].as_str().unwrap();
        assert_ne!(key, site.account.administrator.id);
    }
    let rows = cold["waterfall"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "strongroom").unwrap();
    assert!(row["registered_ms"].as_f64() > row["start_ms"].as_f64(), "{rows:#?}");
    assert!(!ran.err.contains(practice::SECRET_VALUE), "{}", ran.err);
    assert_eq!(site.vault.login_accessors().len(), 0, "{}", ran.err);
}

/// Ends with a test that fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[test]
fn an_endpoint_that_is_interrupted_leaves_no_token_and_no_process() {
    if !beds::available("strongroom run --serve with real Vault and Ctrl-C", &PARTS) {
        return;
    }
    let site = site();
    let arguments =
        [arguments(&site), vec!["--serve".to_owned(), "127.0.0.1:0".to_owned()]].concat();
    let mut child = Killed(
        site.command(&beds::command_line())
            .args(&arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let child = &mut child.0;
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let serving = lines.find(|line| line.contains("serving: ")).unwrap();
    let url = serving.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let url = format!("{url}/2015-03-31/functions/orders/invocations");
    let answer = ureq::post(&url).send(event()).unwrap().body_mut().read_to_string().unwrap();
    assert!(answer.contains(practice::SECRET_VALUE), "{answer}");
    assert_eq!(site.vault.login_accessors().len(), 1);
    let process = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let rest: Vec<_> = lines.collect();
    assert!(child.wait().unwrap().success(), "{rest:#?}");
    assert_eq!(site.vault.login_accessors().len(), 0, "{rest:#?}");
    let picture = rest.iter().skip_while(|line| !line.starts_with("cold start: ")).skip(1);
    let names: Vec<_> = picture.filter_map(|line| line.split_whitespace().next()).take(4).collect();
    assert_eq!(names, ["environment", "strongroom", "runtime", "init"], "{rest:#?}");
}
