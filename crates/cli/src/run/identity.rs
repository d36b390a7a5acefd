//! Whose credentials the function has: those of the shell or a profile, or a role's.

use std::time::SystemTime;

use anyhow::{Context as _, Result};
use aws_config::SdkConfig;
use strongroom_host::Credentials;

use crate::aws::credentials;

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
            Some(role) => {
                let given = credentials::of_role(&self.config, role, &self.session).await;
                given.map(|given| Ok(Found::of(given))).with_context(|| {
                    format!(
                        "cannot assume the role {role}; hint: its trust policy must allow whoever the shell or --profile \
                         is to assume it, which Lambda's own need not"
                    )
                })
            }
            None => {
                let found = credentials::at_hand(&self.config).await;
                Ok(found.map(Found::of).map_err(|error| format!("{error:#}")))
            }
        }
    }
}

impl Found {
    fn of(given: credentials::Credentials) -> Self {
        let credentials = Credentials {
            access_key_id: given.access_key_id,
            expiration: String::new(),
            secret_access_key: given.secret_access_key,
            session_token: given.session_token.unwrap_or_else(|| "".into()),
        };
        Self { credentials, expires: given.expires }
    }

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
