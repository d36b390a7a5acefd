//! What is there already, as far as it matters to the wish; nothing is changed here.

mod aws;
mod forget;
mod vault;

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::accounts::Accounts;
use super::admin::Admin;
use super::document::Credentials;
use super::wish::Wish;

pub(super) use aws::{FoundFunction, FoundRole, FoundUser, Principal};
#[cfg(test)]
pub(super) use vault::Mount;
pub(super) use vault::{ClientConfig, FoundVault, StsConfig, VaultRole};

/// What is there already.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) vault: FoundVault,
    /// By account number and name.
    pub(super) roles: BTreeMap<(String, String), FoundRole>,
    /// The user that was or would be made for Vault, in the account of Vault's identity.
    pub(super) user: Option<FoundUser>,
    /// In the order of the wish.
    pub(super) functions: Vec<Option<FoundFunction>>,
}

/// Tags and policies, as IAM has them for roles and users alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    pub(super) tags: BTreeMap<String, String>,
    /// Policies that stand in it alone, by name.
    pub(super) policies: BTreeMap<String, Value>,
}

impl Found {
    /// Looks at everything that the wish names.
    ///
    /// # Errors
    /// AWS or Vault does not answer, or refuses to say.
    pub(super) async fn look(wish: &Wish, accounts: &Accounts, admin: &Admin) -> Result<Self> {
        let vault = vault::look(wish, accounts, admin).await?;
        let mut functions = Vec::new();
        let mut roles = BTreeMap::new();
        for function in &wish.functions {
            let account = accounts.get(&function.account)?;
            let found = aws::function(account, function).await?;
            let name = super::names::role_of(function, found.as_ref());
            aws::look_for_role(account, &name, &mut roles).await?;
            functions.push(found);
            if account.caller != accounts.get(&wish.vault_account)?.caller {
                aws::look_for_role(account, super::names::LOOK_UP_ROLE, &mut roles).await?;
            }
        }
        if let Some(arn) = &wish.assumed_role {
            let assumed = Principal::parse(&arn.arn)?;
            if let Ok(account) = accounts.by_id(&assumed.account) {
                aws::look_for_role(account, &assumed.name, &mut roles).await?;
            }
        }
        let user = aws::user(accounts.get(&wish.vault_account)?, &wish.user).await;
        // Who needs no user need not be allowed to look for one.
        let needs_user = !matches!(wish.credentials, Some(Credentials::None | Credentials::Own));
        let user = if needs_user { user? } else { user.unwrap_or_default() };
        if let Some(identity) = &wish.identity {
            let identity = Principal::parse(identity)?;
            let account = accounts.get(&wish.vault_account)?;
            aws::look_for_role(account, &identity.name, &mut roles).await?;
        }
        Ok(Self { vault, roles, user, functions })
    }
}
