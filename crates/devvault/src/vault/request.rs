//! A request as Vault's core sees it: an operation on a path, with parameters and a token.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::duration;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    Delete,
    List,
    Patch,
    Read,
    /// POST and PUT alike; whether it creates or updates depends on what is there.
    Write,
}

pub(super) struct ApiRequest {
    pub(super) operation: Operation,
    /// Below `/v1/`, decoded; ends in a slash for a listing.
    pub(super) path: String,
    pub(super) params: Params,
    pub(super) token: Option<SecretString>,
}

impl ApiRequest {
    pub(super) fn parse(request: &Request<Bytes>) -> Result<Self, Refusal> {
        if request.headers().contains_key("x-vault-wrap-ttl") {
            return Err(Refusal::invalid("devvault does not implement response wrapping"));
        }
        let query = Params::from_query(request.uri().query().unwrap_or(""));
        let operation = match request.method().as_str() {
            "GET" if query.flag("list")? == Some(true) => Operation::List,
            "GET" => Operation::Read,
            "LIST" => Operation::List,
            "POST" | "PUT" => Operation::Write,
            "PATCH" => Operation::Patch,
            "DELETE" => Operation::Delete,
            _ => return Err(Refusal { errors: vec![], status: StatusCode::METHOD_NOT_ALLOWED }),
        };
        let mut path = api_path(request.uri().path())?;
        if operation == Operation::List && !path.ends_with('/') {
            path.push('/');
        }
        let params = match *request.method() {
            Method::POST | Method::PUT | Method::PATCH => Params::from_body(request.body())?,
            _ => query,
        };
        Ok(Self { operation, path, params, token: token(request) })
    }
}

fn api_path(path: &str) -> Result<String, Refusal> {
    let below = path.strip_prefix("/v1/").ok_or_else(Refusal::not_found)?;
    let decoded = percent_decode_str(below).decode_utf8();
    Ok(decoded.map_err(|_| Refusal::invalid("path is not valid UTF-8"))?.into_owned())
}

/// Go's router answers a path that is not clean with a redirect to the cleaned one.
pub(super) fn cleaned_path(path: &str) -> Option<String> {
    let dirty = path.contains("//") || path.split('/').any(|part| matches!(part, "." | ".."));
    if !dirty {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    Some(format!("/{}{slash}", kept.join("/")))
}

/// `X-Vault-Token`, or a bearer token. With several values the first counts.
fn token(request: &Request<Bytes>) -> Option<SecretString> {
    let headers = request.headers();
    let own = headers.get("x-vault-token").and_then(|value| value.to_str().ok());
    let bearer = || headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ");
    own.or_else(bearer).filter(|token| !token.is_empty()).map(SecretString::from)
}

/// The request's parameters, from the JSON body or from the query.
#[derive(Default)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    fn from_query(query: &str) -> Self {
        Self(
            form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                .collect(),
        )
    }

    fn from_body(body: &Bytes) -> Result<Self, Refusal> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let fields = serde_json::from_slice(body);
        fields.map(Self).map_err(|_| Refusal::invalid("error parsing JSON"))
    }

    pub(super) fn from_map(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    pub(super) fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(_) => Err(unusable(name, "a string")),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Some(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Some(false)),
                _ => Err(unusable(name, "a boolean")),
            },
            Some(_) => Err(unusable(name, "a boolean")),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let integer = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        integer.map(Some).ok_or_else(|| unusable(name, "an integer"))
    }

    pub(super) fn seconds(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match duration::seconds(value) {
            None => Err(unusable(name, "a duration")),
            Some(seconds @ ..0) => Err(Refusal::invalid(format!(
                "error converting input {value} for field {name:?}: cannot provide negative value '{seconds}'"
            ))),
            Some(seconds) => Ok(Some(seconds)),
        }
    }

    /// A list, or one string with commas.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(Some(parts.map(str::to_owned).collect()))
            }
            Some(Value::Array(items)) => {
                let texts = items.iter().map(|item| match item {
                    Value::String(text) => Ok(text.trim().to_owned()),
                    Value::Number(number) => Ok(number.to_string()),
                    _ => Err(unusable(name, "a list of strings")),
                });
                texts.collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(unusable(name, "a list")),
        }
    }
}

fn unusable(name: &str, expected: &str) -> Refusal {
    Refusal::invalid(format!("error converting input for field {name:?}: expected {expected}"))
}
