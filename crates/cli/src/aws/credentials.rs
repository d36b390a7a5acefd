//! Credentials for somebody else than the SDK: a function that runs here, or a login that is made in its place.

use std::fmt;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_sts::config::ProvideCredentials as _;
use secrecy::SecretString;
use strongroom_vault::error::chain;

use super::told;

/// An access key, and what belongs to it.
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: SecretString,
    /// Nothing, for those that last.
    pub(crate) session_token: Option<SecretString>,
    /// Nothing, for those that last.
    pub(crate) expires: Option<SystemTime>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Credentials");
        shown.field("access_key_id", &self.access_key_id);
        shown.field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Those of the shell, of a profile, or of the machine.
///
/// # Errors
/// There are none, or none that came in time.
pub(crate) async fn at_hand(config: &SdkConfig) -> Result<Credentials> {
    let provider = config.credentials_provider().context("the SDK looks for none")?;
    // Where there are none it ends with asking a machine of EC2's, which may not answer at all.
    let found = tokio::time::timeout(PATIENCE, provider.provide_credentials()).await;
    let found = found.map_err(|_| anyhow!("none were found within {PATIENCE:?}"))?;
    let found = found.map_err(|error| {
        // A chain that was gone through to its end tells of every link, a line each.
        let told = chain(&error);
        let first = told.lines().next().unwrap_or_default();
        anyhow!("{}", first.trim_end_matches(" Attempted:"))
    })?;
    Ok(Credentials {
        access_key_id: found.access_key_id().to_owned(),
        secret_access_key: found.secret_access_key().into(),
        session_token: found.session_token().map(Into::into),
        expires: found.expiry(),
    })
}

/// Those of a role, for a session of this name.
///
/// # Errors
/// STS does not give them.
pub(crate) async fn of_role(config: &SdkConfig, role: &str, session: &str) -> Result<Credentials> {
    let client = aws_sdk_sts::Client::new(config);
    let answer = client.assume_role().role_arn(role).role_session_name(session).send().await;
    let answer = answer.map_err(|error| told(&error))?;
    let given = answer.credentials().context("STS gives no credentials")?;
    Ok(Credentials {
        access_key_id: given.access_key_id().to_owned(),
        secret_access_key: given.secret_access_key().into(),
        session_token: Some(given.session_token().into()),
        expires: SystemTime::try_from(*given.expiration()).ok(),
    })
}

/// For the search.
const PATIENCE: Duration = Duration::from_secs(5);
