//! Who the extension is to Vault.

use std::path::PathBuf;

use secrecy::SecretString;

/// Who the extension is to Vault.
#[derive(Debug)]
pub enum Identity {
    /// AppRole authentication.
    AppRole(AppRole),
    /// AWS IAM authentication.
    AwsIam(AwsIam),
    /// TLS certificate authentication.
    Certificate(Certificate),
    /// JWT authentication.
    Jwt(Jwt),
    /// A token that was given; for local use.
    Token(SecretString),
}

/// AWS IAM authentication. <https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method>
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AwsIam {
    /// Path of the auth method, without `auth/`.
    pub mount: String,
    /// Vault role.
    pub role: String,
    /// Value of `X-Vault-AWS-IAM-Server-ID`.
    pub server_id: Option<String>,
    /// IAM role to assume before the login.
    pub assumed_role: Option<AssumedRole>,
    /// Region whose STS endpoint is signed for, where one is named.
    pub sts_region: Option<String>,
}

/// An IAM role to assume before the login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AssumedRole {
    /// Its ARN.
    pub arn: String,
    /// The external id its trust policy asks for.
    pub external_id: Option<String>,
}

/// AppRole authentication. <https://developer.hashicorp.com/vault/docs/auth/approle>
#[derive(Debug)]
pub struct AppRole {
    /// Path of the auth method, without `auth/`.
    pub mount: String,
    /// The role, by its id.
    pub role_id: SecretString,
    /// `None` for a role that asks for none (`bind_secret_id=false`).
    pub secret_id: Option<AppRoleSecretId>,
}

/// What a role is logged in to with.
#[derive(Debug)]
pub struct AppRoleSecretId {
    /// The secret id, or a response-wrapping token for it.
    pub credential: Credential,
    /// Whether it is a response-wrapping token.
    /// <https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>
    pub is_wrapped: bool,
}

/// JWT authentication. <https://developer.hashicorp.com/vault/docs/auth/jwt>
#[derive(Debug)]
pub struct Jwt {
    /// Path of the auth method, without `auth/`.
    pub mount: String,
    /// Vault role; `None` for the auth method's `default_role`.
    pub role: Option<String>,
    /// The JWT.
    pub jwt: Credential,
}

/// TLS certificate authentication, with the client certificate that the TLS settings name.
/// <https://developer.hashicorp.com/vault/docs/auth/cert>
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// Path of the auth method, without `auth/`.
    pub mount: String,
    /// The entry of the auth method to match; `None` for whichever does.
    pub role: Option<String>,
}

/// Something secret to log in with, and where it is.
#[derive(Debug)]
pub struct Credential {
    /// The variable that names it, for errors.
    pub variable: &'static str,
    /// Where it is.
    pub source: CredentialSource,
}

/// Where something secret is.
#[derive(Debug)]
pub enum CredentialSource {
    /// In a file, which may be replaced: it is read for each login.
    File(PathBuf),
    /// In the variable itself.
    Value(SecretString),
}
