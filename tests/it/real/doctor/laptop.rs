//! A function on Lambda, seen from a laptop: Lambda is a stub, STS is moto, Vault is real.

use serde_json::{Value, json};
use strongroom_tests::beds::{self, AccessKey, Part, ROOT_TOKEN, practice, shared_moto};
use strongroom_tests::stage::stub::{self, Stub, whole};

use super::layer::{ARM64, X86_64, zipped};
use super::{Bed, Fault, check, fault, warning};

const FAULTS: &[Fault] = &[
    fault(
        "a layer for another processor",
        |bed| deploy(bed, &json!({"Architectures": ["arm64"]}), X86_64),
        "layer",
        &["it is for x86_64, and the function runs on arm64", "--arch aarch64"],
    ),
    fault(
        "no layer",
        |bed| deploy(bed, &json!({"Layers": []}), X86_64),
        "layer",
        &["not there", "add the layer to the function"],
    ),
    fault(
        "a runtime that heeds no exec wrapper",
        |bed| deploy(bed, &json!({"Runtime": "provided.al2023"}), X86_64),
        "wrapper",
        &[
            "provided.al2023 does not heed AWS_LAMBDA_EXEC_WRAPPER",
            "exec /opt/strongroom/exec ./app",
        ],
    ),
    warning(
        "a function that is ended before init can be made good",
        |bed| deploy(bed, &json!({"Timeout": 3}), X86_64),
        "time-outs",
        &["3 s for an invocation", "Task timed out", "--timeout 15"],
    ),
    warning(
        "a token that ends within an invocation",
        |bed| {
            deploy(bed, &json!({"Timeout": 900}), X86_64);
            bed.role(&json!({"token_ttl": "60s"}));
        },
        "token",
        &["token_ttl is 60 s, and an invocation may take 900 s", "token_ttl=1h"],
    ),
    fault(
        "another IAM role is bound, seen by an administrator",
        |bed| {
            deploy(bed, &json!({"Role": arn("other")}), X86_64);
            bed.shell.insert("VAULT_TOKEN".to_owned(), ROOT_TOKEN.to_owned());
        },
        "role-binding",
        &[
            "it is bound to",
            "the function's role is arn:aws:iam::123456789012:role/other",
            "bound_iam_principal_arn=arn:aws:iam::123456789012:role/other",
        ],
    ),
    fault(
        "an assumed role is bound, seen by an administrator",
        |bed| {
            let session =
                format!("arn:aws:sts::{}:assumed-role/{}/f", practice::ACCOUNT, practice::ROLE);
            let role = json!({
                "auth_type": "iam", "bound_iam_principal_arn": session, "resolve_aws_unique_ids": false,
            });
            bed.vault.write("auth/aws/role/session", &role);
            bed.set("VAULT_AUTH_ROLE", "session");
            deploy(bed, &json!({}), X86_64);
            bed.act_as_operator(&shared_moto().unbound_session);
            bed.shell.insert("VAULT_TOKEN".to_owned(), ROOT_TOKEN.to_owned());
        },
        "role-binding",
        &["an assumed-role ARN binds nobody"],
    ),
    warning(
        "a wildcard is bound, seen by an administrator",
        |bed| {
            deploy(bed, &json!({}), X86_64);
            bed.role(&json!({"bound_iam_principal_arn": arn("lambda-*")}));
            bed.shell.insert("VAULT_TOKEN".to_owned(), ROOT_TOKEN.to_owned());
        },
        "role-binding",
        &["GHSA-jp7h-4f3c-9rc7", "lambda-*"],
    ),
    fault(
        "regions that are no pair, seen by an administrator",
        |bed| {
            deploy(bed, &json!({}), X86_64);
            bed.act_as_operator(&shared_moto().unbound_session);
            bed.client(&json!({"sts_endpoint": "https://sts.eu-west-1.amazonaws.com", "sts_region": "us-east-1"}));
            bed.shell.insert("VAULT_TOKEN".to_owned(), ROOT_TOKEN.to_owned());
        },
        "region",
        &["the two must be a pair", "sts_region=eu-west-1"],
    ),
    fault(
        "a role that does not let itself be assumed",
        |bed| {
            deploy(bed, &json!({}), X86_64);
            bed.arguments.push("--assume-role".to_owned());
            bed.act_as_operator(&shared_moto().unbound_session);
        },
        "credentials",
        &[
            "sts:AssumeRole of arn:aws:iam::123456789012:role/lambda-role",
            "leave --assume-role out",
        ],
    ),
];

impl Bed {
    /// Gives the operator's shell these credentials.
    fn act_as_operator(&mut self, key: &AccessKey) {
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", key.id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", &key.secret),
            ("AWS_SESSION_TOKEN", key.token.as_deref().unwrap_or_default()),
        ] {
            self.shell.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn arn(role: &str) -> String {
    format!("arn:aws:iam::{}:role/{role}", practice::ACCOUNT)
}

/// Puts the function on a stub of Lambda, with a layer for this processor; the operator has the function's role.
fn deploy(bed: &mut Bed, change: &Value, machine: u8) {
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"] {
        bed.unset(name);
    }
    let mut configuration = json!({
        "FunctionName": practice::FUNCTION,
        "FunctionArn": format!("arn:aws:lambda:us-east-1:{}:function:{}", practice::ACCOUNT, practice::FUNCTION),
        "Runtime": "python3.13",
        "Role": arn(practice::ROLE),
        "Timeout": 30,
        "Architectures": ["x86_64"],
        "Environment": {"Variables": bed.variables},
        "Layers": [{"Arn": "arn:aws:lambda:us-east-1:123456789012:layer:strongroom:1"}],
    });
    for (name, value) in change.as_object().into_iter().flatten() {
        configuration[name] = value.clone();
    }
    let zip = zipped(&[("extensions/strongroom", 0o755), ("strongroom/exec", 0o755)], machine);
    let stub = Bed::wait(Stub::start(move |request| {
        let (configuration, zip) = (configuration.clone(), zip.clone());
        let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        async move {
            match request.uri().path() {
                "/2015-03-31/functions/my-function/configuration" => {
                    stub::json(200, &configuration)
                }
                "/2018-10-31/layers" => {
                    let location = format!("http://{}/layer.zip", host.unwrap());
                    stub::json(200, &json!({"Content": {"Location": location}}))
                }
                "/layer.zip" => http::Response::builder().status(200).body(whole(zip)).unwrap(),
                path => stub::json(404, &json!({"Message": format!("no {path}")})),
            }
        }
    }));
    bed.act_as_operator(&shared_moto().session);
    for (name, value) in [
        ("AWS_ENDPOINT_URL_LAMBDA", format!("http://{}", stub.address())),
        ("AWS_ENDPOINT_URL_STS", shared_moto().address.clone()),
        ("AWS_REGION", practice::REGION.to_owned()),
    ] {
        bed.shell.insert(name.to_owned(), value);
    }
    bed.arguments = vec!["--function".to_owned(), practice::FUNCTION.to_owned()];
    bed.held.push(Box::new(stub));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lambda_and_an_administrator_show_is_named() {
    check("doctor: a function on Lambda", FAULTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_examined_from_its_configuration_alone() {
    if !beds::available("doctor examines a function", &super::NEEDED) {
        return;
    }
    let mut bed = Bed::new();
    deploy(&mut bed, &json!({"Architectures": ["arm64"]}), ARM64);
    let examined = bed.examine();
    assert_eq!(examined.code, Some(0), "{}{}", examined.text, examined.errors);
    for words in
        ["assumed-role/lambda-role/my-function", "for arm64, executable", "python3.13 starts"]
    {
        assert!(examined.text.contains(words), "no {words:?}: {}", examined.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_logs_in_as_another_than_the_function() {
    if !beds::available("doctor does not log in as another", &super::NEEDED) {
        return;
    }
    let mut bed = Bed::new();
    deploy(&mut bed, &json!({}), X86_64);
    bed.act_as_operator(&shared_moto().unbound_session);
    let examined = bed.examine();
    assert_eq!(examined.code, Some(0), "{}", examined.text);
    assert!(examined.text.contains("--assume-role becomes it"), "{}", examined.text);
    assert_eq!(bed.vault.login_accessors(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_begin_exits_with_2() {
    if !beds::available("doctor cannot begin", &[Part::CommandLine, Part::Moto, Part::Vault]) {
        return;
    }
    let mut bed = Bed::new();
    deploy(&mut bed, &json!({}), X86_64);
    bed.arguments = vec!["--function".to_owned(), "another".to_owned()];
    let examined = bed.examine();
    assert_eq!(examined.code, Some(2));
    assert!(
        examined.errors.contains("Lambda does not tell the configuration of another"),
        "{}",
        examined.errors
    );
    bed.arguments = vec!["--config".to_owned(), "/nowhere".to_owned()];
    let examined = bed.examine();
    assert_eq!(examined.code, Some(2));
    assert!(examined.errors.contains("cannot read /nowhere"), "{}", examined.errors);
}
