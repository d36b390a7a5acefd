//! Login requests as a client makes them, signed by `aws-sigv4`, whole or with one thing wrong.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::client::FORM;

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// The headers that sign a form POST to `url`, those given included.
pub(crate) fn signed_headers(
    credentials: &Credentials,
    url: &str,
    body: &str,
    (region, service): (&str, &str),
    at: SystemTime,
    headers: &[(String, String)],
) -> Vec<(String, String)> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request =
        SignableRequest::new("POST", url, pairs, SignableBody::Bytes(body.as_bytes())).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let added = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    headers.iter().cloned().chain(added).collect()
}

/// The body of a login, as `recipe` wants it; `keys` finds the credentials by the recipe's word.
pub(crate) fn body(recipe: &Map<String, Value>, keys: impl Fn(&str) -> Credentials) -> Value {
    let text = |name, default: &str| {
        recipe.get(name).and_then(Value::as_str).unwrap_or(default).to_owned()
    };
    let url = text("url", "https://sts.amazonaws.com/");
    let host = |url: &str| url.split('/').nth(2).unwrap().to_owned();
    let mut headers =
        vec![("content-type".to_owned(), FORM.to_owned()), ("host".to_owned(), host(&url))];
    match recipe.get("server_id") {
        Some(Value::Null) => {}
        _ => headers
            .push(("x-vault-aws-iam-server-id".to_owned(), text("server_id", "vault.example"))),
    }
    headers.extend(pairs(recipe.get("sign")));
    let offset = recipe.get("signed_at").and_then(Value::as_i64).unwrap_or(0);
    let seconds = Duration::from_secs(offset.unsigned_abs());
    let now = SystemTime::now();
    let at = if offset < 0 { now - seconds } else { now + seconds };
    let scope = (text("region", "us-east-1"), text("service", "sts"));
    let body = text("body", BODY);
    let credentials = keys(&text("as", "session"));
    let mut headers = signed_headers(&credentials, &url, &body, (&scope.0, &scope.1), at, &headers);
    let removed = text("remove", "");
    let sent_url = text("sent_url", &url);
    headers.retain(|(name, _)| *name != removed);
    for (name, value) in pairs(recipe.get("add")) {
        headers.retain(|(present, _)| !present.eq_ignore_ascii_case(&name));
        headers.push((name, value));
    }
    if sent_url != url {
        headers.retain(|(name, _)| name != "host");
    }
    let mut login = json!({
        "iam_http_request_method": "POST",
        "iam_request_body": STANDARD.encode(&body),
        "iam_request_headers": written(&headers, &text("headers", "base64")),
        "iam_request_url": STANDARD.encode(&sent_url),
    });
    if let Some(role) = recipe.get("role") {
        login["role"] = role.clone();
    }
    if let Some(Value::Object(fields)) = recipe.get("set") {
        login.as_object_mut().unwrap().extend(fields.clone());
    }
    login
}

fn written(headers: &[(String, String)], form: &str) -> Value {
    let object: Map<String, Value> = headers
        .iter()
        .filter(|(name, _)| form != "without host" || name != "host")
        .map(|(name, value)| {
            let value = if form == "lists" { json!([value]) } else { json!(value) };
            (name.clone(), value)
        })
        .collect();
    match form {
        "object" => Value::Object(object),
        _ => STANDARD.encode(Value::Object(object).to_string()).into(),
    }
}

fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}
