//! The AWS accounts that take part, each through the credentials of its profile.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context as _, Result, bail};
use aws_config::SdkConfig;
use strongroom_vault::aws::sts;

use super::wish::{AccountWish, Wish};
use crate::aws::{self, Caller};

/// All that take part.
#[derive(Debug)]
pub(super) struct Accounts(Vec<(AccountWish, Account)>);

/// One account.
#[derive(Debug)]
pub(super) struct Account {
    config: SdkConfig,
    pub(super) caller: Caller,
    pub(super) iam: aws_sdk_iam::Client,
}

impl Accounts {
    /// Asks whose credentials each profile has, and refuses those of another account than was named.
    ///
    /// # Errors
    /// There are no credentials, or they are not for what they are to be used for.
    pub(super) async fn of(wish: &Wish) -> Result<Self> {
        let mut accounts = Self(Vec::new());
        let region =
            wish.functions.first().map_or("us-east-1", |function| function.region.as_str());
        let named = wish.functions.iter().map(|function| &function.account);
        for account in named.chain([&wish.vault_account]) {
            if accounts.0.iter().all(|(known, _)| known != account) {
                accounts.0.push((account.clone(), Account::open(account, region).await?));
            }
        }
        for function in &wish.functions {
            let partition = &accounts.get(&function.account)?.caller.partition;
            let meant = sts::partition_of(&function.region);
            if partition != meant {
                bail!(
                    "the function {} is to be in {}, which is of the partition {meant}, but the credentials are of {partition}; \
                     hint: name a profile of {meant}",
                    function.name,
                    function.region
                );
            }
        }
        Ok(accounts)
    }

    /// Accounts that nobody can be asked about.
    #[cfg(test)]
    pub(super) fn of_test(accounts: &[(AccountWish, Caller)]) -> Self {
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .region(aws_config::Region::from_static("us-east-1"))
            .build();
        let iam = aws_sdk_iam::Client::new(&config);
        let opened = accounts.iter().map(|(wish, caller)| {
            let (config, caller, iam) = (config.clone(), caller.clone(), iam.clone());
            (wish.clone(), Account { config, caller, iam })
        });
        Self(opened.collect())
    }

    /// The account that was named so.
    pub(super) fn get(&self, wish: &AccountWish) -> Result<&Account> {
        let found = self.0.iter().find(|(known, _)| known == wish);
        found.map(|(_, account)| account).context("an account that nobody named")
    }

    /// The profile by which the account with this number is reached, if it is not whichever the shell is set to.
    pub(super) fn profile_of(&self, id: &str) -> Option<&str> {
        let (wish, _) = self.0.iter().find(|(_, account)| account.caller.account == id)?;
        wish.profile.as_deref()
    }

    /// The account with this number.
    pub(super) fn by_id(&self, id: &str) -> Result<&Account> {
        let found = self.0.iter().find(|(_, account)| account.caller.account == id);
        found
            .map(|(_, account)| account)
            .with_context(|| format!("no credentials for account {id}"))
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: BTreeSet<&str> =
            self.0.iter().map(|(_, account)| account.caller.account.as_str()).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        write!(f, "AWS account{} {}", if ids.len() == 1 { "" } else { "s" }, ids.join(" and "))
    }
}

impl Account {
    async fn open(wish: &AccountWish, region: &str) -> Result<Self> {
        let config = aws::config(wish.profile.as_deref(), Some(region)).await?;
        let caller = aws::caller(&config).await?;
        if let Some(id) = wish.id.as_ref().filter(|id| **id != caller.account) {
            bail!(
                "the credentials are of account {}, and the settings say {id}; hint: name a profile of {id} by --profile or \
                 in [setup]",
                caller.account
            );
        }
        let iam = aws_sdk_iam::Client::new(&config);
        Ok(Self { config, caller, iam })
    }

    /// Lambda in one region.
    pub(super) fn lambda(&self, region: &str) -> aws_sdk_lambda::Client {
        let config = aws_sdk_lambda::config::Builder::from(&self.config);
        let region = aws_config::Region::new(region.to_owned());
        aws_sdk_lambda::Client::from_conf(config.region(region).build())
    }

    /// The ARN of something of IAM's in this account, such as `role/name`.
    pub(super) fn iam_arn(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.caller.partition, self.caller.account)
    }
}
