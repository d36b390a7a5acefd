//! The way back: what setup made is taken away, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::accounts::{Account, Accounts};
use super::found::{Attributes, Found, Principal};
use super::names;
use super::plan::Plan;
use super::policies;
use super::step::{Holder, IamStep, LambdaStep, Tell, VaultStep};
use super::wish::Wish;

/// Decides what is taken away, the last thing that was made first.
///
/// # Errors
/// An account has no credentials.
pub(super) fn of(wish: &Wish, found: &Found, accounts: &Accounts) -> Result<Plan> {
    let mut plan = Plan::default();
    functions(wish, found, accounts, &mut plan)?;
    vault(wish, found, &mut plan);
    identity(wish, found, accounts, &mut plan)?;
    roles(wish, found, accounts, &mut plan)?;
    Ok(plan)
}

fn functions(wish: &Wish, found: &Found, accounts: &Accounts, plan: &mut Plan) -> Result<()> {
    for (function, present) in wish.functions.iter().zip(&found.functions) {
        let Some(present) = present else { continue };
        let account = accounts.get(&function.account)?.caller.account.clone();
        let (region, name) = (function.region.clone(), function.name.clone());
        let (forget, _) = names::variables_of_tags(&present.tags);
        if is_of_role(wish, &present.tags) {
            plan.lambda(LambdaStep::Delete { account, region, function: name });
        } else if !forget.is_empty() {
            plan.lambda(LambdaStep::Tell(Tell {
                account,
                region,
                function: name,
                arn: present.arn.clone(),
                set: BTreeMap::new(),
                forget,
                ours: BTreeSet::new(),
            }));
        }
    }
    Ok(())
}

fn vault(wish: &Wish, found: &Found, plan: &mut Plan) {
    let vault = &found.vault;
    let mount = || wish.mount.clone();
    let policy = vault.policy.as_deref().filter(|policy| policies::is_ours(wish, policy));
    let written = policy.map(policies::written).unwrap_or_default();
    if let (Some(role), Some(_)) = (&vault.role, policy)
        && role.token_policies.contains(&wish.policy)
    {
        plan.vault(VaultStep::DeleteRole { mount: mount(), role: wish.role.clone() });
    }
    let is_last = vault.other_roles.is_empty();
    let is_ours = vault.mount.as_ref().is_some_and(|mount| mount.is_ours());
    let others = || vault.other_roles.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if is_ours && is_last {
        plan.vault(VaultStep::Disable { mount: mount() });
    } else if is_ours {
        plan.notes.push(format!(
            "the auth method auth/{} stays, as it has other roles: {}",
            wish.mount,
            others()
        ));
    } else if is_last {
        for path in &written {
            let step = match path.strip_prefix("config/sts/") {
                Some(account) => {
                    VaultStep::DeleteSts { mount: mount(), account: account.to_owned() }
                }
                None => VaultStep::DeleteClient { mount: mount() },
            };
            plan.vault(step);
        }
    } else if !written.is_empty() {
        plan.notes.push(format!(
            "what setup wrote below auth/{} stays, as the auth method has other roles: {}",
            wish.mount,
            others()
        ));
    }
    // Last, as it says what else there is to take away.
    if policy.is_some() {
        plan.vault(VaultStep::DeletePolicy { policy: wish.policy.clone() });
    }
}

/// What Vault needed in IAM.
fn identity(wish: &Wish, found: &Found, accounts: &Accounts, plan: &mut Plan) -> Result<()> {
    let home = accounts.get(&wish.vault_account)?;
    let is_last = found.vault.other_roles.is_empty();
    if let Some(user) = &found.user
        && is_of_mount(wish, &user.attributes)
    {
        if is_last {
            plan.iam(IamStep::DeleteUser {
                account: home.caller.account.clone(),
                user: wish.user.clone(),
                policies: user.attributes.policies.keys().cloned().collect(),
                keys: user.keys.clone(),
            });
        } else {
            forget_policy(wish, home, Holder::User(wish.user.clone()), &user.attributes, plan);
        }
    }
    if let Some(identity) = &wish.identity {
        let Principal { name, .. } = Principal::parse(identity)?;
        let key = (home.caller.account.clone(), name.clone());
        if let Some(role) = found.roles.get(&key) {
            forget_policy(wish, home, Holder::Role(name), &role.attributes, plan);
        }
    }
    for ((id, name), role) in &found.roles {
        if name != names::LOOK_UP_ROLE || !is_of_mount(wish, &role.attributes) {
            continue;
        }
        let mine = names::look_up_policy(wish);
        let is_used = |policy: &&String| names::is_look_up_policy(policy) && **policy != mine;
        if role.attributes.policies.keys().any(|policy| is_used(&policy)) {
            let holder = Holder::Role(name.clone());
            forget_policy(wish, accounts.by_id(id)?, holder, &role.attributes, plan);
        } else {
            plan.iam(IamStep::DeleteRole {
                account: id.clone(),
                role: name.clone(),
                policies: role.attributes.policies.keys().cloned().collect(),
            });
        }
    }
    Ok(())
}

fn forget_policy(
    wish: &Wish,
    account: &Account,
    holder: Holder,
    attributes: &Attributes,
    plan: &mut Plan,
) {
    let policy = names::look_up_policy(wish);
    if attributes.policies.contains_key(&policy) {
        let account = account.caller.account.clone();
        plan.iam(IamStep::DeletePolicy { account, holder, policy });
    }
}

/// The functions' roles.
fn roles(wish: &Wish, found: &Found, accounts: &Accounts, plan: &mut Plan) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (function, present) in wish.functions.iter().zip(&found.functions) {
        let id = accounts.get(&function.account)?.caller.account.clone();
        let name = names::role_of(function, present.as_ref());
        let Some(role) = found.roles.get(&(id.clone(), name.clone())) else { continue };
        if !seen.insert((id.clone(), name.clone())) {
            continue;
        }
        let policies = &role.attributes.policies;
        let stays = present.as_ref().filter(|present| !is_of_role(wish, &present.tags));
        if !is_of_role(wish, &role.attributes.tags) {
            if policies.contains_key(names::ASSUME_POLICY) {
                let holder = Holder::Role(name);
                let policy = names::ASSUME_POLICY.to_owned();
                plan.iam(IamStep::DeletePolicy { account: id, holder, policy });
            }
        } else if stays.is_some() {
            plan.notes.push(format!(
                "the IAM role {name} stays, as the function {} runs as it; once it does not, destroy again",
                function.name
            ));
        } else {
            plan.iam(IamStep::DeleteRole {
                account: id,
                role: name,
                policies: policies.keys().cloned().collect(),
            });
        }
    }
    Ok(())
}

fn is_of_mount(wish: &Wish, attributes: &Attributes) -> bool {
    attributes.tags.get(names::OWNER_TAG) == Some(&wish.owner_of_mount())
}

fn is_of_role(wish: &Wish, tags: &BTreeMap<String, String>) -> bool {
    tags.get(names::OWNER_TAG) == Some(&wish.owner_of_role())
}
