//! The Extensions API for one extension, as much of it as shows that the extension lives and ends.
//!
//! The local Lambda of `host` starts processes in a root of its own making; here the root is the test's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use strongroom_tests::stage::PATIENCE;
use strongroom_tests::stage::stub::{Body, Stub};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc};

/// The API; it is asked by one extension at most.
pub(crate) struct Lambda {
    /// What `AWS_LAMBDA_RUNTIME_API` is to say.
    pub(crate) address: String,
    calls: mpsc::UnboundedReceiver<&'static str>,
    events: mpsc::UnboundedSender<String>,
    _stub: Stub,
}

impl Lambda {
    /// Listens in the runtime's network.
    pub(crate) fn start(runtime: &Runtime) -> Self {
        let (call, calls) = mpsc::unbounded_channel();
        let (events, event) = mpsc::unbounded_channel::<String>();
        let event = Arc::new(Mutex::new(event));
        let stub = runtime.block_on(Stub::start(move |request: http::Request<_>| {
            let (call, event) = (call.clone(), Arc::clone(&event));
            async move {
                let called = match request.uri().path() {
                    "/2020-01-01/extension/register" => "register",
                    "/2020-01-01/extension/event/next" => "event/next",
                    _ => "an error",
                };
                // The test may have ended.
                let _ = call.send(called);
                let body = match called {
                    "event/next" => event.lock().await.recv().await.unwrap_or_default(),
                    _ => FUNCTION.to_owned(),
                };
                let answer = Response::builder().header("lambda-extension-identifier", "8a3f1e0c");
                answer.body(of_text(body)).expect("an answer")
            }
        }));
        Self { address: stub.address().to_string(), calls, events, _stub: stub }
    }

    /// Waits for the extension's next call, which must be this one.
    pub(crate) fn wait_for(&mut self, call: &str, runtime: &Runtime) -> Result<(), String> {
        let next =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, self.calls.recv()).await });
        match next {
            Ok(Some(next)) if next == call => Ok(()),
            other => Err(format!("{other:?} instead of {call}")),
        }
    }

    /// Begins an invocation.
    pub(crate) fn invoke(&self) {
        let deadline = deadline(Duration::from_secs(60));
        self.events
            .send(format!(
                r#"{{"eventType":"INVOKE","deadlineMs":{deadline},"requestId":"1","invokedFunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:f","tracing":{{"type":"X-Amzn-Trace-Id","value":"Root=1"}}}}"#
            ))
            .unwrap();
    }

    /// Ends the environment.
    pub(crate) fn shut_down(&self) {
        let deadline = deadline(Duration::from_secs(2));
        self.events
            .send(format!(
                r#"{{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":{deadline}}}"#
            ))
            .unwrap();
    }
}

const FUNCTION: &str = r#"{"functionName":"f","functionVersion":"$LATEST","handler":"h"}"#;

fn of_text(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed()
}

/// A time in Lambda's words.
fn deadline(after: Duration) -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (now + after).as_millis()
}
