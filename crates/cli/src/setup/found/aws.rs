//! What IAM and Lambda have.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aws_sdk_iam::types::Tag;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::Attributes;
use crate::aws::told;
use crate::setup::accounts::Account;
use crate::setup::wish::Function;

/// An IAM role.
#[derive(Clone, Debug)]
pub(in crate::setup) struct FoundRole {
    pub(in crate::setup) arn: String,
    /// Another for each role that ever had this name.
    pub(in crate::setup) id: String,
    pub(in crate::setup) trust: Value,
    pub(in crate::setup) attributes: Attributes,
}

/// An IAM user.
#[derive(Clone, Debug)]
pub(in crate::setup) struct FoundUser {
    pub(in crate::setup) attributes: Attributes,
    /// The ids of its access keys.
    pub(in crate::setup) keys: Vec<String>,
}

/// A function.
#[derive(Clone, Debug)]
pub(in crate::setup) struct FoundFunction {
    pub(in crate::setup) arn: String,
    /// The ARN of its IAM role.
    pub(in crate::setup) role: String,
    pub(in crate::setup) variables: BTreeMap<String, String>,
    pub(in crate::setup) tags: BTreeMap<String, String>,
}

/// The account and the name in an ARN of IAM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::setup) struct Principal {
    pub(in crate::setup) account: String,
    pub(in crate::setup) name: String,
}

impl Principal {
    /// Of a role's ARN; its path is left out.
    ///
    /// # Errors
    /// It is none.
    pub(in crate::setup) fn parse(arn: &str) -> Result<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let parsed = match parts[..] {
            ["arn", _, "iam", "", account, resource] => {
                let name = resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next());
                name.map(|name| Self { account: account.to_owned(), name: name.to_owned() })
            }
            _ => None,
        };
        parsed.with_context(|| {
            format!("{arn} is no ARN of an IAM role, such as arn:aws:iam::123456789012:role/name")
        })
    }
}

/// Looks for a role.
pub(super) async fn role(account: &Account, name: &str) -> Result<Option<FoundRole>> {
    let context = || format!("cannot look at the IAM role {name}");
    let answer = match account.iam.get_role().role_name(name).send().await {
        Ok(answer) => answer,
        Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_entity_exception()) => {
            return Ok(None);
        }
        Err(error) => return Err(told(&error)).with_context(context),
    };
    let role = answer.role().with_context(context)?;
    let mut policies = BTreeMap::new();
    let mut pages =
        account.iam.list_role_policies().role_name(name).into_paginator().items().send();
    while let Some(policy) = pages.next().await {
        let policy = policy.map_err(|error| told(&error)).with_context(context)?;
        let document =
            account.iam.get_role_policy().role_name(name).policy_name(&policy).send().await;
        let document = document.map_err(|error| told(&error)).with_context(context)?;
        policies.insert(policy, document_of(document.policy_document()));
    }
    Ok(Some(FoundRole {
        arn: role.arn().to_owned(),
        id: role.role_id().to_owned(),
        trust: role.assume_role_policy_document().map_or(Value::Null, document_of),
        attributes: Attributes { tags: tags_of(role.tags()), policies },
    }))
}

/// Looks for a user.
pub(super) async fn user(account: &Account, name: &str) -> Result<Option<FoundUser>> {
    let context = || format!("cannot look at the IAM user {name}");
    let answer = match account.iam.get_user().user_name(name).send().await {
        Ok(answer) => answer,
        Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_entity_exception()) => {
            return Ok(None);
        }
        Err(error) => return Err(told(&error)).with_context(context),
    };
    let mut policies = BTreeMap::new();
    let mut pages =
        account.iam.list_user_policies().user_name(name).into_paginator().items().send();
    while let Some(policy) = pages.next().await {
        let policy = policy.map_err(|error| told(&error)).with_context(context)?;
        let document =
            account.iam.get_user_policy().user_name(name).policy_name(&policy).send().await;
        let document = document.map_err(|error| told(&error)).with_context(context)?;
        policies.insert(policy, document_of(document.policy_document()));
    }
    let keys = account.iam.list_access_keys().user_name(name).send().await;
    let keys = keys.map_err(|error| told(&error)).with_context(context)?;
    let keys = keys.access_key_metadata().iter().filter_map(|key| key.access_key_id());
    let tags = answer.user().map(|user| tags_of(user.tags())).unwrap_or_default();
    Ok(Some(FoundUser {
        attributes: Attributes { tags, policies },
        keys: keys.map(str::to_owned).collect(),
    }))
}

/// Looks for a function.
pub(super) async fn function(account: &Account, wish: &Function) -> Result<Option<FoundFunction>> {
    let context = || format!("cannot look at the function {} in {}", wish.name, wish.region);
    let lambda = account.lambda(&wish.region);
    let answer = match lambda.get_function().function_name(&wish.name).send().await {
        Ok(answer) => answer,
        Err(error)
            if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(told(&error)).with_context(context),
    };
    let configuration = answer.configuration().with_context(context)?;
    let variables = configuration.environment().and_then(|environment| environment.variables());
    Ok(Some(FoundFunction {
        arn: configuration.function_arn().with_context(context)?.to_owned(),
        role: configuration.role().with_context(context)?.to_owned(),
        variables: variables.map(|set| set.clone().into_iter().collect()).unwrap_or_default(),
        tags: answer.tags().map(|tags| tags.clone().into_iter().collect()).unwrap_or_default(),
    }))
}

fn tags_of(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

/// IAM shows documents percent-encoded.
fn document_of(text: &str) -> Value {
    let text = percent_decode_str(text).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or_default()
}
