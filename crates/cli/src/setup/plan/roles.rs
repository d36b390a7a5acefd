//! The functions' IAM roles: made where there are none, otherwise left as they are.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{Bound, Plan};
use crate::setup::accounts::Accounts;
use crate::setup::found::{Found, FoundRole, Principal};
use crate::setup::names;
use crate::setup::policies;
use crate::setup::step::{Holder, IamStep};
use crate::setup::wish::{Function, Wish};

/// Plans them, and returns those that log in to Vault.
pub(super) fn plan(
    wish: &Wish,
    found: &Found,
    accounts: &Accounts,
    plan: &mut Plan,
) -> Result<BTreeSet<Bound>> {
    // Functions may share a role.
    let mut roles: BTreeMap<(String, String), Vec<&Function>> = BTreeMap::new();
    for (function, present) in wish.functions.iter().zip(&found.functions) {
        let account = accounts.get(&function.account)?.caller.account.clone();
        let name = names::role_of(function, present.as_ref());
        if let Some(present) = present
            && let Ok(runs_as) = Principal::parse(&present.role)
            && runs_as.name != name
        {
            plan.problems.push(format!(
                "the function {} runs as the IAM role {}, and the settings say {name}; hint: leave role out of \
                 [[setup.function]], or give the function the other role",
                function.name, runs_as.name
            ));
        }
        roles.entry((account, name)).or_default().push(function);
    }
    let mut bound = BTreeSet::new();
    for (key, functions) in &roles {
        let (id, name) = key;
        let account = accounts.by_id(id)?;
        let present = found.roles.get(key);
        let logs = policies::logs(&account.caller.partition, id, functions);
        let purpose = format!(
            "for {}",
            functions.iter().map(|function| function.name.as_str()).collect::<Vec<_>>().join(", ")
        );
        let owner = wish.owner_of_role();
        let is_ours =
            present.is_none_or(|role| role.attributes.tags.get(names::OWNER_TAG) == Some(&owner));
        let trust = policies::trust_of_lambda();
        let unchanged = plan.steps.len();
        match present {
            None => plan.iam(IamStep::MakeRole {
                account: id.clone(),
                role: name.clone(),
                trust,
                owner,
                purpose,
            }),
            Some(role) if is_ours && role.trust != trust => {
                plan.iam(IamStep::SetTrust { account: id.clone(), role: name.clone(), trust });
            }
            Some(_) => {}
        }
        if is_ours {
            put(plan, id, name, present, names::LOG_POLICY, logs);
        }
        if let Some(assumed) = &wish.assumed_role {
            let may = policies::assume(&BTreeSet::from([assumed.arn.clone()]));
            put(plan, id, name, present, names::ASSUME_POLICY, may);
        }
        if plan.steps.len() == unchanged {
            let whose = if is_ours { "" } else { ", which is not setup's and is left as it is" };
            plan.unchanged.push(format!("IAM role {name}{whose}"));
        }
        let arn = present
            .map_or_else(|| account.iam_arn(&format!("role/{name}")), |role| role.arn.clone());
        let role_id = present.map(|role| role.id.clone());
        bound.insert(Bound { account: id.clone(), name: name.clone(), arn, id: role_id });
    }
    match &wish.assumed_role {
        None => Ok(bound),
        Some(assumed) => Ok(BTreeSet::from([assumed_role(&assumed.arn, found, accounts, plan)?])),
    }
}

/// What logs in where VAULT_ASSUMED_ROLE_ARN is set.
fn assumed_role(arn: &str, found: &Found, accounts: &Accounts, plan: &mut Plan) -> Result<Bound> {
    let Principal { account, name } = Principal::parse(arn)?;
    let present = found.roles.get(&(account.clone(), name.clone()));
    if present.is_none() && accounts.by_id(&account).is_ok() {
        plan.problems.push(format!(
            "VAULT_ASSUMED_ROLE_ARN names {arn}, which does not exist; hint: make it, with a trust policy that names the \
             functions' roles, or remove the variable"
        ));
    }
    Ok(Bound { id: present.map(|role| role.id.clone()), account, name, arn: arn.to_owned() })
}

fn put(
    plan: &mut Plan,
    account: &str,
    role: &str,
    present: Option<&FoundRole>,
    policy: &str,
    document: serde_json::Value,
) {
    let now = present.and_then(|role| role.attributes.policies.get(policy));
    if now == Some(&document) {
        return;
    }
    plan.iam(IamStep::PutPolicy {
        account: account.to_owned(),
        holder: Holder::Role(role.to_owned()),
        policy: policy.to_owned(),
        document,
        is_new: now.is_none(),
    });
}
