//! A function's configuration, as Lambda tells it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_config::SdkConfig;
use aws_sdk_lambda::types::SnapStartApplyOn;
use strongroom_core::diagnosis::sayings::laptop;
use strongroom_core::diagnosis::{Architecture, Report};
use strongroom_core::settings::variables as v;

use crate::aws;

/// What Lambda says of a function.
pub(super) struct Function {
    /// `None` for an image.
    pub(super) runtime: Option<String>,
    pub(super) architecture: Option<Architecture>,
    /// How long an invocation may take.
    pub(super) timeout: Option<Duration>,
    /// The ARN of its role.
    pub(super) role: Option<String>,
    /// The ARNs of its layers' versions, in their order.
    pub(super) layers: Vec<String>,
}

impl Function {
    /// Asks Lambda for the function `name`; its variables come with it, with those that Lambda itself would add.
    ///
    /// # Errors
    /// Lambda does not tell.
    pub(super) async fn fetch(
        config: &SdkConfig,
        name: &str,
        report: &mut Report,
    ) -> Result<(Self, Vec<(String, String)>)> {
        let client = aws_sdk_lambda::Client::new(config);
        let answer = client.get_function_configuration().function_name(name).send().await;
        let answer = answer.map_err(|error| aws::told(&error)).with_context(|| {
            format!(
                "Lambda does not tell the configuration of {name}; hint: name region and profile by --region and --profile, \
                 and allow lambda:GetFunctionConfiguration"
            )
        })?;
        let mut variables: Vec<_> = answer
            .environment()
            .and_then(|environment| environment.variables())
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Some(error) = answer.environment().and_then(|environment| environment.error()) {
            let found = error.message().unwrap_or("the variables are left out");
            report.fault(&laptop::HIDDEN_VARIABLES, &[found]);
        }
        let region = answer.function_arn().and_then(|arn| arn.split(':').nth(3));
        if let Some(region) = region {
            variables.push((v::AWS_REGION.to_owned(), region.to_owned()));
        }
        let is_snap_start = answer.snap_start().is_some_and(|snap_start| {
            snap_start.apply_on() == Some(&SnapStartApplyOn::PublishedVersions)
        });
        if is_snap_start {
            variables.push((v::AWS_LAMBDA_INITIALIZATION_TYPE.to_owned(), "snap-start".to_owned()));
        }
        let architecture = answer.architectures().first();
        let function = Self {
            runtime: answer.runtime().map(|runtime| runtime.as_str().to_owned()),
            architecture: architecture.and_then(|name| Architecture::parse(name.as_str())),
            timeout: answer
                .timeout()
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            role: answer.role().map(str::to_owned),
            layers: answer
                .layers()
                .iter()
                .filter_map(|layer| layer.arn().map(str::to_owned))
                .collect(),
        };
        Ok((function, variables))
    }
}
