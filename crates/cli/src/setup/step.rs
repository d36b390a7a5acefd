//! Steps between what is there and what is wanted: each can be shown before it is taken.

mod iam;
mod lambda;
mod vault;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::accounts::Accounts;
use super::admin::Admin;

pub(super) use iam::{Holder, IamStep};
pub(super) use lambda::{LambdaStep, MakeFunction, Tell};
pub(super) use vault::{NewKey, VaultStep};

/// One step.
#[derive(Debug)]
pub(super) enum Step {
    Iam(IamStep),
    Lambda(LambdaStep),
    Vault(VaultStep),
}

/// A step in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Line {
    pub(super) change: Change,
    /// What is changed.
    pub(super) what: String,
    /// How, a line each.
    pub(super) how: Vec<String>,
}

/// What happens to a thing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Change {
    Alter,
    Make,
    Remove,
}

/// What steps are taken with.
#[derive(Debug)]
pub(super) struct Hands<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) admin: &'a Admin,
    /// Whether AWS may not know everywhere yet what was made a moment ago.
    pub(super) has_made: Cell<bool>,
    /// What came otherwise than planned, and is to be told at the end.
    pub(super) told: RefCell<Vec<String>>,
}

impl Step {
    /// What it does.
    pub(super) fn line(&self) -> Line {
        match self {
            Self::Iam(step) => step.line(),
            Self::Lambda(step) => step.line(),
            Self::Vault(step) => step.line(),
        }
    }

    /// Takes it.
    ///
    /// # Errors
    /// AWS or Vault refuses or does not answer.
    pub(super) async fn take(&self, hands: &Hands<'_>) -> Result<()> {
        match self {
            Self::Iam(step) => step.take(hands).await,
            Self::Lambda(step) => step.take(hands).await,
            Self::Vault(step) => step.take(hands).await,
        }
    }
}

impl<'a> Hands<'a> {
    /// At the beginning.
    pub(super) fn new(accounts: &'a Accounts, admin: &'a Admin) -> Self {
        Self { accounts, admin, has_made: Cell::new(false), told: RefCell::default() }
    }

    /// Tries again for a while what fails because AWS does not know everywhere yet what was made a moment ago.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>
    pub(super) async fn once_known<T, F: Future<Output = Result<T>>>(
        &self,
        signs: &[&str],
        mut attempt: impl FnMut() -> F,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            match attempt().await {
                Err(error) if self.has_made.get() && is_any(&error, signs) => {
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
        attempt().await
    }
}

fn is_any(error: &anyhow::Error, signs: &[&str]) -> bool {
    let text = format!("{error:#}");
    signs.iter().any(|sign| text.contains(sign))
}

/// AWS speaks of seconds; a minute has been seen.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(2);
