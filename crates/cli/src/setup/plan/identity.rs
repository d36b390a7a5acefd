//! What Vault needs in IAM to tell who logs in: an access key, or a policy for what it runs as.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use super::{Bound, Plan, arns_in};
use crate::setup::accounts::{Account, Accounts};
use crate::setup::document;
use crate::setup::found::{Found, Principal};
use crate::setup::names;
use crate::setup::policies;
use crate::setup::step::{Holder, IamStep};
use crate::setup::wish::Wish;

/// By what Vault asks AWS, and who sees to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::setup) enum Credentials {
    /// By an access key that is made.
    AccessKey,
    /// By none: it asks IAM for nothing.
    None,
    /// By its own.
    Own,
    /// Somebody else has configured the auth method, which is left as it is.
    Foreign,
}

/// Decides by what Vault asks AWS.
pub(super) fn decide(wish: &Wish, found: &Found, plan: &mut Plan) -> Credentials {
    let vault = &found.vault;
    let is_foreign = vault.mount.as_ref().is_some_and(|mount| !mount.is_ours());
    let written = vault.policy.as_deref().map(policies::written).unwrap_or_default();
    if is_foreign && vault.client.is_some() && !written.contains(super::vault::CLIENT) {
        plan.unchanged.push(format!(
            "auth/{}/config/client, which is not setup's and is left as it is",
            wish.mount
        ));
        return Credentials::Foreign;
    }
    match (wish.credentials, &vault.has_own_credentials) {
        (Some(document::Credentials::AccessKey), _) => Credentials::AccessKey,
        (Some(document::Credentials::None), _) => Credentials::None,
        (Some(document::Credentials::Own), _) => Credentials::Own,
        (None, _) if !wish.resolve_unique_ids => Credentials::None,
        (None, _) if wish.identity.is_some() => Credentials::Own,
        (None, Some(reason)) => {
            plan.notes.push(format!(
                "Vault seems to have AWS credentials of its own ({reason}), so no IAM user is made for it; if it has none, \
                 write credentials = \"access-key\" in [setup.vault]"
            ));
            Credentials::Own
        }
        (None, None) => Credentials::AccessKey,
    }
}

/// Plans it.
pub(super) fn plan(
    wish: &Wish,
    found: &Found,
    accounts: &Accounts,
    bound: &BTreeSet<Bound>,
    credentials: Credentials,
    plan: &mut Plan,
) -> Result<()> {
    let home = accounts.get(&wish.vault_account)?;
    let others = other_accounts(home, accounts, bound)?;
    let through =
        others.iter().map(|other| other.iam_arn(&format!("role/{}", names::LOOK_UP_ROLE)));
    let look_up = policies::look_up(&arns_in(home, bound), &through.collect());
    let principal = match credentials {
        Credentials::None | Credentials::Foreign => return Ok(()),
        Credentials::AccessKey => {
            user(wish, found, home, look_up, plan);
            home.iam_arn(&format!("user/{}", wish.user))
        }
        Credentials::Own => match &wish.identity {
            Some(identity) => {
                let Principal { name, .. } = Principal::parse(identity)?;
                of_identity(wish, found, home, &name, identity, look_up, plan);
                identity.clone()
            }
            None => {
                plan.notes.push(format!(
                    "whatever Vault runs as needs this policy, which setup can put there if [setup.vault] names it by identity \
                     = \"arn:...:role/...\": {look_up}"
                ));
                if !others.is_empty() {
                    plan.problems.push(
                        "functions in another account than Vault's need a role there that trusts Vault; hint: name what Vault runs \
                         as by identity in [setup.vault]"
                            .to_owned(),
                    );
                }
                return Ok(());
            }
        },
    };
    for other in others {
        look_up_role(wish, found, other, &principal, &arns_in(other, bound), plan);
    }
    Ok(())
}

/// Plans the end of a user that Vault has been told to need no more.
pub(super) fn plan_end(
    wish: &Wish,
    found: &Found,
    home: &Account,
    credentials: Credentials,
    plan: &mut Plan,
) {
    let is_needed = matches!(credentials, Credentials::AccessKey | Credentials::Foreign);
    if let Some(user) = found.user.as_ref().filter(|_| !is_needed)
        && user.attributes.tags.get(names::OWNER_TAG) == Some(&wish.owner_of_mount())
    {
        plan.iam(IamStep::DeleteUser {
            account: home.caller.account.clone(),
            user: wish.user.clone(),
            policies: user.attributes.policies.keys().cloned().collect(),
            keys: user.keys.clone(),
        });
    }
}

/// Accounts of bound roles that Vault's identity is not in.
fn other_accounts<'a>(
    home: &Account,
    accounts: &'a Accounts,
    bound: &BTreeSet<Bound>,
) -> Result<Vec<&'a Account>> {
    let ids: BTreeSet<&str> = bound.iter().map(|role| role.account.as_str()).collect();
    ids.into_iter().filter(|id| *id != home.caller.account).map(|id| accounts.by_id(id)).collect()
}

fn user(wish: &Wish, found: &Found, home: &Account, look_up: Value, plan: &mut Plan) {
    let account = &home.caller.account;
    let owner = wish.owner_of_mount();
    let before = plan.steps.len();
    let attributes = found.user.as_ref().map(|user| &user.attributes);
    match attributes.map(|attributes| attributes.tags.get(names::OWNER_TAG)) {
        None => {
            plan.iam(IamStep::MakeUser { account: account.clone(), user: wish.user.clone(), owner })
        }
        Some(tag) if tag == Some(&owner) => {}
        Some(tag) => {
            let whose = tag
                .map_or_else(|| "was not made by setup".to_owned(), |tag| format!("is for {tag}"));
            plan.problems.push(format!(
                "the IAM user {} {whose}; hint: write user = \"...\" in [setup.vault] for one of its own",
                wish.user
            ));
        }
    }
    let own_key = policies::own_access_key(&home.iam_arn(&format!("user/{}", wish.user)));
    let wanted = [(names::KEY_POLICY.to_owned(), own_key), (names::look_up_policy(wish), look_up)];
    for (policy, document) in wanted {
        let now = attributes.and_then(|attributes| attributes.policies.get(&policy));
        if now != Some(&document) {
            plan.iam(IamStep::PutPolicy {
                account: account.clone(),
                holder: Holder::User(wish.user.clone()),
                policy,
                document,
                is_new: now.is_none(),
            });
        }
    }
    let used = found.vault.client.as_ref().map(|client| client.access_key.as_str());
    for key in
        found.user.iter().flat_map(|user| &user.keys).filter(|key| Some(key.as_str()) != used)
    {
        plan.iam(IamStep::DeleteKey {
            account: account.clone(),
            user: wish.user.clone(),
            key: key.clone(),
        });
    }
    if plan.steps.len() == before {
        plan.unchanged.push(format!("IAM user {}", wish.user));
    }
}

/// The policy for the role that Vault runs as.
fn of_identity(
    wish: &Wish,
    found: &Found,
    home: &Account,
    name: &str,
    arn: &str,
    look_up: Value,
    plan: &mut Plan,
) {
    let account = home.caller.account.clone();
    let Some(role) = found.roles.get(&(account.clone(), name.to_owned())) else {
        plan.problems.push(format!(
            "[setup.vault] identity names {arn}, which does not exist in account {account}; hint: correct it, or name the \
             profile of its account in [setup.vault]"
        ));
        return;
    };
    let policy = names::look_up_policy(wish);
    let now = role.attributes.policies.get(&policy);
    if now == Some(&look_up) {
        plan.unchanged.push(format!("policy {policy} in the IAM role {name}"));
        return;
    }
    plan.iam(IamStep::PutPolicy {
        account,
        holder: Holder::Role(name.to_owned()),
        policy,
        document: look_up,
        is_new: now.is_none(),
    });
}

/// What lets Vault look into another account.
fn look_up_role(
    wish: &Wish,
    found: &Found,
    other: &Account,
    principal: &str,
    roles: &BTreeSet<String>,
    plan: &mut Plan,
) {
    let account = other.caller.account.clone();
    let role = names::LOOK_UP_ROLE.to_owned();
    let trust = policies::trust_of(principal, wish.external_id.as_deref());
    let owner = wish.owner_of_mount();
    let before = plan.steps.len();
    let present = found.roles.get(&(account.clone(), role.clone()));
    match present {
        None => plan.iam(IamStep::MakeRole {
            account: account.clone(),
            role: role.clone(),
            trust,
            owner,
            purpose: "by which Vault looks up the IAM roles of this account".to_owned(),
        }),
        Some(present) => {
            if present.attributes.tags.get(names::OWNER_TAG) != Some(&owner) {
                plan.problems.push(format!(
                    "the IAM role {role} of account {account} is not for auth/{} of this Vault; hint: remove it if it is left over",
                    wish.mount
                ));
            } else if present.trust != trust {
                plan.iam(IamStep::SetTrust { account: account.clone(), role: role.clone(), trust });
            }
        }
    }
    let policy = names::look_up_policy(wish);
    let document = policies::look_up(roles, &BTreeSet::new());
    let now = present.and_then(|role| role.attributes.policies.get(&policy));
    if now != Some(&document) {
        plan.iam(IamStep::PutPolicy {
            account: account.clone(),
            holder: Holder::Role(role.clone()),
            policy,
            document,
            is_new: now.is_none(),
        });
    }
    if plan.steps.len() == before {
        plan.unchanged.push(format!("IAM role {role} of account {account}"));
    }
}
