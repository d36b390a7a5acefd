//! The way from what is there to what is wanted, decided without asking anyone.

mod functions;
mod identity;
mod roles;
#[cfg(test)]
mod tests;
mod vault;

use std::collections::BTreeSet;

use anyhow::Result;

use super::accounts::{Account, Accounts};
use super::found::Found;
use super::step::{IamStep, LambdaStep, Step, VaultStep};
use super::wish::Wish;

pub(super) use identity::Credentials;
pub(super) use vault::StsPairing;

/// The way, and what is to be known about it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order in which they are taken.
    pub(super) steps: Vec<Step>,
    /// What is as it should be.
    pub(super) unchanged: Vec<String>,
    /// What is worth knowing.
    pub(super) notes: Vec<String>,
    /// What has to be put right by hand before anything is done.
    pub(super) problems: Vec<String>,
}

/// An IAM role whose ARN a role in Vault is bound to.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Bound {
    /// The number of its account.
    pub(super) account: String,
    pub(super) name: String,
    pub(super) arn: String,
    /// As IAM has it; `None` while there is no such role.
    pub(super) id: Option<String>,
}

/// Decides what is to be done.
///
/// # Errors
/// An ARN is none.
pub(super) fn of(wish: &Wish, found: &Found, accounts: &Accounts) -> Result<Plan> {
    let mut plan = Plan::default();
    let bound = roles::plan(wish, found, accounts, &mut plan)?;
    let vault_account = accounts.get(&wish.vault_account)?;
    let credentials = identity::decide(wish, found, &mut plan);
    identity::plan(wish, found, accounts, &bound, credentials, &mut plan)?;
    let pairing = vault::plan(wish, found, vault_account, &bound, credentials, &mut plan);
    identity::plan_end(wish, found, vault_account, credentials, &mut plan);
    functions::plan(wish, found, accounts, &pairing, &mut plan)?;
    Ok(plan)
}

impl Plan {
    pub(super) fn iam(&mut self, step: IamStep) {
        self.steps.push(Step::Iam(step));
    }

    pub(super) fn lambda(&mut self, step: LambdaStep) {
        self.steps.push(Step::Lambda(step));
    }

    pub(super) fn vault(&mut self, step: VaultStep) {
        self.steps.push(Step::Vault(step));
    }
}

/// The ARNs of those in this account.
fn arns_in(account: &Account, bound: &BTreeSet<Bound>) -> BTreeSet<String> {
    let of_account = bound.iter().filter(|role| role.account == account.caller.account);
    of_account.map(|role| role.arn.clone()).collect()
}
