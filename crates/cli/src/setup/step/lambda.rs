//! Steps in Lambda.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use strongroom_core::masking;

use super::{Change, Hands, Line};
use crate::aws::told;
use crate::setup::names;
use crate::setup::wish::Creation;

/// A step in Lambda; each names the account by its number.
#[derive(Debug)]
pub(in crate::setup) enum LambdaStep {
    Delete { account: String, region: String, function: String },
    Make(MakeFunction),
    Tell(Tell),
}

/// A function that is made.
#[derive(Debug)]
pub(in crate::setup) struct MakeFunction {
    pub(in crate::setup) account: String,
    pub(in crate::setup) region: String,
    pub(in crate::setup) function: String,
    pub(in crate::setup) creation: Creation,
    /// The ARN of its IAM role.
    pub(in crate::setup) role: String,
    pub(in crate::setup) variables: BTreeMap<String, String>,
    pub(in crate::setup) owner: String,
}

/// Variables that a function is given, or that are taken from it.
#[derive(Debug)]
pub(in crate::setup) struct Tell {
    pub(in crate::setup) account: String,
    pub(in crate::setup) region: String,
    pub(in crate::setup) function: String,
    pub(in crate::setup) arn: String,
    pub(in crate::setup) set: BTreeMap<String, String>,
    pub(in crate::setup) forget: BTreeSet<String>,
    /// Every variable that is setup's, afterwards.
    pub(in crate::setup) ours: BTreeSet<String>,
}

impl LambdaStep {
    pub(super) fn line(&self) -> Line {
        let shown = |variables: &BTreeMap<String, String>| -> Vec<String> {
            variables
                .iter()
                .map(|(name, value)| format!("{name}={}", masking::shown(name, value)))
                .collect()
        };
        match self {
            Self::Delete { function, region, .. } => Line {
                change: Change::Remove,
                what: format!("function {function} in {region}"),
                how: Vec::new(),
            },
            Self::Make(make) => Line {
                change: Change::Make,
                what: format!("function {} in {}", make.function, make.region),
                how: [format!("{} of {}", make.creation.runtime, make.creation.package.display())]
                    .into_iter()
                    .chain(shown(&make.variables))
                    .collect(),
            },
            Self::Tell(tell) => Line {
                change: if tell.set.is_empty() { Change::Remove } else { Change::Alter },
                what: format!("variables of the function {} in {}", tell.function, tell.region),
                how: shown(&tell.set)
                    .into_iter()
                    .chain(tell.forget.iter().map(|name| format!("{name} is removed")))
                    .collect(),
            },
        }
    }

    pub(super) async fn take(&self, hands: &Hands<'_>) -> Result<()> {
        match self {
            Self::Delete { account, region, function } => {
                let lambda = hands.accounts.by_id(account)?.lambda(region);
                let deleted = lambda.delete_function().function_name(function).send().await;
                deleted.map(drop).map_err(|error| told(&error))
            }
            Self::Make(make) => {
                // A role that is new cannot be assumed by Lambda yet.
                hands.once_known(&["cannot be assumed by Lambda"], || make.take(hands)).await
            }
            Self::Tell(tell) => {
                let busy = &["ResourceConflict", "PreconditionFailed"];
                hands.has_made.set(true);
                hands.once_known(busy, || tell.take(hands)).await
            }
        }
    }
}

impl MakeFunction {
    async fn take(&self, hands: &Hands<'_>) -> Result<()> {
        let lambda = hands.accounts.by_id(&self.account)?.lambda(&self.region);
        let creation = &self.creation;
        let package = std::fs::read(&creation.package);
        let package =
            package.with_context(|| format!("cannot read {}", creation.package.display()))?;
        let variables = Environment::builder()
            .set_variables(Some(self.variables.clone().into_iter().collect()));
        let make = lambda
            .create_function()
            .function_name(&self.function)
            .role(&self.role)
            .handler(&creation.handler)
            .runtime(Runtime::from(creation.runtime.as_str()))
            .architectures(creation.architecture.name().into())
            .set_memory_size(creation.memory)
            .set_timeout(creation.timeout)
            .environment(variables.build())
            .set_tags(Some(self.tags().into_iter().collect()))
            .code(FunctionCode::builder().zip_file(Blob::new(package)).build());
        make.send().await.map_err(|error| told(&error))?;
        hands.has_made.set(true);
        Ok(())
    }

    /// What it is known again by.
    pub(in crate::setup) fn tags(&self) -> BTreeMap<String, String> {
        let names = self.variables.keys().cloned().collect();
        let tags = names::tags_of_variables(&names).into_iter();
        tags.chain([(names::OWNER_TAG.to_owned(), self.owner.clone())]).collect()
    }
}

impl Tell {
    async fn take(&self, hands: &Hands<'_>) -> Result<()> {
        let lambda = hands.accounts.by_id(&self.account)?.lambda(&self.region);
        let now = lambda.get_function().function_name(&self.function).send().await;
        let now = now.map_err(|error| told(&error))?;
        let configuration = now.configuration().context("Lambda describes no function")?;
        let variables = configuration.environment().and_then(|now| now.variables()).cloned();
        let mut variables = variables.unwrap_or_default();
        variables.retain(|name, _| !self.forget.contains(name));
        variables.extend(self.set.clone());
        // The names first: what is known to be ours and is not there yet does no harm, and the other way it would stay.
        let (_, old_tags) =
            names::variables_of_tags(&now.tags.clone().unwrap_or_default().into_iter().collect());
        let tags = names::tags_of_variables(&self.ours);
        if !tags.is_empty() {
            let tagged = lambda
                .tag_resource()
                .resource(&self.arn)
                .set_tags(Some(tags.clone().into_iter().collect()));
            tagged.send().await.map_err(|error| told(&error)).context("cannot tag the function")?;
        }
        let update = lambda
            .update_function_configuration()
            .function_name(&self.function)
            .set_revision_id(configuration.revision_id().map(str::to_owned))
            .environment(Environment::builder().set_variables(Some(variables)).build());
        update.send().await.map_err(|error| told(&error))?;
        let stale: Vec<String> =
            old_tags.into_iter().filter(|key| !tags.contains_key(key)).collect();
        if !stale.is_empty() {
            let untag = lambda.untag_resource().resource(&self.arn).set_tag_keys(Some(stale));
            untag
                .send()
                .await
                .map_err(|error| told(&error))
                .context("cannot untag the function")?;
        }
        Ok(())
    }
}
