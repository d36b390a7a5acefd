//! The AWS account of the practice: Vault's user with its key, and two roles for functions.

use anyhow::{Context as _, Result};
use secrecy::SecretString;
use strongroom_devvault::{AwsConfig, Credentials, DevAws};

/// The region of the practice: that of the function, and the one STS wants signatures for.
pub(crate) const REGION: &str = "ap-northeast-2";
/// The role that the Vault role is bound to.
pub(crate) const ROLE: &str = "strongroom-lab-function";
/// A role that no Vault role is bound to.
pub(crate) const UNBOUND_ROLE: &str = "strongroom-lab-stranger";
/// The user whose key Vault calls IAM with.
pub(crate) const USER: &str = "strongroom-lab-vault";

/// What Vault must be allowed to find out whom a role is bound to.
/// <https://developer.hashicorp.com/vault/docs/auth/aws#recommended-vault-iam-policy>
const MAY_LOOK_UP: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetRole","iam:GetUser"],"Resource":"*"}]}"#;
const LAMBDA_MAY_ASSUME: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// What the account holds.
pub(crate) struct Account {
    /// The ARN of [`ROLE`].
    pub(crate) role_arn: String,
    /// The key of [`USER`].
    pub(crate) vault_key: Credentials,
}

/// An account whose STS stands in [`REGION`].
pub(crate) fn config() -> AwsConfig {
    AwsConfig { sts_region: REGION.to_owned(), ..AwsConfig::default() }
}

/// Creates the policy, the user with an access key, and the roles.
pub(crate) fn seed(aws: &DevAws) -> Result<Account> {
    aws.create_user(USER);
    aws.put_user_policy(USER, "look-up", MAY_LOOK_UP).context("cannot attach the IAM policy")?;
    let vault_key = aws.create_access_key(USER).context("cannot create the access key")?;
    let role_arn =
        aws.create_role(ROLE, LAMBDA_MAY_ASSUME).context("cannot create the function's role")?;
    aws.create_role(UNBOUND_ROLE, LAMBDA_MAY_ASSUME).context("cannot create the other role")?;
    Ok(Account { role_arn, vault_key })
}

/// The credentials that Lambda gives to a function with this role.
pub(crate) fn session(aws: &DevAws, role: &str, function: &str) -> Result<Session> {
    let credentials = aws
        .lambda_session(role, function)
        .with_context(|| format!("cannot open a session of role {role}"))?;
    let session_token =
        credentials.session_token.context("a session's credentials have a token")?;
    Ok(Session {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        session_token,
    })
}

/// Credentials of a role's session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: SecretString,
    pub(crate) session_token: SecretString,
}
