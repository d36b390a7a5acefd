//! The endpoint, called by AWS's own SDKs.

use std::process::{Command, Stdio};
use std::time::Instant;

use aws_credential_types::Credentials;
use aws_sdk_lambda::config::{BehaviorVersion, Region};
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use base64::Engine as _;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{PATIENCE, Running, Site};
use crate::part;

/// An endpoint that serves a site's function.
pub(super) struct Endpoint {
    pub(super) running: Running,
    url: String,
}

impl Endpoint {
    pub(super) fn start(site: &Site, arguments: &[&str]) -> Self {
        let arguments = [&["--serve", "127.0.0.1:0"], arguments].concat();
        let mut running = Running::start(&mut site.command(&arguments));
        let line = running.line("serving: ");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        Self { url: url.to_owned(), running }
    }

    /// Calls it without any SDK.
    pub(super) fn invoke(&self, event: &str) -> Value {
        let url = format!("{}/2015-03-31/functions/any/invocations", self.url);
        let mut answer = ureq::post(&url).send(event).unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    pub(super) fn end(self) -> Vec<String> {
        self.running.signal(Signal::TERM);
        let (status, said) = self.running.end();
        assert!(status.success(), "{said:#?}");
        said
    }
}

#[test]
fn the_sdk_for_python_invokes_in_every_way() {
    let Some(moto) = part("the_sdk_for_python_invokes_in_every_way", "STRONGROOM_MOTO") else {
        return;
    };
    let site = Site::new();
    let endpoint = Endpoint::start(&site, &["--name", "mine"]);
    site.write("client.py", include_str!("client.py"));
    let mut client = Command::new(std::path::Path::new(&moto).with_file_name("python3"));
    let output =
        client.arg(site.path("client.py")).arg(&endpoint.url).stdin(Stdio::null()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let said = endpoint.end();

    let first = &seen["first"];
    assert_eq!((&first["status"], &first["version"]), (&json!(200), &json!("$LATEST")), "{seen:#}");
    assert_eq!(first["body"]["event"], json!({ "a": 1 }));
    assert_eq!(first["body"]["context"], json!({ "custom": { "a": "b" } }));
    let (id, log) = (first["id"].as_str().unwrap(), first["log"].as_str().unwrap());
    for part in
        [&format!("START RequestId: {id}"), "event {\"a\": 1}\n", "REPORT ", "Init Duration"]
    {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert_eq!(seen["nothing"]["body"]["event"], json!({}));
    assert_eq!(seen["nothing"]["log"], Value::Null);
    assert_eq!(seen["arn"]["body"]["calls"], 3, "all in one environment");
    assert_eq!(seen["failed"]["error"], "Unhandled");
    assert_eq!(seen["failed"]["body"]["errorType"], "Told");
    assert_eq!(seen["dry"]["status"], 204);
    assert_eq!((&seen["event"]["status"], &seen["event"]["body"]), (&json!(202), &Value::Null));
    let mut at: Vec<_> = seen["many"].as_array().unwrap().iter().map(|one| &one["body"]).collect();
    at.sort_by_key(|body| body["event"]["at"].as_u64());
    let events: Vec<_> = at.iter().map(|body| body["event"].clone()).collect();
    assert_eq!(events, (0..8).map(|at| json!({ "at": at })).collect::<Vec<_>>());
    assert!(said.iter().any(|line| line.ends_with("event {\"later\": 1}")), "{said:#?}");
    let refused = |name: &str, status: u16, code: &str| {
        assert_eq!(
            (&seen[name]["status"], &seen[name]["code"]),
            (&json!(status), &json!(code)),
            "{seen:#}"
        );
    };
    refused("no json", 400, "InvalidRequestContentException");
    refused("unknown", 404, "ResourceNotFoundException");
    refused("large", 413, "RequestTooLargeException");
    assert_eq!(said.iter().filter(|line| line.ends_with("told SHUTDOWN")).count(), 1, "{said:#?}");
}

#[test]
fn the_command_line_of_aws_invokes() {
    let Some(aws) = part("the_command_line_of_aws_invokes", "STRONGROOM_AWS_CLI") else { return };
    let site = Site::new();
    let endpoint = Endpoint::start(&site, &[]);
    let mut command = Command::new(aws);
    command.args(["lambda", "invoke", "--endpoint-url", &endpoint.url, "--function-name", "x"]);
    command.arg("out.json").current_dir(site.path("code")).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "AKIDTEST").env("AWS_SECRET_ACCESS_KEY", "test");
    command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_CONFIG_FILE", "/nowhere");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said, json!({ "ExecutedVersion": "$LATEST", "StatusCode": 200 }));
    let answer = std::fs::read(site.path("code/out.json")).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["event"], json!({}));
    endpoint.end();
}

#[tokio::test]
async fn the_sdk_for_rust_invokes_and_knows_the_errors() {
    let site = Site::new();
    let endpoint = Endpoint::start(&site, &["--name", "mine"]);
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("AKIDTEST", "test", None, None, "test"))
        .endpoint_url(&endpoint.url)
        .http_client(http)
        .region(Region::new("us-east-1"))
        .build();
    let client = aws_sdk_lambda::Client::from_conf(config);
    let call = |name: &str, event: &str| {
        client.invoke().function_name(name).payload(Blob::new(event)).log_type("Tail".into()).send()
    };
    let answer = call("mine", "{\"a\": 1}").await.unwrap();
    let body: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
    assert_eq!(body["event"], json!({ "a": 1 }));
    assert_eq!((answer.status_code(), answer.executed_version()), (200, Some("$LATEST")));
    assert_eq!(answer.function_error(), None);
    let log = base64::engine::general_purpose::STANDARD.decode(answer.log_result().unwrap());
    assert!(String::from_utf8(log.unwrap()).unwrap().contains("event {\"a\": 1}"));
    let answer = call("mine", "{\"do\": \"fail\"}").await.unwrap();
    assert_eq!(answer.function_error(), Some("Unhandled"));
    let error = call("other", "{}").await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    let error = call("mine", "{").await.unwrap_err().into_service_error();
    assert!(error.is_invalid_request_content_exception(), "{error:?}");
    assert!(error.message().unwrap().starts_with("Could not parse request body into json"));
    endpoint.end();
}

#[test]
fn between_calls_processes_stand_still() {
    let site = Site::new();
    let mut endpoint = Endpoint::start(&site, &[]);
    let first = endpoint.invoke("{}");
    for what in ["guard runs as ", "function runs as "] {
        let line = endpoint.running.line(what);
        let stat = format!("/proc/{}/stat", line.rsplit_once(' ').unwrap().1);
        let end = Instant::now() + PATIENCE;
        let is_stopped = || std::fs::read_to_string(&stat).unwrap().contains(") T ");
        while !is_stopped() {
            assert!(Instant::now() < end, "{line}");
        }
    }
    let second = endpoint.invoke("{}");
    assert_eq!((&second["instance"], &second["calls"]), (&first["instance"], &json!(2)));
    endpoint.end();
}

#[test]
fn calls_beyond_those_that_may_wait_are_refused() {
    let site = Site::new();
    let mut endpoint = Endpoint::start(&site, &["--timeout", "600"]);
    let url = format!("{}/2015-03-31/functions/any/invocations", endpoint.url);
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let call = |event: &str| {
        let request = agent.post(&url).header("X-Amz-Invocation-Type", "Event");
        request.send(event).unwrap()
    };
    assert_eq!(call("{\"do\": \"hang\"}").status(), 202);
    // From here on it is busy, and whoever comes waits.
    endpoint.running.line("event {\"do\": \"hang\"}");
    for _ in 0..64 {
        assert_eq!(call("{}").status(), 202);
    }
    let refused = call("{}");
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-amzn-errortype"], "TooManyRequestsException");
    endpoint.end();
}
