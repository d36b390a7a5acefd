//! Walks the chain from here to the secrets and says where it breaks: name, connection, TLS, health, auth method, login,
//! token, and each path. By the extension's own code, so that what it finds is what the extension would find.
//!
//! Secrets are read to see whether they are there; what is in them goes nowhere.

mod login;
mod paths;
mod reach;
mod setup;
mod token;
mod way;

use std::time::Duration;

use strongroom_core::address::Address;
use strongroom_core::advice::{self, Rule};
use strongroom_core::diagnosis::sayings::{Saying, access};
use strongroom_core::diagnosis::{Check, Report, Wanted};

use crate::client::Client;
use crate::clock::Deadline;
use crate::error::{Error, chain};
use crate::session::TokenSource;

pub use setup::prepare;

/// What is walked.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The client; its connector's progress is to be [recording](crate::http::Progress::recording).
    pub client: &'a Client,
    /// How a token is come by.
    pub access: &'a Access,
    /// What is to be read.
    pub wanted: &'a [Wanted],
    /// How long an invocation of the function may take, where that is known.
    pub function_timeout: Option<Duration>,
    /// When the walk ends, wherever it is.
    pub deadline: Deadline,
}

/// How a token is come by.
#[derive(Debug)]
pub enum Access {
    /// There would be a login, but what it needs cannot be had.
    Failed {
        /// The path of the auth method, without `auth/`.
        mount: String,
        /// Why.
        error: Error,
    },
    /// As the extension does.
    Source(TokenSource),
    /// Not at all, for the reason given; of the login only the path of its auth method is known.
    Withheld {
        /// The path of the auth method, without `auth/`.
        mount: String,
        /// Why.
        reason: String,
    },
}

/// Walks the chain; returns how long it took, if it held to the end.
///
/// What holds the report is a parameter so that the walk is compiled in the crate that calls it, as sessions are: else
/// the layer would have the client and all logins twice, 68 KB.
pub async fn walk<R: AsMut<Report>>(subject: &Subject<'_>, report: &mut R) -> Option<Duration> {
    let clock = subject.client.clock();
    let began = clock.now();
    let broken = Box::pin(walk_to_the_break(subject, report)).await.err();
    let report = report.as_mut();
    if let Some(Stopped(check)) = broken {
        skip_what_follows(report, check);
    }
    let (mount, role) = subject.mount_and_role();
    report.name_login(mount, role);
    broken.is_none().then(|| Duration::from_millis(clock.now().saturating_sub(began)))
}

/// The chain cannot be followed beyond this link.
#[derive(Clone, Copy)]
struct Stopped(Check);

async fn walk_to_the_break<R: AsMut<Report>>(
    subject: &Subject<'_>,
    report: &mut R,
) -> Result<(), Stopped> {
    let report = report.as_mut();
    let node = reach::check(subject, report).await?;
    login::check_mount(subject, &node, report).await?;
    let visit = login::log_in(subject, report).await?;
    let capabilities = token::check(subject, &visit, report).await;
    paths::check(subject, &visit, &capabilities, report).await;
    visit.end().await;
    Ok(())
}

/// What is behind a broken link is named, too, as not looked at.
fn skip_what_follows(report: &mut Report, broken: Check) {
    for check in Check::ALL {
        let is_in_chain = check > broken && (Check::Dns..=Check::Field).contains(&check);
        if is_in_chain && !IS_SAID_WITH_OTHERS.contains(&check) && !report.has(check) {
            report.not_made(check, "not looked at, as {0} comes first", &[broken.name()]);
        }
    }
}

/// Links of which nothing is said while they hold.
const IS_SAID_WITH_OTHERS: [Check; 3] = [Check::Clock, Check::ForwardProxy, Check::Namespace];

/// Says what `error` means for whoever has to mend it, and which link is broken.
fn tell(
    report: &mut Report,
    subject: &Subject<'_>,
    error: &Error,
    tried: &str,
    otherwise: Check,
) -> Check {
    let came_back = chain(error);
    let saying = match error {
        Error::Refused { status, request, errors, .. } => {
            match advice::rule_for(*status, request, errors) {
                Some(rule) => of_rule(rule),
                None => Saying { check: otherwise, ..access::UNKNOWN_REFUSAL },
            }
        }
        _ => way::saying(error, subject, otherwise),
    };
    let (host, port) = match subject.client.address() {
        Address::Tcp(origin) => (origin.host.as_str(), origin.port()),
        Address::Unix(path) => (path.as_str(), 0),
    };
    let other = way::other_host(error).or_else(|| error.hint()).unwrap_or_default();
    report.fault(&saying, &[tried, &came_back, host, &port.to_string(), &other]);
    saying.check
}

/// A refusal is told in the words of its row.
fn of_rule(rule: &Rule) -> Saying {
    let Rule { check, cause, remedy, .. } = *rule;
    Saying { check, tried: "{0}", came_back: "{1}", means: cause, remedy }
}

impl Subject<'_> {
    /// The path of the auth method, without `auth/`, and the Vault role; empty for a token that was given.
    fn mount_and_role(&self) -> (&str, &str) {
        match self.access {
            Access::Source(TokenSource::Login(login)) => {
                let (mount, role) = login.mount_and_role();
                (mount, role.unwrap_or("<role>"))
            }
            Access::Source(TokenSource::Given(_)) => ("", ""),
            Access::Failed { mount, .. } | Access::Withheld { mount, .. } => (mount, "<role>"),
        }
    }
}
