//! Steps in IAM.

use anyhow::{Context as _, Result};
use aws_sdk_iam::types::Tag;
use serde_json::Value;

use super::{Change, Hands, Line};
use crate::aws::told;
use crate::setup::accounts::Account;
use crate::setup::names;

/// A step in IAM; each names the account by its number.
#[derive(Debug)]
pub(in crate::setup) enum IamStep {
    DeleteKey {
        account: String,
        user: String,
        key: String,
    },
    DeletePolicy {
        account: String,
        holder: Holder,
        policy: String,
    },
    /// With the policies that stand in it.
    DeleteRole {
        account: String,
        role: String,
        policies: Vec<String>,
    },
    /// With its keys and the policies that stand in it.
    DeleteUser {
        account: String,
        user: String,
        policies: Vec<String>,
        keys: Vec<String>,
    },
    MakeRole {
        account: String,
        role: String,
        trust: Value,
        owner: String,
        purpose: String,
    },
    MakeUser {
        account: String,
        user: String,
        owner: String,
    },
    PutPolicy {
        account: String,
        holder: Holder,
        policy: String,
        document: Value,
        is_new: bool,
    },
    SetTrust {
        account: String,
        role: String,
        trust: Value,
    },
}

/// What a policy stands in.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::setup) enum Holder {
    Role(String),
    User(String),
}

impl IamStep {
    pub(super) fn line(&self) -> Line {
        let (change, what, how) = match self {
            Self::DeleteKey { user, key, .. } => (
                Change::Remove,
                format!("access key {key} of the IAM user {user}"),
                vec!["Vault does not use it, and nobody knows its secret".to_owned()],
            ),
            Self::DeletePolicy { holder, policy, .. } => {
                (Change::Remove, format!("policy {policy} in {holder}"), Vec::new())
            }
            Self::DeleteRole { role, .. } => {
                (Change::Remove, format!("IAM role {role}"), Vec::new())
            }
            Self::DeleteUser { user, .. } => {
                (Change::Remove, format!("IAM user {user} with its access key"), Vec::new())
            }
            Self::MakeRole { role, purpose, .. } => {
                (Change::Make, format!("IAM role {role}"), vec![purpose.clone()])
            }
            Self::MakeUser { user, .. } => (
                Change::Make,
                format!("IAM user {user}"),
                vec!["by whose access key Vault asks AWS".to_owned()],
            ),
            Self::PutPolicy { holder, policy, document, is_new, .. } => (
                if *is_new { Change::Make } else { Change::Alter },
                format!("policy {policy} in {holder}"),
                allowed(document),
            ),
            Self::SetTrust { role, trust, .. } => (
                Change::Alter,
                format!("trust policy of the IAM role {role}"),
                vec![format!("to {}", trust["Statement"][0]["Principal"])],
            ),
        };
        Line { change, what, how }
    }

    pub(super) async fn take(&self, hands: &Hands<'_>) -> Result<()> {
        let account = hands.accounts.by_id(self.account())?;
        match self {
            Self::DeleteKey { user, key, .. } => delete_key(account, user, key).await,
            Self::DeletePolicy { holder, policy, .. } => {
                delete_policy(account, holder, policy).await
            }
            Self::DeleteRole { role, policies, .. } => {
                for policy in policies {
                    delete_policy(account, &Holder::Role(role.clone()), policy).await?;
                }
                let deleted = account.iam.delete_role().role_name(role).send().await;
                deleted.map(drop).map_err(|error| told(&error))
            }
            Self::DeleteUser { user, policies, keys, .. } => {
                for policy in policies {
                    delete_policy(account, &Holder::User(user.clone()), policy).await?;
                }
                for key in keys {
                    delete_key(account, user, key).await?;
                }
                let deleted = account.iam.delete_user().user_name(user).send().await;
                deleted.map(drop).map_err(|error| told(&error))
            }
            Self::MakeRole { role, trust, owner, purpose, .. } => {
                let make = || async {
                    let made = account.iam.create_role().role_name(role).description(purpose);
                    let made =
                        made.assume_role_policy_document(trust.to_string()).tags(tag(owner)?);
                    made.send().await.map(drop).map_err(|error| told(&error))
                };
                hands.once_known(&["MalformedPolicyDocument"], make).await?;
                hands.has_made.set(true);
                Ok(())
            }
            Self::MakeUser { user, owner, .. } => {
                let made = account.iam.create_user().user_name(user).tags(tag(owner)?).send().await;
                made.map(drop).map_err(|error| told(&error))?;
                hands.has_made.set(true);
                Ok(())
            }
            Self::PutPolicy { holder, policy, document, .. } => {
                hands
                    .once_known(&["NoSuchEntity"], || put_policy(account, holder, policy, document))
                    .await
            }
            Self::SetTrust { role, trust, .. } => {
                let set = || async {
                    let set = account.iam.update_assume_role_policy().role_name(role);
                    let set = set.policy_document(trust.to_string()).send().await;
                    set.map(drop).map_err(|error| told(&error))
                };
                hands.once_known(&["MalformedPolicyDocument"], set).await
            }
        }
    }

    /// The number of its account.
    pub(in crate::setup) fn account(&self) -> &str {
        match self {
            Self::DeleteKey { account, .. }
            | Self::DeletePolicy { account, .. }
            | Self::DeleteRole { account, .. }
            | Self::DeleteUser { account, .. }
            | Self::MakeRole { account, .. }
            | Self::MakeUser { account, .. }
            | Self::PutPolicy { account, .. }
            | Self::SetTrust { account, .. } => account,
        }
    }
}

impl Holder {
    /// What IAM calls it.
    pub(in crate::setup) fn name(&self) -> &str {
        match self {
            Self::Role(name) | Self::User(name) => name,
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(name) => write!(f, "the IAM role {name}"),
            Self::User(name) => write!(f, "the IAM user {name}"),
        }
    }
}

async fn put_policy(
    account: &Account,
    holder: &Holder,
    policy: &str,
    document: &Value,
) -> Result<()> {
    let document = document.to_string();
    match holder {
        Holder::Role(role) => {
            let put = account.iam.put_role_policy().role_name(role).policy_name(policy);
            put.policy_document(document).send().await.map(drop).map_err(|error| told(&error))
        }
        Holder::User(user) => {
            let put = account.iam.put_user_policy().user_name(user).policy_name(policy);
            put.policy_document(document).send().await.map(drop).map_err(|error| told(&error))
        }
    }
}

async fn delete_policy(account: &Account, holder: &Holder, policy: &str) -> Result<()> {
    match holder {
        Holder::Role(role) => {
            let delete = account.iam.delete_role_policy().role_name(role).policy_name(policy);
            delete.send().await.map(drop).map_err(|error| told(&error))
        }
        Holder::User(user) => {
            let delete = account.iam.delete_user_policy().user_name(user).policy_name(policy);
            delete.send().await.map(drop).map_err(|error| told(&error))
        }
    }
}

async fn delete_key(account: &Account, user: &str, key: &str) -> Result<()> {
    let delete = account.iam.delete_access_key().user_name(user).access_key_id(key).send().await;
    delete.map(drop).map_err(|error| told(&error))
}

fn tag(owner: &str) -> Result<Tag> {
    let tag = Tag::builder().key(names::OWNER_TAG).value(owner).build();
    tag.context("a tag has a key and a value")
}

/// What a policy allows, an action and a resource a line.
fn allowed(document: &Value) -> Vec<String> {
    let statements = document["Statement"].as_array().into_iter().flatten();
    let words = |value: &Value| -> Vec<String> {
        match value {
            Value::Array(words) => {
                words.iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
            }
            value => value.as_str().map(str::to_owned).into_iter().collect(),
        }
    };
    statements
        .map(|statement| {
            let (actions, resources) = (words(&statement["Action"]), words(&statement["Resource"]));
            format!("{} on {}", actions.join(", "), resources.join(", "))
        })
        .collect()
}
