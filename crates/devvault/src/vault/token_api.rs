//! `auth/token/*`: the built-in auth method.
//! <https://developer.hashicorp.com/vault/api-docs/auth/token>

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use super::answer::{Answer, Outcome, Refusal, listed};
use super::policy::Policies;
use super::request::{ApiRequest, Operation, Params};
use super::tokens::{Grant, IdShown, TokenKind, Tokens};

/// Answers `auth/token/<path>` for the holder of `caller`, who is alive and permitted.
pub(super) fn answer(
    tokens: &mut Tokens,
    known: &Policies,
    path: &str,
    request: &ApiRequest,
    caller: &SecretString,
    now: Timestamp,
) -> Outcome {
    let params = &request.params;
    match (path, request.operation) {
        ("create" | "create-orphan", Operation::Write) => {
            create(tokens, known, path, params, caller, now)
        }
        ("lookup-self", Operation::Read | Operation::Write) => lookup(tokens, caller, now),
        ("lookup", Operation::Write) => lookup(tokens, &named(params)?, now),
        ("lookup-accessor", Operation::Write) => {
            let accessor = params.text("accessor")?.unwrap_or_default();
            let token = tokens.by_accessor(&accessor, now);
            let token = token.ok_or_else(|| Refusal::invalid(listed(&["invalid accessor"])))?;
            Ok(Answer::data("token", token.document(IdShown::Hidden, now)))
        }
        ("renew-self", Operation::Write) => renew(tokens, caller, params, now),
        ("renew", Operation::Write) => renew(tokens, &named(params)?, params, now),
        ("revoke-self", Operation::Write) => revoke(tokens, caller, now),
        ("revoke", Operation::Write) => revoke(tokens, &named(params)?, now),
        ("revoke-accessor", Operation::Write) => {
            let accessor = params.text("accessor")?.unwrap_or_default();
            let id = tokens.by_accessor(&accessor, now).map(|token| token.id.clone());
            let Some(id) = id else {
                let warning = "No token found with this accessor";
                return Ok(Answer::warning("token", StatusCode::OK, warning));
            };
            revoke(tokens, &id, now)
        }
        ("accessors/", Operation::List) => Answer::keys("token", tokens.accessors(now)),
        (
            "create" | "create-orphan" | "lookup-self" | "lookup" | "lookup-accessor"
            | "renew-self" | "renew" | "revoke-self" | "revoke" | "revoke-accessor",
            _,
        ) => Err(Refusal::unsupported_operation()),
        _ => Err(Refusal::unsupported_path()),
    }
}

fn named(params: &Params) -> Result<SecretString, Refusal> {
    let id = params.text("token")?.filter(|id| !id.is_empty());
    id.map(SecretString::from).ok_or_else(|| Refusal::invalid("missing token ID"))
}

fn lookup(tokens: &Tokens, id: &SecretString, now: Timestamp) -> Outcome {
    let token = tokens.find(id, now);
    let token = token.ok_or_else(|| Refusal::new(StatusCode::FORBIDDEN, "bad token"))?;
    Ok(Answer::data("token", token.document(IdShown::Plain, now)))
}

fn renew(tokens: &mut Tokens, id: &SecretString, params: &Params, now: Timestamp) -> Outcome {
    let increment = params.seconds("increment")?.unwrap_or(0).max(0);
    let (auth, warnings) = tokens.renew(id, increment, now)?;
    Ok(Answer::auth("token", auth, warnings))
}

fn revoke(tokens: &mut Tokens, id: &SecretString, now: Timestamp) -> Outcome {
    if tokens.find(id, now).is_some_and(|token| token.grant.kind == TokenKind::Batch) {
        return Err(Refusal::invalid("batch tokens cannot be revoked"));
    }
    tokens.revoke(id);
    Ok(Answer::NoContent)
}

fn create(
    tokens: &mut Tokens,
    known: &Policies,
    path: &str,
    params: &Params,
    caller: &SecretString,
    now: Timestamp,
) -> Outcome {
    let parent =
        tokens.find(caller, now).ok_or_else(|| Refusal::invalid("parent token not found"))?;
    if parent.grant.kind == TokenKind::Batch {
        return Err(Refusal::invalid("batch tokens cannot create more tokens"));
    }
    let kind = match params.text("type")?.as_deref() {
        None | Some("" | "service") => TokenKind::Service,
        Some("batch") => TokenKind::Batch,
        Some(_) => return Err(Refusal::invalid("invalid 'type' value")),
    };
    let id = params.text("id")?;
    if id.is_some() && !parent.is_root() {
        return Err(Refusal::invalid("root or sudo privileges required to specify token id"));
    }
    let id = id.map(SecretString::from);
    if id.as_ref().is_some_and(|id| tokens.contains(id)) {
        return Err(Refusal::invalid("cannot create a token with a duplicate ID"));
    }
    let orphan = path == "create-orphan" || params.flag("no_parent")?.unwrap_or(false);
    if orphan && path == "create" && !parent.is_root() {
        return Err(Refusal::invalid("root or sudo privileges required to create orphan token"));
    }
    let policies = policies(params, &parent.grant.policies)?;
    let root_without_end = policies.iter().any(|policy| policy == "root");
    let grant = Grant {
        display_name: match params.text("display_name")? {
            None => "token".to_owned(),
            Some(name) => format!("token-{name}"),
        },
        explicit_max_ttl: params.seconds("explicit_max_ttl")?.unwrap_or(0),
        id,
        meta: meta(params)?,
        num_uses: params.integer("num_uses")?.unwrap_or(0).max(0),
        parent: (!orphan).then(|| caller.clone()),
        path: format!("auth/token/{path}"),
        period: params.seconds("period")?.unwrap_or(0),
        policies,
        renewable: kind == TokenKind::Service && params.flag("renewable")?.unwrap_or(true),
        ttl: params.seconds("ttl")?.or(params.seconds("lease")?).unwrap_or(0),
        ..Grant::new(kind)
    };
    if root_without_end {
        return Err(Refusal::invalid("devvault issues no further root tokens"));
    }
    if kind == TokenKind::Batch && (grant.num_uses > 0 || grant.period > 0 || grant.id.is_some()) {
        return Err(Refusal::invalid("batch tokens cannot have an id, a period or a use limit"));
    }
    let unknown = grant.policies.iter().filter(|policy| !known.contains(policy));
    let mut warnings: Vec<String> =
        unknown.map(|policy| format!("Policy {policy:?} does not exist")).collect();
    let (auth, capped) = tokens.issue(grant, now);
    warnings.extend(capped);
    Ok(Answer::auth("token", auth, warnings))
}

/// Those asked for, which a caller other than root must hold, and `default`.
fn policies(params: &Params, held: &[String]) -> Result<Vec<String>, Refusal> {
    let asked = params.list("policies")?;
    let mut policies = asked.unwrap_or_else(|| held.to_vec());
    let is_root = held.iter().any(|policy| policy == "root");
    if !is_root && !policies.iter().all(|p| p == "default" || held.contains(p)) {
        return Err(Refusal::invalid("child policies must be subset of parent"));
    }
    if !params.flag("no_default_policy")?.unwrap_or(false) {
        policies.push("default".to_owned());
    }
    policies.sort();
    policies.dedup();
    Ok(policies)
}

fn meta(params: &Params) -> Result<Option<BTreeMap<String, String>>, Refusal> {
    let Some(value) = params.value("meta") else { return Ok(None) };
    let pairs = value.as_object().and_then(|fields| {
        let texts = fields.iter().map(|(name, value)| match value {
            Value::String(text) => Some((name.clone(), text.clone())),
            _ => None,
        });
        texts.collect()
    });
    pairs.map(Some).ok_or_else(|| Refusal::invalid("meta must be a map of strings"))
}
