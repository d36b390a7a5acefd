//! The Runtime API, version 2018-06-01, and the credentials endpoint beside it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use serde::{Deserialize, Serialize};

/// The variable that holds `host:port` of the Runtime and Extensions APIs.
pub const ADDRESS_VARIABLE: &str = "AWS_LAMBDA_RUNTIME_API";

/// Path of `GET invocation/next`.
pub const NEXT_PATH: &str = "/2018-06-01/runtime/invocation/next";
/// What stands before the request identifier in the paths of a response and of an error.
pub const INVOCATION_PREFIX: &str = "/2018-06-01/runtime/invocation/";
/// What stands after the request identifier in the path of a response.
pub const RESPONSE_SUFFIX: &str = "/response";
/// What stands after the request identifier in the path of an error.
pub const ERROR_SUFFIX: &str = "/error";
/// Path of `POST init/error`.
pub const INIT_ERROR_PATH: &str = "/2018-06-01/runtime/init/error";
/// Path of `GET restore/next`, served for SnapStart only.
pub const RESTORE_NEXT_PATH: &str = "/2018-06-01/runtime/restore/next";
/// Path of `POST restore/error`, served for SnapStart only.
pub const RESTORE_ERROR_PATH: &str = "/2018-06-01/runtime/restore/error";
/// Path of `GET` on the execution role's credentials, served for SnapStart only.
pub const CREDENTIALS_PATH: &str = "/2021-04-23/credentials";

/// Identifier of the invocation, on answers to `invocation/next`.
pub const REQUEST_ID_HEADER: &str = "lambda-runtime-aws-request-id";
/// Identifier of this delivery of the invocation; on Managed Instances.
pub const INVOCATION_ID_HEADER: &str = "lambda-runtime-invocation-id";
/// When the invocation times out: milliseconds since the Unix epoch.
pub const DEADLINE_HEADER: &str = "lambda-runtime-deadline-ms";
/// The ARN the caller named.
pub const FUNCTION_ARN_HEADER: &str = "lambda-runtime-invoked-function-arn";
/// The X-Ray trace the invocation belongs to.
pub const TRACE_ID_HEADER: &str = "lambda-runtime-trace-id";
/// The client context of the caller, as JSON.
pub const CLIENT_CONTEXT_HEADER: &str = "lambda-runtime-client-context";
/// The type of an error that the runtime reports.
pub const ERROR_TYPE_HEADER: &str = "lambda-runtime-function-error-type";
/// How the runtime sends its response: absent, or [`STREAMING`].
pub const RESPONSE_MODE_HEADER: &str = "lambda-runtime-function-response-mode";
/// The one value of [`RESPONSE_MODE_HEADER`] that Lambda knows.
pub const STREAMING: &str = "streaming";

/// The largest response, in bytes, that a function may return unstreamed: 6 MiB and 100 bytes.
pub const MAX_PAYLOAD: usize = 6 * 1024 * 1024 + 100;

/// What the caller of a function gets where the environment failed rather than the handler.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionError {
    /// What happened, for programs.
    pub error_type: String,
    /// What happened, for people.
    pub error_message: String,
}
