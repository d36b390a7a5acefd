//! `[setup]` of a settings file: what the layer passes over, as it is written.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use strongroom_core::diagnosis::Architecture;

/// `[setup]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Setup {
    /// The functions' account, where another is to be refused.
    pub(super) account: Option<String>,
    /// The profile for it.
    pub(super) profile: Option<String>,
    /// The functions' region.
    pub(super) region: Option<String>,
    /// How the functions are told the settings.
    pub(super) settings: Delivery,
    pub(super) vault: Vault,
    #[serde(rename = "function")]
    pub(super) functions: Vec<Function>,
}

/// How the functions are told the settings.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Delivery {
    /// Their package has the settings file.
    Package,
    /// As variables.
    #[default]
    Variables,
}

/// `[setup.vault]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Vault {
    /// The account of the identity by which Vault asks AWS, if it is not the functions'.
    pub(super) account: Option<String>,
    pub(super) credentials: Option<Credentials>,
    /// What the roles that let Vault look into other accounts ask for.
    pub(super) external_id: Option<String>,
    pub(super) iam_endpoint: Option<String>,
    /// The IAM role that Vault runs as, where it has credentials of its own.
    pub(super) identity: Option<String>,
    /// The name of the policy in Vault.
    pub(super) policy: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) resolve_unique_ids: Option<bool>,
    pub(super) sts_endpoint: Option<String>,
    pub(super) sts_region: Option<String>,
    pub(super) token_max_ttl: Option<String>,
    pub(super) token_ttl: Option<String>,
    pub(super) token_type: Option<TokenType>,
    /// The name of the IAM user that is made for Vault.
    pub(super) user: Option<String>,
}

/// By what Vault asks AWS.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Credentials {
    /// The access key of an IAM user that is made for it.
    AccessKey,
    /// By nothing: it asks IAM for nothing.
    None,
    /// What it has where it runs.
    Own,
}

/// Vault's kinds of tokens.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum TokenType {
    Batch,
    Service,
}

/// `[[setup.function]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Function {
    pub(super) account: Option<String>,
    #[serde(default, deserialize_with = "architecture")]
    pub(super) architecture: Option<Architecture>,
    pub(super) handler: Option<String>,
    /// In MiB.
    pub(super) memory: Option<i32>,
    pub(super) name: String,
    /// A zip, for a function that is to be made.
    pub(super) package: Option<PathBuf>,
    pub(super) profile: Option<String>,
    pub(super) region: Option<String>,
    /// The name or ARN of its IAM role.
    pub(super) role: Option<String>,
    pub(super) runtime: Option<String>,
    /// In seconds.
    pub(super) timeout: Option<i32>,
}

impl Function {
    /// One of which nothing but the name is said.
    pub(super) fn named(name: &str) -> Self {
        Self {
            account: None,
            architecture: None,
            handler: None,
            memory: None,
            name: name.to_owned(),
            package: None,
            profile: None,
            region: None,
            role: None,
            runtime: None,
            timeout: None,
        }
    }
}

/// A processor by Lambda's name of it.
fn architecture<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Architecture>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = Architecture::parse(&name);
    known.map(Some).ok_or_else(|| D::Error::unknown_variant(&name, &["arm64", "x86_64"]))
}

/// Reads `[setup]` out of a whole settings file.
///
/// # Errors
/// A key is unknown, or a value is of another kind.
pub(super) fn read(path: &str, text: &str) -> Result<Setup> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        setup: Setup,
    }
    let file: File =
        toml::from_str(text).with_context(|| format!("cannot use [setup] of {path}"))?;
    Ok(file.setup)
}
