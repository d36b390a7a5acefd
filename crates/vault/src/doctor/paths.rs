//! Each path: its secrets engine, the policy for it, what is there, and the fields that are asked for.

use strongroom_core::diagnosis::sayings::paths;
use strongroom_core::diagnosis::{Check, Outcome, Report, Wanted};
use strongroom_core::reference::Field;

use super::login::Visit;
use super::token::Capabilities;
use super::{Subject, tell};
use crate::client::{Engine, Read};
use crate::error::Error;

pub(super) async fn check(
    subject: &Subject<'_>,
    visit: &Visit<'_>,
    capabilities: &Capabilities,
    report: &mut Report,
) {
    for wanted in subject.wanted.chunk_by(|a, b| a.secret == b.secret) {
        check_one(subject, visit, capabilities, wanted, report).await;
    }
}

/// One secret, and all that is wanted of it.
async fn check_one(
    subject: &Subject<'_>,
    visit: &Visit<'_>,
    capabilities: &Capabilities,
    wanted: &[Wanted],
    report: &mut Report,
) {
    let Some(first) = wanted.first() else { return };
    let path = first.secret.path.as_str();
    let asked_by = first.asked_by.as_str();
    let engine = match engine(visit, capabilities, path).await {
        Ok(engine) => engine,
        Err(error) => {
            tell(
                report,
                subject,
                &error,
                &format!("GET sys/internal/ui/mounts/{path}"),
                Check::Mount,
            );
            return;
        }
    };
    if let Some(Engine { path: mount, kind, is_versioned }) = &engine {
        let rest = path.strip_prefix(mount.as_str()).unwrap_or_default();
        if *is_versioned && rest != "data" && !rest.starts_with("data/") {
            let rest = rest.strip_prefix("metadata/").unwrap_or(rest);
            return report.fault(&paths::WITHOUT_DATA, &[path, asked_by, mount, rest]);
        }
        let kind = match (kind.as_str(), is_versioned) {
            ("kv" | "generic", true) => "KV v2",
            ("kv" | "generic", false) => "KV v1",
            (kind, _) => kind,
        };
        report.holds(Check::Mount, "{0} is {1}", &[mount, kind]);
    }
    if capabilities.may(path, "read") == Some(false) {
        return no_policy(capabilities, path, asked_by, engine.as_ref(), report);
    }
    if let Some(Engine { path: mount, kind, .. }) = &engine
        && !["cubbyhole", "generic", "kv"].contains(&kind.as_str())
    {
        report.holds(Check::Policy, "read on {0}", &[path]);
        let text = "{0} not read: {1} makes something new at each read";
        return report.not_made(Check::Secret, text, &[path, mount]);
    }
    let outcome = match capabilities.counts() {
        true => match visit.fresh().await {
            Ok(token) => subject.client.read(&first.secret, &token, subject.deadline).await,
            Err(error) => Err(error),
        },
        false => subject.client.read(&first.secret, visit.token(), subject.deadline).await,
    };
    match outcome {
        Ok(read) => {
            report.holds(Check::Policy, "read on {0}", &[path]);
            judge_secret(report, &read, wanted, engine.as_ref());
        }
        Err(error) => {
            tell(report, subject, &error, &format!("GET {path}"), Check::Secret);
        }
    }
}

/// `None` if Vault shows none to this token.
async fn engine(
    visit: &Visit<'_>,
    capabilities: &Capabilities,
    path: &str,
) -> Result<Option<Engine>, Error> {
    let fresh = match capabilities.counts() {
        true => Some(visit.fresh().await?),
        false => None,
    };
    let token = fresh.as_deref().unwrap_or_else(|| visit.token());
    let subject = visit.subject;
    match subject.client.engine(path, token, subject.deadline).await {
        Err(Error::Refused { status: 400..500, .. }) => Ok(None),
        found => found,
    }
}

fn no_policy(
    capabilities: &Capabilities,
    path: &str,
    asked_by: &str,
    engine: Option<&Engine>,
    report: &mut Report,
) {
    let unversioned = engine.and_then(|engine| {
        let rest = path.strip_prefix(engine.path.as_str())?.strip_prefix("data/")?;
        Some(format!("{}{rest}", engine.path))
    });
    let is_for_version_1 =
        unversioned.is_some_and(|path| capabilities.may(&path, "read") == Some(true));
    let saying = match engine {
        _ if is_for_version_1 => &paths::POLICY_WITHOUT_DATA,
        Some(_) => &paths::NO_POLICY,
        None => &paths::NO_POLICY_NOR_ENGINE,
    };
    report.fault(saying, &[path, asked_by, &capabilities.told(path)]);
}

fn judge_secret(report: &mut Report, read: &Read, wanted: &[Wanted], engine: Option<&Engine>) {
    let Some(first) = wanted.first() else { return };
    let path = first.secret.path.as_str();
    let document = read.document.as_ref().filter(|document| !document.is_without_secret());
    let Some(document) = document.filter(|_| read.status != 404) else {
        return no_secret(report, read, wanted, engine);
    };
    match document.version() {
        Some(version) => {
            report.holds(Check::Secret, "{0}, version {1}", &[path, &version.to_string()])
        }
        None => report.holds(Check::Secret, "{0}", &[path]),
    }
    for Wanted { field, has_default, asked_by, .. } in wanted {
        let Some(name) = field else { continue };
        if document.text(&Field::Named(name.clone())).is_some() {
            report.holds(Check::Field, "{0} of {1}, for {2}", &[name, path, asked_by]);
            continue;
        }
        let mut there = String::new();
        for name in document.field_names() {
            there.push_str(if there.is_empty() { "" } else { ", " });
            there.push_str(name);
        }
        report.say(outcome(*has_default), &paths::NO_FIELD, &[path, asked_by, name, &there]);
    }
}

fn no_secret(report: &mut Report, read: &Read, wanted: &[Wanted], engine: Option<&Engine>) {
    let Some(first) = wanted.first() else { return };
    let path = first.secret.to_string();
    let asked_by = first.asked_by.as_str();
    let document = read.document.as_ref();
    let errors = document.and_then(|document| document.errors().next()).unwrap_or_default();
    let has_default = wanted.iter().all(|wanted| wanted.has_default);
    let in_version_1 = engine.filter(|engine| !engine.is_versioned).and_then(|engine| {
        let rest = first.secret.path.strip_prefix(engine.path.as_str())?.strip_prefix("data/")?;
        Some((engine.path.as_str(), rest))
    });
    if let Some((mount, rest)) = in_version_1 {
        return report.say(
            outcome(has_default),
            &paths::WITH_DATA,
            &[&path, asked_by, mount, rest],
        );
    }
    let status = read.status.to_string();
    let (saying, found) = if errors.contains("no handler for route") {
        (&paths::NO_ENGINE, errors)
    } else if document.is_some_and(|document| document.version().is_some()) {
        (&paths::DELETED, status.as_str())
    } else {
        (&paths::NO_SECRET, status.as_str())
    };
    report.say(outcome(has_default), saying, &[&path, asked_by, found]);
}

/// Where something else serves, it is no fault.
fn outcome(has_default: bool) -> Outcome {
    if has_default { Outcome::Warning } else { Outcome::Fault }
}
