//! The Extensions API, version 2020-01-01.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>

use serde::{Deserialize, Serialize};

/// Path of `POST register`.
pub const REGISTER_PATH: &str = "/2020-01-01/extension/register";
/// Path of `GET event/next`.
pub const NEXT_PATH: &str = "/2020-01-01/extension/event/next";
/// Path of `POST init/error`, allowed before the first `event/next`.
pub const INIT_ERROR_PATH: &str = "/2020-01-01/extension/init/error";
/// Path of `POST exit/error`.
pub const EXIT_ERROR_PATH: &str = "/2020-01-01/extension/exit/error";

/// The file name of the extension's executable in `/opt/extensions`.
pub const NAME_HEADER: &str = "lambda-extension-name";
/// The identifier that `register` answers with and every other request carries.
pub const IDENTIFIER_HEADER: &str = "lambda-extension-identifier";
/// The type of an error that is reported to `init/error` or `exit/error`.
pub const ERROR_TYPE_HEADER: &str = "lambda-extension-function-error-type";
/// A comma-separated list of what the extension can take; only `accountId` exists.
pub const ACCEPT_FEATURE_HEADER: &str = "lambda-extension-accept-feature";
/// Identifier of one event, on answers to `event/next` that carry an INVOKE.
pub const EVENT_IDENTIFIER_HEADER: &str = "lambda-extension-event-identifier";

/// `errorType` of the 403 that refuses an event the environment does not have
/// (INVOKE on Managed Instances; SHUTDOWN for an internal extension).
pub const INVALID_EVENT_TYPE: &str = "Extension.InvalidEventType";

/// An event an extension can subscribe to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    /// An invocation begins.
    Invoke,
    /// The environment is going away.
    Shutdown,
}

/// Body of `register`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RegisterRequest {
    /// The events to be told of.
    #[serde(default)]
    pub events: Vec<EventType>,
}

/// Answer to `register`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterResponse {
    /// Name of the function.
    pub function_name: String,
    /// Its version, `$LATEST` where none is published.
    pub function_version: String,
    /// Its handler.
    pub handler: String,
    /// The account, where it was asked for with [`ACCEPT_FEATURE_HEADER`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
}

/// Answer to `event/next`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "eventType", rename_all = "UPPERCASE", try_from = "Fields")]
pub enum Event {
    /// An invocation begins.
    #[serde(rename_all = "camelCase")]
    Invoke {
        /// When the invocation times out: milliseconds since the Unix epoch.
        deadline_ms: u64,
        /// Identifier of the invocation.
        request_id: String,
        /// The ARN the caller named.
        invoked_function_arn: String,
        /// The X-Ray trace it belongs to, if any.
        #[serde(skip_serializing_if = "Option::is_none")]
        tracing: Option<Tracing>,
    },
    /// The environment is going away.
    #[serde(rename_all = "camelCase")]
    Shutdown {
        /// When what still runs is killed: milliseconds since the Unix epoch.
        deadline_ms: u64,
        /// `spindown`, `timeout` or `failure`; AWS writes it in either case.
        shutdown_reason: String,
    },
}

/// What any event may have. Read so, and not by its tag, it costs the extension 17 KB less and each event a copy less.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    event_type: EventType,
    deadline_ms: u64,
    request_id: Option<String>,
    invoked_function_arn: Option<String>,
    tracing: Option<Tracing>,
    shutdown_reason: Option<String>,
}

impl TryFrom<Fields> for Event {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let needed = |name: &str, field: Option<String>| {
            field.ok_or_else(|| format!("an event has no {name}"))
        };
        let deadline_ms = fields.deadline_ms;
        Ok(match fields.event_type {
            EventType::Invoke => Self::Invoke {
                deadline_ms,
                request_id: needed("requestId", fields.request_id)?,
                invoked_function_arn: needed("invokedFunctionArn", fields.invoked_function_arn)?,
                tracing: fields.tracing,
            },
            EventType::Shutdown => Self::Shutdown {
                deadline_ms,
                shutdown_reason: needed("shutdownReason", fields.shutdown_reason)?,
            },
        })
    }
}

/// The trace an invocation belongs to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tracing {
    /// `X-Amzn-Trace-Id`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The value of that header.
    pub value: String,
}

/// Body of an answer that refuses a request, and of reports to `init/error` and `exit/error`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// What happened, for people.
    pub error_message: String,
    /// What happened, for programs.
    pub error_type: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written_and_refused_if_it_lacks_something() {
        let tracing = Tracing { kind: "X-Amzn-Trace-Id".to_owned(), value: "Root=1".to_owned() };
        for tracing in [Some(tracing), None] {
            let event = Event::Invoke {
                deadline_ms: 7,
                request_id: "r".to_owned(),
                invoked_function_arn: "arn".to_owned(),
                tracing,
            };
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
        let event = Event::Shutdown { deadline_ms: 7, shutdown_reason: "spindown".to_owned() };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"eventType":"SHUTDOWN","deadlineMs":7,"shutdownReason":"spindown"}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        for lacking in [
            r#"{"deadlineMs":7,"shutdownReason":"spindown"}"#,
            r#"{"eventType":"SHUTDOWN","deadlineMs":7}"#,
            r#"{"eventType":"INVOKE","deadlineMs":7,"requestId":"r"}"#,
            r#"{"eventType":"OTHER","deadlineMs":7}"#,
        ] {
            assert!(serde_json::from_str::<Event>(lacking).is_err(), "{lacking}");
        }
    }
}
