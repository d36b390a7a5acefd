//! What a caller is told whose call does not reach the function, as Lambda says it.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors>

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// An error of Lambda's API.
#[derive(Debug)]
pub(super) struct Refusal {
    body: Value,
    kind: &'static str,
    status: StatusCode,
}

impl Refusal {
    pub(super) fn busy(waiting: usize) -> Self {
        let message = format!("Rate Exceeded: {waiting} calls wait for the one local environment");
        let mut refusal =
            Self::of_caller(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", &message);
        refusal.body["Reason"] = json!("ReservedFunctionConcurrentInvocationLimitExceeded");
        refusal
    }

    pub(super) fn content(message: &str) -> Self {
        Self::of_caller(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
    }

    pub(super) fn no_such_function(function: &str) -> Self {
        let message = format!("Function not found: {function}");
        Self::of_caller(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message)
    }

    pub(super) fn parameter(what: &str) -> Self {
        let message = format!("there is no {what}");
        Self::of_caller(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &message)
    }

    /// No environment can be made.
    pub(super) fn service(message: &str) -> Self {
        let kind = "ServiceException";
        let body = json!({ "Type": "Service", "Message": message });
        Self { body, kind, status: StatusCode::INTERNAL_SERVER_ERROR }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message =
            format!("Request must be smaller than {limit} bytes for the InvokeFunction operation");
        Self::of_caller(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
    }

    pub(super) fn unknown_operation(method: &Method, path: &str) -> Self {
        let message = format!("{method} {path} is no Invoke, which is all that is served here");
        Self::of_caller(StatusCode::NOT_FOUND, "UnknownOperationException", &message)
    }

    pub(super) fn web_page() -> Self {
        let message = "a page in a browser may not invoke the function";
        Self::of_caller(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    fn of_caller(status: StatusCode, kind: &'static str, message: &str) -> Self {
        // AWS's own services spell the key in either way, and clients read either.
        Self { body: json!({ "Type": "User", "message": message }), kind, status }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = super::response(
            self.status,
            &uuid::Uuid::new_v4().to_string(),
            self.body.to_string().into(),
        );
        response
            .headers_mut()
            .insert("x-amzn-errortype", http::HeaderValue::from_static(self.kind));
        response
    }
}
