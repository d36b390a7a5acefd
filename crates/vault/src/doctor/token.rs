//! What the token is good for.

use http::Method;
use serde_json::Value;
use strongroom_core::diagnosis::sayings::access;
use strongroom_core::diagnosis::{Check, Report, TokenProperties, judge_token};
use zeroize::Zeroizing;

use super::login::Visit;
use super::{Subject, tell};
use crate::client::Request;
use crate::error::{Error, chain};

/// What the token may do, path by path.
pub(super) struct Capabilities {
    /// Vault's answer; `null` if it gave none.
    answer: Value,
    /// Whether each request uses the token up.
    counts: bool,
}

impl Capabilities {
    /// Whether something may be done at a path; `None` if there is no telling.
    pub(super) fn may(&self, path: &str, what: &str) -> Option<bool> {
        let all = self.at(path)?;
        Some(all.iter().any(|capability| capability == what || capability == "root"))
    }

    /// In words.
    pub(super) fn told(&self, path: &str) -> String {
        let all = self.at(path).unwrap_or_default();
        all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Whether each request uses the token up.
    pub(super) fn counts(&self) -> bool {
        self.counts
    }

    fn at(&self, path: &str) -> Option<&[Value]> {
        self.answer["data"][path].as_array().map(Vec::as_slice)
    }
}

pub(super) async fn check(
    subject: &Subject<'_>,
    visit: &Visit<'_>,
    report: &mut Report,
) -> Capabilities {
    let path = "auth/token/lookup-self";
    let request = Request::read(path);
    let found = match subject.client.request(request, Some(visit.token()), subject.deadline).await {
        Ok(reply) => reply.body,
        Err(error @ Error::Refused { status: 403, .. }) => {
            report.warning(&access::NO_LOOK_UP, &[&chain(&error)]);
            Value::Null
        }
        Err(error) => {
            tell(report, subject, &error, &format!("GET {path}"), Check::Token);
            Value::Null
        }
    };
    let data = &found["data"];
    let number = |name: &str| data[name].as_u64().unwrap_or(0);
    // What is left of them is one less than it was given for.
    let uses = match visit.token().uses {
        0 => number("num_uses"),
        uses => uses,
    };
    let counts = uses > 0;
    let capabilities = Capabilities { answer: capabilities(subject, visit, counts).await, counts };
    if found.is_null() {
        return capabilities;
    }
    let texts = |name: &str| -> Vec<String> {
        let texts = data[name].as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let properties = TokenProperties {
        kind: data["type"].as_str().unwrap_or("service").to_owned(),
        ttl: number("creation_ttl"),
        explicit_max_ttl: number("explicit_max_ttl"),
        uses,
        period: number("period"),
        is_renewable: data["renewable"].as_bool().unwrap_or(false),
        policies: texts("policies"),
        may_renew: capabilities.may(RENEW, "update"),
        may_revoke: capabilities.may(REVOKE, "update"),
    };
    judge_token(report, &properties, subject.wanted.len(), subject.function_timeout);
    capabilities
}

/// <https://developer.hashicorp.com/vault/api-docs/system/capabilities-self>
async fn capabilities(subject: &Subject<'_>, visit: &Visit<'_>, counts: bool) -> Value {
    let mut paths = vec![RENEW.to_owned(), REVOKE.to_owned()];
    for wanted in subject.wanted {
        let path = &wanted.secret.path;
        paths.push(path.clone());
        // A policy for KV v2 that was written as for KV v1 is told from none; where the mount ends is not known yet.
        let before = path.match_indices("/data/").map(|(at, _)| at);
        paths.extend(before.map(|at| format!("{}{}", &path[..at], &path[at + "/data".len()..])));
    }
    let token = match counts {
        true => visit.fresh().await.ok(),
        false => None,
    };
    let body = serde_json::json!({ "paths": paths }).to_string();
    let request = Request {
        method: Method::POST,
        body: Zeroizing::new(body.into_bytes()),
        ..Request::read("sys/capabilities-self")
    };
    let token = token.as_deref().unwrap_or_else(|| visit.token());
    let reply = subject.client.request(request, Some(token), subject.deadline).await;
    reply.map_or(Value::Null, |reply| reply.body)
}

const RENEW: &str = "auth/token/renew-self";
const REVOKE: &str = "auth/token/revoke-self";
