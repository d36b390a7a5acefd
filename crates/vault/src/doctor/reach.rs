//! From the name to an answer of Vault: what was passed on the way, and how Vault is.

use std::time::Duration;

use strongroom_core::diagnosis::sayings::way;
use strongroom_core::diagnosis::{Check, Report, judge_clock};
use strongroom_core::lease::UnixMilliseconds;

use super::{Stopped, Subject, tell};
use crate::client::Health;
use crate::http::Stage;

/// What is known of Vault once it has answered.
pub(super) struct Reached {
    pub(super) version: String,
}

pub(super) async fn check(subject: &Subject<'_>, report: &mut Report) -> Result<Reached, Stopped> {
    let client = subject.client;
    let _ = client.take_trail();
    let deadline = subject.deadline.min(client.clock().deadline_in(PATIENCE));
    let outcome = client.health(deadline).await;
    let now = client.clock().now();
    tell_way(report, &client.take_trail(), now, outcome.is_ok());
    let health = match outcome {
        Ok(health) => health,
        Err(error) => {
            let tried = format!("GET {}/v1/sys/health", client.address());
            return Err(Stopped(tell(report, subject, &error, &tried, Check::Health)));
        }
    };
    let reached = judge_health(subject, report, &health);
    if let Some(date) = health.date {
        judge_clock(report, "Vault", date, now);
    }
    reached.ok_or(Stopped(Check::Health))
}

/// Says of each stage that it was passed: all but the last if there was no answer.
fn tell_way(
    report: &mut Report,
    trail: &[(Stage, UnixMilliseconds)],
    now: UnixMilliseconds,
    is_answered: bool,
) {
    for (index, (stage, began)) in trail.iter().enumerate() {
        let next = trail.get(index + 1);
        if next.is_none() && !is_answered {
            return;
        }
        let took = next.map_or(now, |(_, began)| *began).saturating_sub(*began).to_string();
        let mut passed = |check, what: &str| report.holds(check, "{0} ({1} ms)", &[what, &took]);
        match (stage, next.map(|(stage, _)| stage)) {
            (Stage::Name(host), Some(Stage::Tcp(_, address))) => {
                let found = [host.as_str(), &address.ip().to_string(), &took];
                report.holds(Check::Dns, "{0} -> {1} ({2} ms)", &found);
            }
            // This address did not answer, and the next one was tried.
            (Stage::Tcp(..), Some(Stage::Tcp(..))) => {}
            (Stage::Tcp(_, address), _) => passed(Check::Tcp, &address.to_string()),
            (Stage::Tunnel(proxy), _) => passed(Check::ForwardProxy, proxy),
            (Stage::Tls(name), _) => passed(Check::Tls, name),
            _ => {}
        }
    }
}

fn judge_health(subject: &Subject<'_>, report: &mut Report, health: &Health) -> Option<Reached> {
    let address = subject.client.address().to_string();
    let status = health.status.to_string();
    let Some(node) = &health.vault else {
        let by_tls = address.replacen("http://", "https://", 1);
        match &health.redirect {
            _ if health.wants_tls => report.fault(&way::WANTS_TLS, &[&address, &status, &by_tls]),
            Some(to) => report.fault(&way::REDIRECTS, &[&address, &status, to]),
            None => report.fault(&way::NO_VAULT, &[&address, &status]),
        }
        return None;
    };
    let found = [address.as_str(), &status, &node.version];
    // <https://developer.hashicorp.com/vault/api-docs/system/health>
    let state = match health.status {
        200 => "Vault {2}, active",
        429 => "Vault {2}, a standby, which passes requests on",
        473 => "Vault {2}, a performance standby",
        _ => {
            let saying = match health.status {
                472 => &way::OF_RECOVERY,
                501 => &way::UNINITIALIZED,
                503 if node.sealed => &way::SEALED,
                _ => &way::NOT_READY,
            };
            report.fault(saying, &found);
            return None;
        }
    };
    report.holds(Check::Health, state, &found);
    Some(Reached { version: node.version.clone() })
}

/// For the way to Vault and its first answer.
const PATIENCE: Duration = Duration::from_secs(10);
