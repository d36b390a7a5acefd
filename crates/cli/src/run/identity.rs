//! Whose credentials the function has: those of the shell or a profile, or a role's.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use aws_config::SdkConfig;
use aws_sdk_sts::config::ProvideCredentials as _;
use strongroom_host::Credentials;

/// Where they come from.
#[derive(Debug)]
pub(super) struct Identity {
    config: SdkConfig,
    role: Option<String>,
    /// What the session of the role is called.
    session: String,
}

/// Credentials, or their absence.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) credentials: Credentials,
    /// Nothing, for those that last.
    pub(super) expires: Option<SystemTime>,
}

impl Identity {
    /// Those of `config`, or of `role`, which they may assume.
    pub(super) fn new(config: SdkConfig, role: Option<&str>, session: &str) -> Self {
        Self { config, role: role.map(str::to_owned), session: session.to_owned() }
    }

    /// The account of the role, for the function's ARN.
    pub(super) fn account(&self) -> Option<&str> {
        self.role.as_deref()?.split(':').nth(4).filter(|account| !account.is_empty())
    }

    /// Asks for them; `Err` within `Ok` says why there are none.
    ///
    /// # Errors
    /// A role is wanted, and cannot be had.
    pub(super) async fn find(&self) -> Result<Result<Found, String>> {
        match &self.role {
            Some(role) => self.assume(role).await.map(Ok),
            None => Ok(self.of_the_chain().await),
        }
    }

    async fn of_the_chain(&self) -> Result<Found, String> {
        let Some(provider) = self.config.credentials_provider() else {
            return Err("the SDK looks for none".to_owned());
        };
        // Where there are none it ends with asking a machine of EC2's, which may not answer at all.
        let found = tokio::time::timeout(PATIENCE, provider.provide_credentials()).await;
        let found = found.map_err(|_| format!("none were found within {PATIENCE:?}"))?;
        let found = found.map_err(|error| {
            // A chain that was gone through to its end tells of every link, a line each.
            let told = strongroom_vault::error::chain(&error);
            told.lines().next().unwrap_or_default().trim_end_matches(" Attempted:").to_owned()
        })?;
        let credentials = Credentials {
            access_key_id: found.access_key_id().to_owned(),
            expiration: String::new(),
            secret_access_key: found.secret_access_key().into(),
            session_token: found.session_token().unwrap_or_default().into(),
        };
        Ok(Found { credentials, expires: found.expiry() })
    }

    async fn assume(&self, role: &str) -> Result<Found> {
        let client = aws_sdk_sts::Client::new(&self.config);
        let asked = client.assume_role().role_arn(role).role_session_name(&self.session).send();
        let answer = asked.await.map_err(|error| crate::aws::told(&error));
        let answer = answer.with_context(|| {
            format!(
                "cannot assume the role {role}; hint: its trust policy must allow whoever the shell or --profile is \
                 to assume it, which Lambda's own need not"
            )
        })?;
        let Some(given) = answer.credentials() else { bail!("STS gave no credentials of {role}") };
        let credentials = Credentials {
            access_key_id: given.access_key_id().to_owned(),
            expiration: String::new(),
            secret_access_key: given.secret_access_key().into(),
            session_token: given.session_token().into(),
        };
        Ok(Found { credentials, expires: SystemTime::try_from(*given.expiration()).ok() })
    }
}

impl Found {
    /// A function without any.
    pub(super) fn nothing() -> Self {
        let credentials = Credentials {
            access_key_id: String::new(),
            expiration: String::new(),
            secret_access_key: "".into(),
            session_token: "".into(),
        };
        Self { credentials, expires: None }
    }
}

/// For the search.
const PATIENCE: Duration = Duration::from_secs(5);
