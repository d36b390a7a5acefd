//! Clients of these languages through the local Vault API, on real Vault: node-vault, and Java's own HttpClient.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part, practice, shared_moto};
use strongroom_tests::stage::practice::Practice;

/// The practice's function, which is there and never asked.
const FUNCTION: &str = env!("CARGO_BIN_EXE_strongroom-tests-function");
/// Where the practice's KV v2 engine is mounted.
const MOUNT: &str = "kv/data/test";
const POLICY: &str = r#"
path "kv/data/test/*" { capabilities = ["create", "delete", "list", "patch", "read", "update"] }
path "kv/data/test/data/forbidden" { capabilities = ["deny"] }
"#;
const LOGIN: &str = "update auth/aws/login";

/// The practice, whose role may do with secrets what it wants.
fn practice_of_writer(test: &str, client: Part) -> Option<Practice> {
    let parts = [client, Part::Extension, Part::Moto, Part::Vault];
    if !beds::available(test, &parts) {
        return None;
    }
    let practice = Practice::new(FUNCTION.as_ref(), shared_moto());
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": POLICY}));
    Some(practice)
}

/// What a client's program printed that was told where the local Vault API is.
async fn printed(practice: &Practice, client: &mut Command) -> String {
    let environment = practice.ready().await;
    let address = format!("http://{}", environment.proxy());
    let Output { status, stdout, stderr } =
        client.args([&address, MOUNT]).output().expect("the client starts");
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{errors}\n{}", environment.log());
    // No refusal by policy, and no number of requests at once, costs another login.
    assert_eq!(practice.audit.count(LOGIN), 1);
    String::from_utf8(stdout).expect("it prints text")
}

#[tokio::test(flavor = "multi_thread")]
async fn node_vault_does_through_the_proxy_what_it_does_at_vault() {
    let Some(practice) = practice_of_writer("node-vault through the proxy", Part::Node) else {
        return;
    };
    let node = beds::node();
    let language = node.ancestors().nth(2).expect("an interpreter lies in bin");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/languages/client.cjs");
    let mut client = Command::new(&node);
    client.arg(script).env_clear().env("NODE_PATH", language.join("node_modules"));
    let seen: Value = serde_json::from_str(&printed(&practice, &mut client).await).unwrap();
    let cas = "check-and-set parameter did not match the current version";
    let expected = json!({
        "read": {practice::SECRET_KEY: practice::SECRET_VALUE},
        "versions written": [1, 2],
        "latest": {"n": 2},
        "first version": {"n": 1},
        "create over it": [400, cas],
        "list": ["own"],
        "deleted": [404, "Status 404"],
        "gone": [404, "Status 404"],
        "forbidden": [403, "1 error occurred:\n\t* permission denied\n\n"],
        "missing": [404, "Status 404"],
        "token": {"path": "auth/aws/login", "policies": ["default", "lambda"]},
        "at once": 1,
    });
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn javas_http_client_does_through_the_proxy_what_it_does_at_vault() {
    let Some(practice) = practice_of_writer("Java's HttpClient through the proxy", Part::Java)
    else {
        return;
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/languages/Client.java");
    let mut client = Command::new(beds::java());
    client.arg("-XX:TieredStopAtLevel=1").arg(source);
    let printed = printed(&practice, &mut client).await;
    let answers: BTreeMap<&str, Answer> = printed.lines().map(Answer::parse).collect();
    let status = |name: &str| answers[name].status;
    let data = |name: &str| answers[name].body["data"].clone();
    let errors = |name: &str| answers[name].body["errors"].clone();

    assert!(answers.values().all(|answer| answer.protocol == "HTTP_1_1"), "{printed}");
    let held = json!({practice::SECRET_KEY: practice::SECRET_VALUE});
    assert_eq!(data("read")["data"], held);
    let versions =
        ["written", "written again", "patched"].map(|name| data(name)["version"].clone());
    assert_eq!(versions, [1, 2, 3]);
    assert_eq!(data("latest")["data"], json!({"n": 2, "colour": "blue"}));
    assert_eq!(data("first version")["data"], json!({"n": 1, "colour": "red"}));
    let cas = "check-and-set parameter did not match the current version";
    assert_eq!((status("create over it"), errors("create over it")), (400, json!([cas])));
    assert_eq!(data("list"), json!({"keys": ["own"]}));
    assert_eq!((status("delete"), status("deleted")), (204, 404));
    // Vault says of a deleted version what it was.
    assert_eq!(data("deleted")["metadata"]["version"], 3);
    let denied = json!(["1 error occurred:\n\t* permission denied\n\n"]);
    assert_eq!((status("forbidden"), errors("forbidden")), (403, denied));
    assert_eq!((status("missing"), errors("missing")), (404, json!([])));
    assert_eq!(data("token")["path"], "auth/aws/login");
    assert_eq!(status("at once"), 50);
}

/// A line of the Java program.
struct Answer<'a> {
    body: Value,
    protocol: &'a str,
    status: u16,
}

impl<'a> Answer<'a> {
    /// By its name.
    fn parse(line: &'a str) -> (&'a str, Self) {
        let fields: Vec<&str> = line.splitn(4, '\t').collect();
        let [name, protocol, status, body] = fields[..] else { panic!("{line:?}") };
        // Not every answer has a body.
        let body = serde_json::from_str(body).unwrap_or_default();
        (name, Self { body, protocol, status: status.parse().unwrap() })
    }
}
