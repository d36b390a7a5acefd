//! What Vault has.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;
use strongroom_vault::client::Engine;

use crate::setup::accounts::Accounts;
use crate::setup::admin::Admin;
use crate::setup::names;
use crate::setup::wish::Wish;

/// What Vault has.
#[derive(Debug, Default)]
pub(in crate::setup) struct FoundVault {
    /// Major and minor number; `None` if it says none.
    pub(in crate::setup) version: Option<(u32, u32)>,
    /// Why Vault seems to have AWS credentials of its own.
    pub(in crate::setup) has_own_credentials: Option<String>,
    /// The auth method.
    pub(in crate::setup) mount: Option<Mount>,
    /// Its configuration.
    pub(in crate::setup) client: Option<ClientConfig>,
    /// What it does about other accounts, by their numbers.
    pub(in crate::setup) sts: BTreeMap<String, StsConfig>,
    /// The text of the policy.
    pub(in crate::setup) policy: Option<String>,
    pub(in crate::setup) role: Option<VaultRole>,
    /// The other roles of the auth method.
    pub(in crate::setup) other_roles: BTreeSet<String>,
    /// Where each path of the wish leads.
    pub(in crate::setup) engines: BTreeMap<String, Option<Engine>>,
}

/// An auth method. <https://developer.hashicorp.com/vault/api-docs/system/auth>
#[derive(Clone, Debug, Deserialize)]
pub(in crate::setup) struct Mount {
    #[serde(rename = "type")]
    pub(in crate::setup) kind: String,
    #[serde(default)]
    pub(in crate::setup) description: String,
}

impl Mount {
    /// Whether setup has made it.
    pub(in crate::setup) fn is_ours(&self) -> bool {
        self.description == names::MARK
    }
}

/// `auth/aws/config/client`. <https://developer.hashicorp.com/vault/api-docs/auth/aws#configure-client>
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(in crate::setup) struct ClientConfig {
    pub(in crate::setup) access_key: String,
    pub(in crate::setup) iam_endpoint: String,
    pub(in crate::setup) iam_server_id_header_value: String,
    pub(in crate::setup) sts_endpoint: String,
    pub(in crate::setup) sts_region: String,
    pub(in crate::setup) use_sts_region_from_client: bool,
}

/// `auth/aws/config/sts/<account>`. <https://developer.hashicorp.com/vault/api-docs/auth/aws#create-sts-role>
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(in crate::setup) struct StsConfig {
    pub(in crate::setup) sts_role: String,
    pub(in crate::setup) external_id: String,
}

/// A role of the auth method. <https://developer.hashicorp.com/vault/api-docs/auth/aws#create-update-role>
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(in crate::setup) struct VaultRole {
    pub(in crate::setup) auth_type: String,
    pub(in crate::setup) bound_iam_principal_arn: BTreeSet<String>,
    /// The ids of those, where Vault has resolved them.
    pub(in crate::setup) bound_iam_principal_id: BTreeSet<String>,
    pub(in crate::setup) resolve_aws_unique_ids: bool,
    pub(in crate::setup) token_max_ttl: u64,
    pub(in crate::setup) token_policies: BTreeSet<String>,
    pub(in crate::setup) token_ttl: u64,
    pub(in crate::setup) token_type: String,
}

/// Looks at everything that the wish names.
pub(super) async fn look(wish: &Wish, accounts: &Accounts, admin: &Admin) -> Result<FoundVault> {
    let auth = format!("auth/{}", wish.mount);
    let (version, has_own_credentials) = server(wish, admin).await?;
    let mounts = admin.read("sys/auth").await?.unwrap_or_default();
    let mount = mounts.get(format!("{}/", wish.mount)).cloned();
    let mount: Option<Mount> = mount
        .map(serde_json::from_value)
        .transpose()
        .context("Vault describes an auth method in an unknown way")?;
    let mut found = FoundVault {
        version,
        has_own_credentials,
        policy: policy(wish, admin).await?,
        ..FoundVault::default()
    };
    if mount.as_ref().is_some_and(|mount| mount.kind == "aws") {
        found.client = typed(admin.read(&format!("{auth}/config/client")).await?)?;
        found.role = typed(admin.read(&format!("{auth}/role/{}", wish.role)).await?)?;
        let roles = admin.list(&format!("{auth}/role")).await?;
        found.other_roles = roles.into_iter().filter(|role| *role != wish.role).collect();
        for function in &wish.functions {
            let id = &accounts.get(&function.account)?.caller.account;
            if let Some(sts) = typed(admin.read(&format!("{auth}/config/sts/{id}")).await?)? {
                found.sts.insert(id.clone(), sts);
            }
        }
    }
    found.mount = mount;
    for path in &wish.paths {
        // A pattern leads where its fixed begin does.
        let fixed = path.split(['*', '+']).next().unwrap_or_default();
        found.engines.insert(path.clone(), admin.engine_of(fixed).await?);
    }
    Ok(found)
}

async fn policy(wish: &Wish, admin: &Admin) -> Result<Option<String>> {
    let answer = admin.read(&format!("sys/policies/acl/{}", wish.policy)).await?;
    Ok(answer.and_then(|answer| Some(answer.get("policy")?.as_str()?.to_owned())))
}

/// Vault's version, and why it seems to have AWS credentials of its own.
async fn server(wish: &Wish, admin: &Admin) -> Result<(Option<(u32, u32)>, Option<String>)> {
    let seal = admin.seal_status().await?;
    let version = seal.get("version").and_then(Value::as_str).and_then(version_of);
    let word = |name: &str| seal.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let host = wish.vault.split(':').next().unwrap_or_default();
    let reason = if word("type") == "awskms" {
        Some("it is unsealed by AWS KMS".to_owned())
    } else if ["dynamodb", "s3"].contains(&word("storage_type").as_str()) {
        Some(format!("it stores in {}", word("storage_type")))
    } else if host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn") {
        Some(format!("{host} is on AWS"))
    } else {
        None
    };
    Ok((version, reason))
}

fn version_of(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn typed<T: for<'de> Deserialize<'de>>(answer: Option<Value>) -> Result<Option<T>> {
    let typed = answer.map(serde_json::from_value).transpose();
    typed.context("Vault's answer is not of the form that its documentation says")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_edition_are_read() {
        for (text, expect) in [
            ("1.14.0", Some((1, 14))),
            ("1.21.4+ent.hsm", Some((1, 21))),
            ("2.3.1-beta1", Some((2, 3))),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(version_of(text), expect, "{text}");
        }
    }
}
