//! The function of the end-to-end tests, as a `provided` runtime: it reads files and variables and asks the local Vault
//! API, and answers with what it saw. It knows nothing of the extension but its port.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

fn main() {
    // Lambda Managed Instances expect so many polls at once; elsewhere the variable is not there.
    let concurrency = std::env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok();
    let concurrency = concurrency.and_then(|limit| limit.parse().ok()).unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..concurrency {
            scope.spawn(serve);
        }
    });
}

/// Takes one invocation after the other, until Lambda ends the process.
fn serve() {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("Lambda says where it is");
    let invocations = format!("http://{api}/2018-06-01/runtime/invocation");
    let lambda = agent(None);
    loop {
        let mut next =
            lambda.get(format!("{invocations}/next")).call().expect("the next invocation");
        let header = |name: &str| {
            next.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let request =
            header("lambda-runtime-aws-request-id").expect("an invocation has an identifier");
        let invocation = header("lambda-runtime-invocation-id");
        let event = next.body_mut().read_to_string().expect("an event is text");
        let seen = handle(&serde_json::from_str(&event).expect("an event is JSON"));
        let mut response = lambda.post(format!("{invocations}/{request}/response"));
        if let Some(invocation) = invocation {
            response = response.header("lambda-runtime-invocation-id", invocation);
        }
        response.send(seen.to_string()).expect("Lambda takes the answer");
    }
}

/// `{"files": [path], "get": [path below the local Vault API], "variables": [name]}`.
fn handle(event: &Value) -> Value {
    let texts = |name: &str| -> Vec<String> {
        let list = event[name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let files: Vec<Value> = texts("files").iter().map(|path| read(path)).collect();
    let answers: Vec<Value> = texts("get").iter().map(|path| get(path)).collect();
    let variables: Vec<Value> =
        texts("variables").iter().map(|name| std::env::var(name).ok().into()).collect();
    json!({ "files": files, "get": answers, "variables": variables })
}

fn read(path: &str) -> Value {
    fs::read_to_string(path).map_or_else(|error| json!({ "error": error.to_string() }), Value::from)
}

fn get(path: &str) -> Value {
    let port = std::env::var("STRONGROOM_PROXY_PORT").unwrap_or_else(|_| "8200".to_owned());
    let answer =
        agent(Some(Duration::from_secs(60))).get(format!("http://127.0.0.1:{port}{path}")).call();
    match answer {
        Ok(mut answer) => json!({
            "status": answer.status().as_u16(),
            "body": answer.body_mut().read_to_string().unwrap_or_default(),
        }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn agent(patience: Option<Duration>) -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).proxy(None);
    config.timeout_global(patience).build().new_agent()
}
