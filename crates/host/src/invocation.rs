//! What a caller sends to a function and what it gets.

use std::time::Duration;

use bytes::Bytes;
use strongroom_lambda_api::runtime::FunctionError;

use crate::answer::escaped_json;

/// A call of the function.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The caller's context, JSON; `None` sends no header.
    pub client_context: Option<String>,
    /// The event.
    pub payload: Bytes,
    /// Its identifier; a new UUID if `None`.
    pub request_id: Option<String>,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: Option<String>,
}

impl From<Bytes> for Request {
    fn from(payload: Bytes) -> Self {
        Self { payload, ..Self::default() }
    }
}

impl From<&'static str> for Request {
    fn from(payload: &'static str) -> Self {
        Bytes::from_static(payload.as_bytes()).into()
    }
}

impl From<String> for Request {
    fn from(payload: String) -> Self {
        Bytes::from(payload).into()
    }
}

/// What came of a call, after the environment is ready for the next one, or was reset.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// From the call to the runtime and all extensions being ready again.
    pub duration: Duration,
    /// Why the function failed, for example `Extension.Crash`; `None` if it answered.
    pub function_error: Option<String>,
    /// What init took, if this call caused it.
    pub init: Option<Duration>,
    /// What the caller gets.
    pub payload: Bytes,
    /// The identifier of the call.
    pub request_id: String,
    /// Why the environment was reset: `failure` or `timeout`. The handler may still have answered.
    pub reset: Option<String>,
    /// From the call to the answer; what remains of `duration` is extensions at work.
    pub responded: Duration,
}

/// What the runtime answered, or what is answered in its place.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) body: Bytes,
    pub(crate) error_type: Option<String>,
}

impl Response {
    /// The answer in place of a runtime that cannot give one.
    pub(crate) fn failure(error_type: &str, request_id: &str, message: &str) -> Self {
        let error = FunctionError {
            error_type: error_type.to_owned(),
            error_message: format!("RequestId: {request_id} Error: {message}"),
        };
        Self { body: escaped_json(&error).into(), error_type: Some(error.error_type) }
    }

    /// The answer for a response of more than 6 MiB.
    pub(crate) fn too_large() -> Self {
        let error = FunctionError {
            error_type: "Function.ResponseSizeTooLarge".to_owned(),
            error_message: too_large_message("Response payload size exceeded"),
        };
        Self { body: escaped_json(&error).into(), error_type: Some(error.error_type) }
    }

    /// The answer for a function that ran out of time, dated `now`.
    pub(crate) fn timed_out(request_id: &str, timeout: Duration, now: jiff::Timestamp) -> Self {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct TimedOut {
            error_message: String,
        }
        let error_message = format!(
            "{now:.3} {request_id} Task timed out after {:.2} seconds",
            timeout.as_secs_f64()
        );
        let body = escaped_json(&TimedOut { error_message }).into();
        Self { body, error_type: Some("Sandbox.Timedout".to_owned()) }
    }
}

/// AWS's words for a payload over the limit, after `beginning`.
pub(crate) fn too_large_message(beginning: &str) -> String {
    let limit = strongroom_lambda_api::runtime::MAX_PAYLOAD;
    format!("{beginning} maximum allowed payload size ({limit} bytes).")
}
