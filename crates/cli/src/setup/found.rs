//! What is there already, as far as it matters to the wish; nothing is changed here.

mod aws;
mod forget;
mod vault;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::accounts::Accounts;
use super::admin::Admin;
use super::document::Credentials;
use super::names;
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
        let functions = stream::iter(&wish.functions)
            .map(async |function| aws::function(accounts.get(&function.account)?, function).await);
        let functions: Vec<_> = functions.buffered(AT_ONCE).try_collect().await?;
        let names = roles_of(wish, accounts, &functions)?;
        let roles = stream::iter(names).map(async |(id, name)| {
            let found = aws::role(accounts.by_id(&id)?, &name).await?;
            anyhow::Ok(found.map(|found| ((id, name), found)))
        });
        let roles: Vec<_> = roles.buffered(AT_ONCE).try_collect().await?;
        let user = aws::user(accounts.get(&wish.vault_account)?, &wish.user).await;
        // Who needs no user need not be allowed to look for one.
        let needs_user = !matches!(wish.credentials, Some(Credentials::None | Credentials::Own));
        let user = if needs_user { user? } else { user.unwrap_or_default() };
        Ok(Self { vault, roles: roles.into_iter().flatten().collect(), user, functions })
    }
}

/// The roles that matter, by account number and name.
fn roles_of(
    wish: &Wish,
    accounts: &Accounts,
    functions: &[Option<FoundFunction>],
) -> Result<BTreeSet<(String, String)>> {
    let number = |account| anyhow::Ok(accounts.get(account)?.caller.account.clone());
    let home = number(&wish.vault_account)?;
    let mut roles = BTreeSet::new();
    for (function, found) in wish.functions.iter().zip(functions) {
        let account = number(&function.account)?;
        roles.insert((account.clone(), names::role_of(function, found.as_ref())));
        if account != home {
            roles.insert((account, names::LOOK_UP_ROLE.to_owned()));
        }
    }
    if let Some(arn) = &wish.assumed_role {
        let Principal { account, name } = Principal::parse(&arn.arn)?;
        if accounts.by_id(&account).is_ok() {
            roles.insert((account, name));
        }
    }
    if let Some(identity) = &wish.identity {
        roles.insert((home, Principal::parse(identity)?.name));
    }
    Ok(roles)
}

/// Requests to AWS: enough for hundreds of functions; AWS throttles who asks for much at once.
const AT_ONCE: usize = 8;
