//! `login`: checks the signed request, has STS confirm it, and binds the caller to a role.
//! <https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method>

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::Value;

use super::arn::Arn;
use super::role::Role;
use super::{AwsAuth, Client};
use crate::aws::calls::{self, CallerIdentity};
use crate::outbound::Outbound;
use crate::vault::answer::Refusal;
use crate::vault::request::Params;
use crate::vault::tokens::{Grant, TokenKind};

const SERVER_ID: &str = "X-Vault-AWS-IAM-Server-ID";
const DEFAULT_STS: &str = "https://sts.amazonaws.com";
const GIVEN: [&str; 4] =
    ["iam_http_request_method", "iam_request_url", "iam_request_body", "iam_request_headers"];
/// The only headers of AWS's own that Vault forwards unless it is told of others.
const FORWARDED_AMZ: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// A login whose form is right and that STS has yet to confirm.
pub(in crate::vault) struct Login {
    outbound: Outbound,
    role: String,
}

impl Login {
    /// Checks everything that needs no call.
    pub(in crate::vault) fn check(params: &Params, auth: &AwsAuth) -> Result<Self, Refusal> {
        if !GIVEN.iter().all(|name| params.fields().contains_key(*name)) {
            return Err(Refusal::invalid("didn't supply required authentication values"));
        }
        let method = required(params, "iam_http_request_method")?;
        if method != "POST" {
            return Err(Refusal::invalid(
                "invalid iam_http_request_method; currently only 'POST' is supported",
            ));
        }
        let url: Uri = decoded(params, "iam_request_url")?
            .parse()
            .map_err(|_| Refusal::invalid("error parsing iam_request_url"))?;
        if url.query().is_some_and(|query| !query.is_empty()) {
            return Err(Refusal::invalid("invalid request"));
        }
        let body = decoded(params, "iam_request_body")?;
        check_body(&body)?;
        let headers = headers(params)?;
        let client = auth.client.as_ref();
        if let Some(client) = client {
            check_headers(client, &headers)?;
        }
        Ok(Self {
            outbound: outbound(client, &url, headers, body)?,
            role: params.text("role")?.unwrap_or_default().to_lowercase(),
        })
    }

    /// Sends the caller's request to STS.
    pub(in crate::vault) async fn confirm(self) -> Result<Confirmed, Refusal> {
        let caller = calls::forwarded_caller_identity(self.outbound)
            .await
            .map_err(|error| Refusal::invalid(format!("error making upstream request: {error}")))?;
        let arn = Arn::parse(&caller.arn).map_err(|error| {
            Refusal::invalid(format!("error parsing arn {:?}: {error}", caller.arn))
        })?;
        let role = if self.role.is_empty() { arn.friendly_name.to_lowercase() } else { self.role };
        Ok(Confirmed { arn, caller, role })
    }
}

/// A caller that STS has vouched for.
pub(in crate::vault) struct Confirmed {
    arn: Arn,
    caller: CallerIdentity,
    role: String,
}

impl Confirmed {
    /// The token that the role grants, if the caller is the one it is bound to.
    pub(in crate::vault) fn grant(&self, auth: &AwsAuth, mount: &str) -> Result<Grant, Refusal> {
        let name = &self.role;
        let role = auth.roles.get(name);
        let role =
            role.ok_or_else(|| Refusal::invalid(format!("entry for role {name} not found")))?;
        // The unique id of an assumed role stands before the session's name.
        let unique_id = self.caller.user_id.split(':').next().unwrap_or_default();
        let bound = if role.resolves_ids {
            role.bound_ids.iter().any(|id| id == unique_id)
        } else {
            role.bound_arns.contains(&self.arn.canonical())
        };
        if !bound {
            return Err(Refusal::invalid(format!(
                "IAM Principal {:?} does not belong to the role {name:?}",
                self.caller.arn
            )));
        }
        Ok(self.token(role, mount))
    }

    fn token(&self, role: &Role, mount: &str) -> Grant {
        let mut policies = role.policies.clone();
        if !role.no_default_policy {
            policies.push("default".to_owned());
        }
        policies.sort();
        policies.dedup();
        // The core puts the mount's path before the name that the method gives.
        let at = mount.replace('/', "-");
        let display_name = match &self.arn.session {
            None => format!("{at}{}", self.arn.friendly_name),
            Some(session) => format!("{at}{}/{session}", self.arn.friendly_name),
        };
        let meta = BTreeMap::from([
            ("account_id".to_owned(), self.caller.account.clone()),
            ("auth_type".to_owned(), "iam".to_owned()),
            ("role_id".to_owned(), role.role_id.clone()),
        ]);
        Grant {
            display_name,
            entity_id: role.entity_id.clone(),
            explicit_max_ttl: role.explicit_max_ttl,
            max_ttl: role.max_ttl,
            meta: Some(meta),
            num_uses: role.num_uses,
            path: format!("auth/{mount}login"),
            period: role.period,
            policies,
            renewable: role.kind() == TokenKind::Service,
            ttl: role.ttl,
            ..Grant::new(role.kind())
        }
    }
}

fn required(params: &Params, name: &str) -> Result<String, Refusal> {
    let given = params.text(name)?.filter(|given| !given.is_empty());
    given.ok_or_else(|| Refusal::invalid(format!("missing {name}")))
}

fn decoded(params: &Params, name: &str) -> Result<String, Refusal> {
    let bytes = STANDARD.decode(required(params, name)?).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Refusal::invalid(format!("failed to base64 decode {name}")))
}

/// Anything but `GetCallerIdentity` could be made to confirm somebody else's identity.
fn check_body(body: &str) -> Result<(), Refusal> {
    let mut actions = 0;
    for (name, value) in form_urlencoded::parse(body.as_bytes()) {
        match &*name {
            "Action" if value == "GetCallerIdentity" => actions += 1,
            "Version" => {}
            _ => return Err(Refusal::invalid("iam request body is invalid")),
        }
    }
    if actions > 1 {
        return Err(Refusal::invalid("iam request body is invalid"));
    }
    Ok(())
}

/// Base64 of a JSON object, or the object itself; a value is a string or a list.
fn headers(params: &Params) -> Result<HeaderMap, Refusal> {
    let fields = match params.value("iam_request_headers") {
        Some(Value::Object(fields)) => fields.clone(),
        Some(Value::String(text)) if text.is_empty() => {
            return Err(Refusal::invalid("missing iam_request_headers"));
        }
        Some(Value::String(text)) => {
            let json = STANDARD.decode(text).unwrap_or_else(|_| text.clone().into_bytes());
            serde_json::from_slice(&json)
                .map_err(|_| Refusal::invalid("failed to decode iam_request_headers"))?
        }
        _ => return Err(Refusal::invalid("missing iam_request_headers")),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &fields {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            let unusable = || Refusal::invalid(format!("unusable header {name:?}"));
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(unusable()),
            };
            let name: HeaderName = name.parse().map_err(|_| unusable())?;
            headers.append(name, HeaderValue::from_str(&text).map_err(|_| unusable())?);
        }
    }
    if headers.is_empty() {
        return Err(Refusal::invalid("missing iam_request_headers"));
    }
    Ok(headers)
}

fn check_headers(client: &Client, headers: &HeaderMap) -> Result<(), Refusal> {
    if !client.server_id.is_empty() {
        check_server_id(headers, &client.server_id).map_err(|error| {
            Refusal::invalid(format!("error validating {SERVER_ID} header: {error}"))
        })?;
    }
    let also = client.allowed_headers.as_deref().unwrap_or_default();
    for name in headers.keys().map(HeaderName::as_str) {
        let allowed = FORWARDED_AMZ.contains(&name)
            || also.iter().any(|also| also.eq_ignore_ascii_case(name));
        if name.starts_with("x-amz-") && !allowed {
            return Err(Refusal::invalid(format!("invalid request header: {}", canonical(name))));
        }
    }
    Ok(())
}

fn check_server_id(headers: &HeaderMap, expected: &str) -> Result<(), String> {
    let values: Vec<&str> =
        headers.get_all(SERVER_ID).iter().filter_map(|value| value.to_str().ok()).collect();
    let given = values.join(",");
    if given.is_empty() {
        return Err(format!("missing header {SERVER_ID:?}"));
    }
    if given != expected {
        return Err(format!("expected {expected:?} but got {given:?}"));
    }
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let authorization = authorization.ok_or("missing Authorization header")?;
    let signed = authorization
        .split_once("SignedHeaders=")
        .and_then(|(_, rest)| rest.split(',').next())
        .unwrap_or_default();
    if !signed.split(';').any(|name| name.trim().eq_ignore_ascii_case(SERVER_ID)) {
        return Err("vault header wasn't signed".to_owned());
    }
    Ok(())
}

/// A header's name as Go spells it.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

/// The caller's own request, to this server's endpoint: `Host` stays the one that was signed.
fn outbound(
    client: Option<&Client>,
    url: &Uri,
    mut headers: HeaderMap,
    body: String,
) -> Result<Outbound, Refusal> {
    let configured = client.map(|client| client.sts_endpoint.as_str());
    let endpoint = configured.filter(|endpoint| !endpoint.is_empty()).unwrap_or(DEFAULT_STS);
    let host = url.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let host = HeaderValue::from_str(host)
        .map_err(|_| Refusal::invalid("error parsing iam_request_url"))?;
    headers.insert(http::header::HOST, host);
    headers.remove(http::header::CONTENT_LENGTH);
    headers.remove(http::header::TRANSFER_ENCODING);
    headers.remove(http::header::CONNECTION);
    Ok(Outbound {
        body: body.into(),
        endpoint: endpoint.to_owned(),
        headers,
        // Vault joins with a slash of its own, which doubles the one of the path.
        path: format!("/{}", url.path()),
    })
}
