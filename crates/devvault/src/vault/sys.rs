//! `sys/*`: mounts, auth methods, policies, capabilities, leases, health and seal.
//! <https://developer.hashicorp.com/vault/api-docs/system>

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::acl::Acl;
use super::answer::{Answer, Outcome, Refusal};
use super::leases;
use super::mounts::{Kind, Mounts, object};
use super::policy::Era;
use super::request::{ApiRequest, Operation, Params};
use super::{Release, State};

/// Answers `sys/<path>` for a permitted caller with these policies.
pub(super) fn answer(
    state: &mut State,
    path: &str,
    request: &ApiRequest,
    policies: &[String],
    now: Timestamp,
) -> Outcome {
    let (area, rest) = path.split_once('/').unwrap_or((path, ""));
    match (area, request.operation) {
        ("mounts", Operation::Delete) => {
            let outcome = mounts(&mut state.mounts, rest, Operation::Delete, &request.params)?;
            state.leases.revoke_below(&format!("{}/", rest.trim_matches('/')));
            Ok(outcome)
        }
        ("mounts", operation) => mounts(&mut state.mounts, rest, operation, &request.params),
        ("auth", Operation::Delete) => {
            state.tokens.revoke_all_of(&format!("auth/{}/", rest.trim_matches('/')));
            mounts(&mut state.auths, rest, Operation::Delete, &request.params)
        }
        ("auth", operation) => mounts(&mut state.auths, rest, operation, &request.params),
        ("policy", operation) => state.policies.answer(operation, rest, &request.params, Era::Old),
        ("policies", operation) => {
            let (kind, name) = rest.split_once('/').unwrap_or((rest, ""));
            match kind {
                "acl" => state.policies.answer(operation, name, &request.params, Era::New),
                _ => Err(Refusal::unsupported_path()),
            }
        }
        ("internal", Operation::Read) => match rest.strip_prefix("ui/mounts") {
            Some(below) => visible_mounts(state, below, policies),
            None => Err(Refusal::unsupported_path()),
        },
        ("leases", _) => leases::answer(state, rest, request, now),
        ("renew" | "revoke" | "revoke-prefix", _) => leases::answer(state, path, request, now),
        ("capabilities-self", Operation::Write) => capabilities(state, &request.params, policies),
        ("seal", Operation::Write) => {
            state.sealed = true;
            Ok(Answer::NoContent)
        }
        _ => Err(Refusal::unsupported_path()),
    }
}

fn mounts<E: Kind>(
    mounts: &mut Mounts<E>,
    path: &str,
    operation: Operation,
    params: &Params,
) -> Outcome {
    if path.ends_with("/tune") {
        return Err(Refusal::invalid("devvault does not implement the tuning of mounts"));
    }
    match operation {
        Operation::Read if path.is_empty() => Ok(Answer::repeated(mounts.document(|_| true))),
        Operation::Read => {
            let mount = mounts.at(path).ok_or_else(|| {
                Refusal::invalid(format!("No secret engine mount at {}/", path.trim_matches('/')))
            })?;
            Ok(Answer::repeated(mount.document()))
        }
        Operation::Write if path.is_empty() => Err(Refusal::unsupported_operation()),
        Operation::Write => mounts.create(path, params).map(|()| Answer::NoContent),
        Operation::Delete => mounts.remove(path).map(|()| Answer::NoContent),
        Operation::List | Operation::Patch => Err(Refusal::unsupported_operation()),
    }
}

/// What a user interface may ask: the mounts this token can see, or the one a path lies in.
fn visible_mounts(state: &State, below: &str, policies: &[String]) -> Outcome {
    let acl = Acl::of(&state.policies, policies);
    let path = below.trim_matches('/');
    if path.is_empty() {
        let secret = state.mounts.document(|mount| acl.sees_mount(mount));
        let auth = state.auths.document(|mount| acl.sees_mount(&format!("auth/{mount}")));
        return Ok(Answer::data("system", object([("auth", auth), ("secret", secret)])));
    }
    let found = state.mounts.containing(path).filter(|(at, _)| acl.sees_mount(at));
    let (at, mount) = found.ok_or_else(|| {
        Refusal::new(
            StatusCode::FORBIDDEN,
            format!(
                "preflight capability check returned 403, please ensure client's policies grant access to path \"{path}/\""
            ),
        )
    })?;
    Ok(Answer::data("system", mount.document_at(at)))
}

fn capabilities(state: &State, params: &Params, policies: &[String]) -> Outcome {
    let paths = match params.list("paths")? {
        Some(paths) => paths,
        None => params.list("path")?.unwrap_or_default(),
    };
    let acl = Acl::of(&state.policies, policies);
    let mut document: Map<String, Value> =
        paths.iter().map(|path| (path.clone(), json!(acl.words(path)))).collect();
    if let [only] = paths.as_slice() {
        document.insert("capabilities".to_owned(), json!(acl.words(only)));
    }
    Ok(Answer::repeated(document.into()))
}

/// What needs no token and works while sealed; `None` for any other path.
pub(super) fn public(
    state: &mut State,
    request: &ApiRequest,
    release: Release,
    now: Timestamp,
) -> Option<Outcome> {
    Some(match (request.path.as_str(), request.operation) {
        ("sys/health", Operation::Read) => health(state.sealed, &request.params, release, now),
        ("sys/seal-status", Operation::Read) => Ok(seal_status(state.sealed, release)),
        ("sys/unseal", Operation::Write) => unseal(state, &request.params, release),
        _ => return None,
    })
}

fn health(sealed: bool, params: &Params, release: Release, now: Timestamp) -> Outcome {
    let code = match sealed {
        true => params.integer("sealedcode")?.unwrap_or(503),
        false => params.integer("activecode")?.unwrap_or(200),
    };
    let status = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(|| Refusal::invalid("invalid status code"))?;
    let replication = if sealed { "unknown" } else { "disabled" };
    Ok(Answer::Plain(
        status,
        json!({
            "initialized": true,
            "sealed": sealed,
            "standby": sealed,
            "performance_standby": false,
            "replication_performance_mode": replication,
            "replication_dr_mode": replication,
            "server_time_utc": now.as_second(),
            "version": release.version(),
        }),
    ))
}

fn seal_status(sealed: bool, release: Release) -> Answer {
    Answer::Plain(
        StatusCode::OK,
        json!({
            "type": "shamir",
            "initialized": true,
            "sealed": sealed,
            "t": 1,
            "n": 1,
            "progress": 0,
            "nonce": "",
            "version": release.version(),
            "build_date": "",
            "migration": false,
            "recovery_seal": false,
            "storage_type": "inmem",
        }),
    )
}

/// Nothing lies encrypted in memory, so any key opens; an absent one is refused as in Vault.
fn unseal(state: &mut State, params: &Params, release: Release) -> Outcome {
    if params.text("key")?.is_none_or(|key| key.is_empty()) {
        return Err(Refusal::invalid(
            "'key' must be specified in request body as JSON, or 'reset' set to true",
        ));
    }
    state.sealed = false;
    Ok(seal_status(false, release))
}
