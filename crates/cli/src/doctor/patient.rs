//! What is examined: variables, and the function that has them, where one is named.

use std::time::Duration;

use anyhow::Result;
use aws_config::SdkConfig;
use strongroom_core::diagnosis::Report;
use strongroom_core::settings::{Environment, variables as v};

use super::Options;
use super::function::Function;
use crate::{aws, environment};

/// What is examined.
pub(super) struct Patient {
    pub(super) environment: Environment,
    pub(super) function: Option<Function>,
    /// AWS as the profile at hand sees it.
    pub(super) aws: SdkConfig,
}

impl Patient {
    /// As the options say.
    ///
    /// # Errors
    /// A file cannot be read, or Lambda does not tell the function's configuration.
    pub(super) async fn of(options: &Options, report: &mut Report) -> Result<Self> {
        let aws = aws::config(options.profile.as_deref(), options.region.as_deref()).await?;
        let Some(name) = &options.function else {
            let environment =
                environment::read(options.env_file.as_deref(), options.config.as_deref())?;
            return Ok(Self {
                environment: without_administrator(environment),
                function: None,
                aws,
            });
        };
        let (function, variables) = Function::fetch(&aws, name, report).await?;
        let environment = Environment::new(variables);
        let environment = match &options.config {
            // Those of this machine are none of the function's.
            None => environment,
            config => environment::with_settings_file(environment, config.as_deref())?,
        };
        Ok(Self { environment, function: Some(function), aws })
    }

    /// How long an invocation may take.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.function.as_ref()?.timeout
    }

    /// The ARN of the function's role.
    pub(super) fn role(&self) -> Option<&str> {
        self.function.as_ref()?.role.as_deref()
    }
}

/// A shell's `VAULT_TOKEN` beside a role is its owner's, not the function's.
fn without_administrator(environment: Environment) -> Environment {
    let is_login = environment.value(v::VAULT_AUTH_PROVIDER).is_some()
        || environment.value(v::VAULT_AUTH_ROLE).is_some();
    match is_login {
        true => environment.without(v::VAULT_TOKEN),
        false => environment,
    }
}
