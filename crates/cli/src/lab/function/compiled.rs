//! The compiled sample function: this program, copied to `app`, speaking the Runtime API.
//! It does what `handler.py` does, word for word.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Way, Wish};

/// The name under which the function's bootstrap executes it.
pub(crate) const NAME: &str = "app";
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const REQUEST_ID: &str = "Lambda-Runtime-Aws-Request-Id";
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// Whether Lambda has started this program as a function.
pub(crate) fn is_sample_function() -> bool {
    let program = std::env::args_os().next().unwrap_or_default();
    Path::new(&program).file_name().is_some_and(|name| name == NAME)
        && std::env::var_os(RUNTIME_API).is_some()
}

/// Serves invocations until the environment ends.
pub(crate) fn sample_function() -> ExitCode {
    let Err(error) = serve();
    // The log is all there is to tell it to.
    let _ = writeln!(std::io::stderr(), "the sample function failed: {error:#}");
    ExitCode::FAILURE
}

fn serve() -> Result<std::convert::Infallible> {
    let api = variable(RUNTIME_API)?;
    let agent = agent(None);
    loop {
        let next = format!("http://{api}/2018-06-01/runtime/invocation/next");
        let mut event = agent.get(&next).call().context("cannot ask for the next invocation")?;
        let id = event.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let id = id.context("an invocation without an identifier")?.to_owned();
        let body = event.body_mut().read_to_vec().context("cannot read the event")?;
        let (end, answer) = match handle(&body) {
            Ok(answer) => ("response", answer),
            Err(error) => {
                let error =
                    json!({ "errorMessage": format!("{error:#}"), "errorType": "Sample.Failed" });
                ("error", error)
            }
        };
        let url = format!("http://{api}/2018-06-01/runtime/invocation/{id}/{end}");
        agent.post(&url).send(answer.to_string()).context("cannot answer the invocation")?;
    }
}

fn handle(event: &[u8]) -> Result<Value> {
    let Wish { read } = serde_json::from_slice(event).context("the event is no wish")?;
    let (file, path) = (variable("VAULT_SECRET_FILE")?, variable("VAULT_SECRET_PATH")?);
    let mut seen = json!({});
    for way in read {
        match way {
            Way::Cached => {
                seen["cached"] = api_key(ask(&path, &[("X-Vault-Cache-Control", "cache")])?)
            }
            Way::File => {
                let mode = std::fs::metadata(&file).context("cannot look at the file")?;
                let text = std::fs::read(&file).context("cannot read the file")?;
                seen["file"] =
                    api_key(serde_json::from_slice(&text).context("no JSON in the file")?);
                seen["file_mode"] = format!("{:04o}", mode.permissions().mode() & 0o7777).into();
            }
            Way::Proxy => seen["proxy"] = api_key(ask(&path, &[])?),
            // Only the lab wants it: to prove that it is worth nothing after SHUTDOWN.
            Way::Token => seen["token"] = ask("auth/token/lookup-self", &[])?["data"]["id"].take(),
            Way::Variable => seen["variable"] = variable("API_KEY")?.into(),
        }
    }
    Ok(seen)
}

/// One request to the local Vault API.
fn ask(path: &str, headers: &[(&str, &str)]) -> Result<Value> {
    let url = format!("{}/v1/{path}", variable("VAULT_ADDR")?);
    let mut request = agent(Some(READ_PATIENCE)).get(&url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = request.call().with_context(|| format!("cannot ask {url}"))?;
    let body = answer.body_mut().read_to_vec().with_context(|| format!("cannot read {url}"))?;
    ensure!(answer.status().is_success(), "{url} answered {}", answer.status());
    serde_json::from_slice(&body).with_context(|| format!("no JSON at {url}"))
}

fn api_key(mut document: Value) -> Value {
    document["data"]["data"]["api-key"].take()
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is unset"))
}

/// Without forward proxies: everything it calls is in this environment.
fn agent(patience: Option<Duration>) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(patience)
        .build()
        .new_agent()
}
