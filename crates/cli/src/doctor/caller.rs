//! Whose AWS credentials are at hand, and whether they are those that the function would log in with.

use anyhow::{Context as _, Result};
use aws_config::SdkConfig;
use aws_sdk_sts::config::ProvideCredentials as _;
use secrecy::{ExposeSecret as _, SecretString};
use strongroom_core::diagnosis::sayings::laptop;
use strongroom_core::diagnosis::{Check, Finding, Outcome, Report};
use strongroom_core::settings::{Identity, variables as v};
use strongroom_vault::error::chain;
use strongroom_vault::login::Lookup;

use super::Options;
use super::patient::Patient;
use crate::aws;

/// Credentials of AWS.
struct Credentials {
    id: String,
    secret: SecretString,
    token: Option<SecretString>,
}

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
            (Some(credentials), v::AWS_ACCESS_KEY_ID) => Some(credentials.id.clone()),
            (Some(credentials), v::AWS_SECRET_ACCESS_KEY) => {
                Some(credentials.secret.expose_secret().to_owned())
            }
            (Some(credentials), v::AWS_SESSION_TOKEN) => {
                credentials.token.as_ref().map(|token| token.expose_secret().to_owned())
            }
            (_, v::AWS_REGION) => own.get(name).cloned().or_else(|| region.clone()),
            _ => own.get(name).cloned(),
        })
    }

    async fn credentials(&self, options: &Options, report: &mut Report) -> Option<Credentials> {
        let role = self.role().filter(|_| options.assume_role);
        let found = match role {
            Some(role) => assumed(&self.aws, role).await,
            None => at_hand(&self.aws).await,
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
    match caller(&patient.aws).await {
        Err(error) => Some(format!("not made: {error:#}")),
        Ok(caller) if is_session_of(&caller, role) => {
            report.holds(Check::Credentials, "{0}", &[&caller]);
            None
        }
        Ok(caller) => Some(format!(
            "not made: you are {caller}, and the function is {role}; --assume-role becomes it where its trust policy \
             permits that, and with VAULT_TOKEN of an administrator the role's binding is read"
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

async fn caller(config: &SdkConfig) -> Result<String> {
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let answer = answer
        .map_err(|error| aws::told(&error))
        .context("AWS does not say whose credentials these are")?;
    Ok(answer.arn().context("STS names nobody")?.to_owned())
}

async fn at_hand(config: &SdkConfig) -> Result<Credentials> {
    let provider =
        config.credentials_provider().context("no source of credentials is configured")?;
    let found = provider.provide_credentials().await;
    let found = found.map_err(|error| anyhow::Error::msg(chain(&error)))?;
    Ok(Credentials {
        id: found.access_key_id().to_owned(),
        secret: found.secret_access_key().to_owned().into(),
        token: found.session_token().map(|token| token.to_owned().into()),
    })
}

async fn assumed(config: &SdkConfig, role: &str) -> Result<Credentials> {
    let client = aws_sdk_sts::Client::new(config);
    let answer =
        client.assume_role().role_arn(role).role_session_name("strongroom-doctor").send().await;
    let answer = answer.map_err(|error| aws::told(&error))?;
    let found = answer.credentials().context("STS gives no credentials")?;
    Ok(Credentials {
        id: found.access_key_id().to_owned(),
        secret: found.secret_access_key().to_owned().into(),
        token: Some(found.session_token().to_owned().into()),
    })
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
