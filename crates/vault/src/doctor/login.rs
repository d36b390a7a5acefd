//! The auth method and the login.

use std::cell::RefCell;
use std::sync::Arc;

use strongroom_core::advice;
use strongroom_core::diagnosis::sayings::{Saying, access};
use strongroom_core::diagnosis::{Check, Report};

use super::reach::Reached;
use super::{Access, Stopped, Subject, of_rule, tell};
use crate::client::Namespace;
use crate::error::{Error, chain};
use crate::login::Login;
use crate::session::TokenSource;
use crate::token::{Token, TokenKind};

/// Asks the auth method for a login without saying who logs in: only one that is there says what is missing.
pub(super) async fn check_mount(
    subject: &Subject<'_>,
    node: &Reached,
    report: &mut Report,
) -> Result<(), Stopped> {
    let namespace = subject.client.namespace();
    let Reached { version } = node;
    // Releases before 2 are HashiCorp's, and only its Enterprise edition, which says so, has namespaces.
    let has_namespaces = !version.starts_with("1.") || version.contains('+');
    if let Some(namespace) = namespace.filter(|_| !has_namespaces) {
        report.warning(&access::NO_NAMESPACES, &[namespace, version]);
    }
    let (mount, _) = subject.mount_and_role();
    if mount.is_empty() {
        return Ok(());
    }
    let ask = |namespace| subject.client.empty_login(mount, namespace, subject.deadline);
    let (status, errors) = match ask(Namespace::Settings).await {
        Ok(answer) => answer,
        Err(error) => {
            let tried = "PUT auth/<mount>/login without a body";
            return Err(Stopped(tell(report, subject, &error, tried, Check::AuthMount)));
        }
    };
    let came_back = format!("{status} {errors}");
    let found = [came_back.as_str(), namespace.unwrap_or_default()];
    let saying = match status {
        200..300 => return Ok(()),
        400 | 500 if is_of_its_kind(subject, &errors) => {
            report.holds(Check::AuthMount, "auth/{0} is there", &[mount]);
            if let Some(namespace) = namespace {
                report.holds(Check::Namespace, "{0}", &[namespace]);
            }
            return Ok(());
        }
        400 | 405 | 500 => access::ANOTHER_KIND,
        403 | 404 if namespace.is_some() => match ask(Namespace::Root).await {
            Ok((400, _)) => access::ONLY_WITHOUT_NAMESPACE,
            _ => access::NOT_IN_NAMESPACE,
        },
        403 | 404 if version.contains('+') => access::NO_AUTH_METHOD_OUTSIDE,
        403 | 404 => access::NO_AUTH_METHOD,
        _ => {
            let request = "PUT /v1/auth/<mount>/login";
            let rule = advice::rule_for(status, request, &errors).map(of_rule);
            let saying =
                rule.unwrap_or(Saying { check: Check::AuthMount, ..access::UNKNOWN_REFUSAL });
            report.fault(&saying, &[request, &came_back]);
            return Err(Stopped(saying.check));
        }
    };
    report.fault(&saying, &found);
    Err(Stopped(saying.check))
}

/// Whether these are the words of an auth method that the settings mean.
fn is_of_its_kind(subject: &Subject<'_>, errors: &str) -> bool {
    let words: &[&str] = match subject.access {
        Access::Source(TokenSource::Login(login)) => match &**login {
            // Vault 1.14 looks who it is before it looks at what is given.
            Login::AppRole(_) => &["role_id", "role ID", "alias name"],
            Login::AwsIam(_) => OF_AWS,
            Login::Certificate(_) => &["certificate", "tls"],
            Login::Jwt(_) => &["role", "token", "configuration"],
        },
        // Only logins by AWS are withheld or fail before they begin, but for one that is wrapped.
        _ => return true,
    };
    words.iter().any(|word| errors.contains(word))
}

const OF_AWS: &[&str] = &["auth values", "authentication values", "iam_", "role name"];

/// A token, and how to come by the next one.
pub(super) struct Visit<'a> {
    pub(super) subject: &'a Subject<'a>,
    token: Arc<Token>,
    /// Those besides, where each request counts.
    more: RefCell<Vec<Arc<Token>>>,
    is_ours: bool,
}

impl<'a> Visit<'a> {
    fn new(subject: &'a Subject<'a>, token: Arc<Token>, is_ours: bool) -> Self {
        Self { subject, token, more: RefCell::default(), is_ours }
    }

    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    /// A token that was used for nothing yet, where each request counts.
    pub(super) async fn fresh(&self) -> Result<Arc<Token>, Error> {
        let subject = self.subject;
        match subject.access {
            Access::Source(TokenSource::Login(login)) if matches!(**login, Login::AwsIam(_)) => {
                let token = Arc::new(login.log_in(subject.client, subject.deadline).await?);
                self.more.borrow_mut().push(Arc::clone(&token));
                Ok(token)
            }
            // A secret id may be one that counts, too.
            _ => Ok(Arc::clone(&self.token)),
        }
    }

    /// Leaves nothing behind in Vault.
    pub(super) async fn end(self) {
        let ours = self.is_ours.then_some(self.token);
        for token in ours.into_iter().chain(self.more.into_inner()) {
            if token.kind == TokenKind::Service {
                // It ends by itself, if not by this.
                let _ = self.subject.client.revoke(&token, self.subject.deadline).await;
            }
        }
    }
}

pub(super) async fn log_in<'a>(
    subject: &'a Subject<'a>,
    report: &mut Report,
) -> Result<Visit<'a>, Stopped> {
    let login = match subject.access {
        Access::Source(TokenSource::Login(login)) => login,
        Access::Source(TokenSource::Given(token)) => {
            report.holds(Check::Login, "not needed: VAULT_TOKEN is given", &[]);
            return Ok(Visit::new(subject, Arc::clone(token), false));
        }
        Access::Failed { error, .. } => {
            let tried = "to find what the login needs";
            return Err(Stopped(tell(report, subject, error, tried, Check::Credentials)));
        }
        Access::Withheld { reason, .. } => {
            report.not_made(Check::Login, "{0}", &[reason]);
            return Err(Stopped(Check::Login));
        }
    };
    let clock = subject.client.clock();
    let began = clock.now();
    let outcome = login.log_in(subject.client, subject.deadline).await;
    let took = clock.now().saturating_sub(began).to_string();
    let described = login.describe();
    let tried = format!("a login at {described}");
    match outcome {
        Ok(token) => {
            tell_region(login, report);
            report.holds(Check::Login, "{0} ({1} ms)", &[&described, &took]);
            Ok(Visit::new(subject, Arc::new(token), true))
        }
        // The auth method is there, as it has just answered.
        Err(error @ Error::Refused { status: 403, .. }) => {
            report.fault(&access::NOT_FROM_HERE, &[&tried, &chain(&error)]);
            Err(Stopped(Check::RoleBinding))
        }
        Err(error) => Err(Stopped(tell(report, subject, &error, &tried, Check::Login))),
    }
}

fn tell_region(login: &Login, report: &mut Report) {
    let Login::AwsIam(login) = login else { return };
    match login.regions() {
        (region, None) => {
            report.holds(Check::Region, "signed for STS in {0}, as Vault expects", &[region]);
        }
        (region, Some(first)) => report.warning(&access::SECOND_REGION, &[first, region]),
    }
}
