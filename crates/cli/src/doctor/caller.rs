//! Whose AWS credentials are at hand, and whether they are those that the function would log in with.

use secrecy::ExposeSecret as _;
use strongroom_core::diagnosis::sayings::laptop;
use strongroom_core::diagnosis::{Check, Finding, Outcome, Report};
use strongroom_core::settings::{Identity, variables as v};
use strongroom_vault::login::Lookup;

use super::Options;
use super::patient::Patient;
use crate::aws;
use crate::aws::credentials::{self, Credentials};

impl Patient {
    /// Reads the function's variables, with credentials of the profile at hand where it has none itself.
    pub(super) async fn lookup(&self, options: &Options, report: &mut Report) -> Lookup {
        let names: Vec<_> = self.environment.names().collect();
        let own: Vec<(String, String)> = names
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.environment.value(name)?.to_owned())))
            .collect();
        let own = std::collections::BTreeMap::from_iter(own);
        let has_own = [v::AWS_ACCESS_KEY_ID, v::AWS_CONTAINER_CREDENTIALS_FULL_URI]
            .iter()
            .any(|name| own.contains_key(*name));
        let is_aws = own.get(v::STRONGROOM_AUTH_METHOD).is_none_or(|method| method == "aws");
        let is_named = options.profile.is_some() || self.function.is_some();
        let credentials = match is_aws && (is_named || !has_own) {
            true => self.credentials(options, report).await,
            false => None,
        };
        let region = self.aws.region().map(|region| region.as_ref().to_owned());
        Box::new(move |name| match (&credentials, name) {
            (Some(credentials), v::AWS_ACCESS_KEY_ID) => Some(credentials.access_key_id.clone()),
            (Some(credentials), v::AWS_SECRET_ACCESS_KEY) => {
                Some(credentials.secret_access_key.expose_secret().to_owned())
            }
            (Some(credentials), v::AWS_SESSION_TOKEN) => {
                credentials.session_token.as_ref().map(|token| token.expose_secret().to_owned())
            }
            (_, v::AWS_REGION) => own.get(name).cloned().or_else(|| region.clone()),
            _ => own.get(name).cloned(),
        })
    }

    async fn credentials(&self, options: &Options, report: &mut Report) -> Option<Credentials> {
        let role = self.role().filter(|_| options.assume_role);
        let found = match role {
            Some(role) => credentials::of_role(&self.aws, role, "strongroom-doctor").await,
            None => credentials::at_hand(&self.aws).await,
        };
        match found {
            Ok(credentials) => Some(credentials),
            Err(error) => {
                let found = format!("{error:#}");
                match role {
                    Some(role) => report.fault(&laptop::NOT_ASSUMABLE, &[&found, role]),
                    None => report.fault(&laptop::NO_PROFILE, &[&found]),
                }
                None
            }
        }
    }
}

/// Why nobody logs in from here, if nobody does.
pub(super) async fn why_nobody_logs_in(
    identity: &Identity,
    patient: &Patient,
    options: &Options,
    report: &mut Report,
) -> Option<String> {
    if !matches!(identity, Identity::AwsIam(_)) {
        return None;
    }
    let is_without = |finding: &Finding| {
        finding.check == Check::Credentials && finding.outcome == Outcome::Fault
    };
    if report.findings.iter().any(is_without) {
        return Some("not made: there are no credentials".to_owned());
    }
    let role = patient.role().filter(|_| !options.assume_role)?;
    match aws::caller(&patient.aws).await {
        Err(error) => Some(format!("not made: {error:#}")),
        Ok(caller) if is_session_of(&caller.arn, role) => {
            report.holds(Check::Credentials, "{0}", &[&caller.arn]);
            None
        }
        Ok(caller) => Some(format!(
            "not made: you are {}, and the function is {role}; --assume-role becomes it where its trust policy \
             permits that, and with VAULT_TOKEN of an administrator the role's binding is read",
            caller.arn
        )),
    }
}

/// Whether the ARN of a caller is that of a session of this role.
fn is_session_of(caller: &str, role: &str) -> bool {
    let parts = |arn: &str| {
        let mut parts = arn.splitn(6, ':').skip(4);
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    let (Some((account, session)), Some((of_role, role))) = (parts(caller), parts(role)) else {
        return false;
    };
    let name = session.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
    account == of_role && name.is_some() && name == role.rsplit('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_to_be_of_a_role_by_account_and_name() {
        let role = "arn:aws:iam::123456789012:role/service-role/app";
        let check = |caller, expect| assert_eq!(is_session_of(caller, role), expect, "{caller}");
        check("arn:aws:sts::123456789012:assumed-role/app/function", true);
        check("arn:aws:sts::210987654321:assumed-role/app/function", false);
        check("arn:aws:sts::123456789012:assumed-role/other/function", false);
        check("arn:aws:iam::123456789012:user/app", false);
        check("", false);
    }
}
