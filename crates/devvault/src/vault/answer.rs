//! What Vault answers: a secret in its envelope, nothing, or a list of errors.
//! <https://developer.hashicorp.com/vault/api-docs#api-operations>

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Release;
use crate::random;

/// A request's result: what to answer, or why not.
pub(super) type Outcome = Result<Answer, Refusal>;

pub(super) enum Answer {
    Moved(String),
    NoContent,
    /// A document without the envelope: `sys/health` and its like.
    Plain(StatusCode, Value),
    Secret(Box<Secret>),
}

/// The envelope's variable parts.
#[derive(Default)]
pub(super) struct Secret {
    pub(super) auth: Option<Value>,
    pub(super) data: Option<Value>,
    pub(super) lease_duration: i64,
    /// Empty where nothing is leased.
    pub(super) lease_id: String,
    pub(super) mount_type: &'static str,
    pub(super) renewable: bool,
    /// `sys/mounts` and other old endpoints repeat their data beside the envelope's fields.
    pub(super) repeat_data: bool,
    pub(super) status: StatusCode,
    pub(super) warnings: Vec<String>,
}

/// An error answer: `{"errors": [...]}`.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errors: Vec<String>,
    pub(super) status: StatusCode,
}

impl Answer {
    pub(super) fn data(mount_type: &'static str, data: Value) -> Self {
        Self::Secret(Box::new(Secret { data: Some(data), mount_type, ..Secret::default() }))
    }

    pub(super) fn repeated(data: Value) -> Self {
        Self::Secret(Box::new(Secret {
            data: Some(data),
            mount_type: "system",
            repeat_data: true,
            ..Secret::default()
        }))
    }

    pub(super) fn auth(mount_type: &'static str, auth: Value, warnings: Vec<String>) -> Self {
        Self::Secret(Box::new(Secret {
            auth: Some(auth),
            mount_type,
            warnings,
            ..Secret::default()
        }))
    }

    pub(super) fn warning(mount_type: &'static str, status: StatusCode, warning: &str) -> Self {
        let warnings = vec![warning.to_owned()];
        Self::Secret(Box::new(Secret { mount_type, status, warnings, ..Secret::default() }))
    }

    /// A listing; an empty one is a 404, as in Vault.
    pub(super) fn keys(mount_type: &'static str, keys: Vec<String>) -> Outcome {
        if keys.is_empty() {
            return Err(Refusal::not_found());
        }
        Ok(Self::data(mount_type, json!({ "keys": keys })))
    }
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { errors: vec![error.into()], status }
    }

    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn not_found() -> Self {
        Self { errors: Vec::new(), status: StatusCode::NOT_FOUND }
    }

    pub(super) fn denied_by_policy() -> Self {
        Self::new(StatusCode::FORBIDDEN, listed(&["permission denied"]))
    }

    /// The token is absent, unknown, expired, revoked or used up.
    pub(super) fn dead_token(release: Release) -> Self {
        let error = match release {
            Release::V1_14 => "permission denied".to_owned(),
            Release::V1_21 => listed(&["permission denied", "invalid token"]),
        };
        Self::new(StatusCode::FORBIDDEN, error)
    }

    pub(super) fn unsupported_operation() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, listed(&["unsupported operation"]))
    }

    pub(super) fn unsupported_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, listed(&["unsupported path"]))
    }
}

/// The layout of Go's go-multierror, in which Vault reports most of its errors.
pub(super) fn listed(errors: &[&str]) -> String {
    let count = match errors.len() {
        1 => "1 error occurred:".to_owned(),
        many => format!("{many} errors occurred:"),
    };
    let lines: String = errors.iter().map(|error| format!("\n\t* {error}")).collect();
    format!("{count}{lines}\n\n")
}

/// The warning of parameters that are not the endpoint's.
pub(super) fn ignored(names: &[&str]) -> String {
    format!("Endpoint ignored these unrecognized parameters: [{}]", names.join(" "))
}

#[derive(Serialize)]
struct Envelope {
    request_id: String,
    lease_id: String,
    renewable: bool,
    lease_duration: i64,
    data: Option<Value>,
    wrap_info: Option<Value>,
    warnings: Option<Vec<String>>,
    auth: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mount_type: Option<&'static str>,
}

pub(super) fn render(outcome: Outcome, release: Release) -> Response<Bytes> {
    match outcome {
        Ok(Answer::Moved(location)) => moved(&location),
        Ok(Answer::NoContent) => response(StatusCode::NO_CONTENT, Bytes::new()),
        Ok(Answer::Plain(status, document)) => response(status, line(&document)),
        Ok(Answer::Secret(secret)) => envelope(*secret, release),
        Err(Refusal { errors, status }) => response(status, line(&json!({ "errors": errors }))),
    }
}

fn envelope(secret: Secret, release: Release) -> Response<Bytes> {
    let beside = match &secret.data {
        Some(Value::Object(fields)) if secret.repeat_data => fields.clone(),
        _ => Map::new(),
    };
    let envelope = Envelope {
        request_id: random::uuid(),
        lease_id: secret.lease_id,
        renewable: secret.renewable,
        lease_duration: secret.lease_duration,
        data: secret.data,
        wrap_info: None,
        warnings: Some(secret.warnings).filter(|warnings| !warnings.is_empty()),
        auth: secret.auth,
        mount_type: (release == Release::V1_21).then_some(secret.mount_type),
    };
    if beside.is_empty() {
        return response(secret.status, line(&envelope));
    }
    let mut all = beside;
    if let Ok(Value::Object(fields)) = serde_json::to_value(&envelope) {
        all.extend(fields);
    }
    response(secret.status, line(&all))
}

fn line(document: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(document).expect("maps with string keys serialize");
    text.push(b'\n');
    text.into()
}

fn response(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

fn moved(location: &str) -> Response<Bytes> {
    let mut response = response(StatusCode::MOVED_PERMANENTLY, Bytes::new());
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
