//! The functions themselves, and the variables that they are told.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use strongroom_core::settings::variables as v;

use super::{Plan, StsPairing};
use crate::setup::accounts::Accounts;
use crate::setup::found::{Found, FoundFunction};
use crate::setup::names;
use crate::setup::step::{LambdaStep, MakeFunction, Tell};
use crate::setup::wish::{Function, Wish};

/// Plans them.
pub(super) fn plan(
    wish: &Wish,
    found: &Found,
    accounts: &Accounts,
    pairing: &StsPairing,
    plan: &mut Plan,
) -> Result<()> {
    let mut variables = wish.variables.clone();
    // Without it the layer would sign for another endpoint at first, and lose a round trip at each start.
    if let StsPairing::Region(region) = pairing {
        variables.insert(v::VAULT_STS_ENDPOINT_REGION.to_owned(), region.clone());
    }
    for (function, present) in wish.functions.iter().zip(&found.functions) {
        let account = accounts.get(&function.account)?;
        let name = names::role_of(function, present.as_ref());
        match (present, &function.creation) {
            (Some(present), _) => {
                tell(function, present, &account.caller.account, &variables, plan);
            }
            (None, Some(creation)) => {
                check_size(&function.name, &variables, plan);
                let key = (account.caller.account.clone(), name.clone());
                let role = found.roles.get(&key).map(|role| role.arn.clone());
                plan.lambda(LambdaStep::Make(MakeFunction {
                    account: account.caller.account.clone(),
                    region: function.region.clone(),
                    function: function.name.clone(),
                    creation: creation.clone(),
                    role: role.unwrap_or_else(|| account.iam_arn(&format!("role/{name}"))),
                    variables: variables.clone(),
                    owner: wish.owner_of_role(),
                }));
            }
            (None, None) => plan.notes.push(format!(
                "the function {} is not there yet: deploy it with the role {}, and apply again to give it its variables",
                function.name,
                account.iam_arn(&format!("role/{name}"))
            )),
        }
    }
    Ok(())
}

fn tell(
    function: &Function,
    present: &FoundFunction,
    account: &str,
    wanted: &BTreeMap<String, String>,
    plan: &mut Plan,
) {
    let (known, _) = names::variables_of_tags(&present.tags);
    let mut set = BTreeMap::new();
    let mut ours: BTreeSet<String> =
        known.iter().filter(|name| wanted.contains_key(*name)).cloned().collect();
    for (name, value) in wanted {
        match present.variables.get(name) {
            Some(now) if now == value => {}
            Some(_) if !known.contains(name) => plan.problems.push(format!(
                "the function {} has another {name}, which setup has not set; hint: remove it there, or leave it out of the \
                 settings",
                function.name
            )),
            _ => {
                set.insert(name.clone(), value.clone());
                ours.insert(name.clone());
            }
        }
    }
    let forget: BTreeSet<String> = known.difference(&ours).cloned().collect();
    let mut after = present.variables.clone();
    after.retain(|name, _| !forget.contains(name));
    after.extend(set.clone());
    check_size(&function.name, &after, plan);
    if set.is_empty() && forget.is_empty() {
        plan.unchanged.push(format!("variables of the function {}", function.name));
        return;
    }
    plan.lambda(LambdaStep::Tell(Tell {
        account: account.to_owned(),
        region: function.region.clone(),
        function: function.name.clone(),
        arn: present.arn.clone(),
        set,
        forget,
        ours,
    }));
}

fn check_size(function: &str, variables: &BTreeMap<String, String>, plan: &mut Plan) {
    let size: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MOST_BYTES {
        plan.problems.push(format!(
            "the variables of the function {function} would be {size} bytes, and Lambda takes {MOST_BYTES}; hint: put the \
             settings file into its package, and write settings = \"package\" in [setup]"
        ));
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MOST_BYTES: usize = 4096;
