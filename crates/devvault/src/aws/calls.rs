//! The calls to STS and IAM that the Vault side makes, over HTTP like any client.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::sigv4::{self, Credentials};
use crate::outbound::{Inbound, Outbound};

/// Where to call and as whom.
pub(crate) struct Target<'a> {
    pub(crate) credentials: &'a Credentials,
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
}

pub(crate) struct CallerIdentity {
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user_id: String,
}

/// Why a call brought nothing.
pub(crate) enum CallError {
    /// What the service itself said.
    Answered {
        code: String,
        message: String,
        request_id: String,
        status: StatusCode,
    },
    Unreadable,
    Unsent(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { code, message, request_id, status } => write!(
                f,
                "{code}: {message}\n\tstatus code: {}, request id: {request_id}",
                status.as_u16()
            ),
            Self::Unreadable => f.write_str("the answer is not the XML that was expected"),
            Self::Unsent(cause) => {
                write!(f, "RequestError: send request failed\ncaused by: {cause}")
            }
        }
    }
}

/// Sends a request that somebody else signed; the errors are worded as Vault words them.
pub(crate) async fn forwarded_caller_identity(
    outbound: Outbound,
) -> Result<CallerIdentity, String> {
    let answer = outbound.send().await.map_err(|cause| format!("error making request: {cause}"))?;
    if answer.content_type != "text/xml" {
        return Err("body of GetCallerIdentity is invalid".to_owned());
    }
    if answer.status != StatusCode::OK {
        let status = answer.status.as_u16();
        return Err(format!("received error code {status} from STS: {}", answer.body));
    }
    parsed(&answer).ok_or_else(|| "error parsing STS response".to_owned())
}

pub(crate) async fn caller_identity(
    target: &Target<'_>,
    now: Timestamp,
) -> Result<CallerIdentity, CallError> {
    let body = "Action=GetCallerIdentity&Version=2011-06-15".to_owned();
    parsed(&call(target, "sts", body, now).await?).ok_or(CallError::Unreadable)
}

pub(crate) async fn role_id(
    target: &Target<'_>,
    name: &str,
    now: Timestamp,
) -> Result<String, CallError> {
    let answer: GetRoleResponse = iam(target, "GetRole", "RoleName", name, now).await?;
    Ok(answer.get_role_result.role.role_id)
}

pub(crate) async fn user_id(
    target: &Target<'_>,
    name: &str,
    now: Timestamp,
) -> Result<String, CallError> {
    let answer: GetUserResponse = iam(target, "GetUser", "UserName", name, now).await?;
    Ok(answer.get_user_result.user.user_id)
}

async fn iam<T: DeserializeOwned>(
    target: &Target<'_>,
    action: &str,
    parameter: &str,
    name: &str,
    now: Timestamp,
) -> Result<T, CallError> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", action)
        .append_pair(parameter, name)
        .append_pair("Version", "2010-05-08")
        .finish();
    let answer = call(target, "iam", body, now).await?;
    quick_xml::de::from_str(&answer.body).map_err(|_| CallError::Unreadable)
}

async fn call(
    target: &Target<'_>,
    service: &str,
    body: String,
    now: Timestamp,
) -> Result<Inbound, CallError> {
    let url: Uri = target.endpoint.parse().map_err(|_| CallError::Unsent("no endpoint".into()))?;
    let host = url.authority().map_or("", |authority| authority.as_str());
    let scope = (target.region, service);
    let headers: HeaderMap =
        sigv4::sign_form(target.credentials, host, body.as_bytes(), scope, now);
    let outbound = Outbound {
        body: Bytes::from(body),
        endpoint: target.endpoint.to_owned(),
        headers,
        path: "/".to_owned(),
    };
    let answer = outbound.send().await.map_err(CallError::Unsent)?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    let status = answer.status;
    let error: ErrorResponse =
        quick_xml::de::from_str(&answer.body).map_err(|_| CallError::Unreadable)?;
    Err(CallError::Answered {
        code: error.error.code,
        message: error.error.message,
        request_id: error.request_id.unwrap_or_default(),
        status,
    })
}

fn parsed(answer: &Inbound) -> Option<CallerIdentity> {
    let response: GetCallerIdentityResponse = quick_xml::de::from_str(&answer.body).ok()?;
    let result = response.get_caller_identity_result;
    Some(CallerIdentity { account: result.account, arn: result.arn, user_id: result.user_id })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetCallerIdentityResponse {
    get_caller_identity_result: GetCallerIdentityResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetCallerIdentityResult {
    account: String,
    arn: String,
    user_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRoleResponse {
    get_role_result: GetRoleResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRoleResult {
    role: RoleElement,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleElement {
    role_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetUserResponse {
    get_user_result: GetUserResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetUserResult {
    user: UserElement,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserElement {
    user_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorResponse {
    error: ErrorElement,
    request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorElement {
    code: String,
    message: String,
}
