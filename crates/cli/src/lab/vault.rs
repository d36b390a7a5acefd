//! The Vault of the practice, embedded or external, and the record of what reached it.

pub(crate) mod api;
mod audit;
mod external;

use std::path::Path;

use anyhow::{Context as _, Result};
use secrecy::SecretString;
use strongroom_devvault::{Caller, Config, DevAws, DevVault, Recorded};

use self::api::{Api, Client};
use self::external::Process;
pub(crate) use self::external::{Kind, free_address};
use super::aws;

/// A running Vault with the AWS stand-ins that it is pointed at.
pub(crate) enum Server {
    /// In this process.
    Embedded(DevVault),
    /// HashiCorp's own, in a process of its own; STS and IAM in this one.
    External { aws: DevAws, process: Box<Process> },
}

/// A request that Vault answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exchange {
    pub(crate) asker: Asker,
    /// The path without `/v1/`.
    pub(crate) path: String,
    /// Why it was refused, as far as the record says; `None` if it was not.
    pub(crate) refusal: Option<String>,
    /// `read`, `write`, `list` or `delete`: both kinds of Vault record that much.
    pub(crate) verb: String,
}

/// Whose token a request carried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Asker {
    /// None that lives.
    Nobody,
    /// The one that may do everything.
    Root,
    /// Any other, by the name that Vault shows.
    Token(String),
}

/// A moment in the record of what reached Vault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

impl Mark {
    /// Before everything.
    pub(crate) const BEGINNING: Self = Self(0);
}

impl Server {
    /// Starts Vault and the stand-ins. `scratch` is for what an external one writes.
    ///
    /// # Errors
    /// An address cannot be bound, or the external Vault does not come up.
    pub(crate) async fn start(kind: &Kind, scratch: &Path) -> Result<Self> {
        let root_token = SecretString::from(format!("lab-root-{}", uuid::Uuid::new_v4()));
        match kind.external() {
            None => {
                let config = Config { aws: aws::config(), ..Config::new(root_token) };
                let vault = DevVault::start(config).await;
                Ok(Self::Embedded(vault.context("cannot start the embedded Vault")?))
            }
            Some(program) => {
                let aws = DevAws::start(aws::config()).await;
                let aws = aws.context("cannot start the AWS stand-ins")?;
                let process = Box::new(Process::start(program, root_token, scratch).await?);
                Ok(Self::External { aws, process })
            }
        }
    }

    /// The address to be `VAULT_ADDR`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Embedded(vault) => vault.url(),
            Self::External { process, .. } => process.url().to_owned(),
        }
    }

    /// STS and IAM.
    pub(crate) fn aws(&self) -> &DevAws {
        match self {
            Self::Embedded(vault) => vault.aws(),
            Self::External { aws, .. } => aws,
        }
    }

    /// What it has to say for itself at the start.
    pub(crate) fn notice(&self) -> String {
        match self {
            Self::Embedded(vault) => vault.notice(),
            Self::External { process, .. } => process.notice(),
        }
    }

    /// Where to ask without a token.
    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url())
    }

    /// The token that may do everything.
    pub(crate) fn root_token(&self) -> &SecretString {
        match self {
            Self::Embedded(vault) => vault.root_token(),
            Self::External { process, .. } => process.root_token(),
        }
    }

    /// A client that may do everything: for set-up only.
    pub(crate) fn root(&self) -> Client {
        Client::new(self.api(), self.root_token().clone())
    }

    /// The version that it says it is.
    pub(crate) async fn version(&self) -> Result<String> {
        let health = self.api().health().await?;
        let version = health["version"].as_str().context("sys/health tells no version")?;
        Ok(version.to_owned())
    }

    /// The file for an audit device, if it takes one to know what reaches this Vault.
    pub(crate) fn audit_file(&self) -> Option<&Path> {
        match self {
            Self::Embedded(_) => None,
            Self::External { process, .. } => Some(process.audit_file()),
        }
    }

    /// Now, in the record.
    pub(crate) fn mark(&self) -> Result<Mark> {
        Ok(Mark(self.all()?.len()))
    }

    /// What was answered since `mark`, in order.
    ///
    /// # Errors
    /// The audit file cannot be read.
    pub(crate) fn since(&self, mark: Mark) -> Result<Vec<Exchange>> {
        Ok(self.all()?.split_off(mark.0))
    }

    fn all(&self) -> Result<Vec<Exchange>> {
        match self {
            Self::Embedded(vault) => {
                Ok(vault.requests().iter().filter_map(Exchange::of_embedded).collect())
            }
            Self::External { process, .. } => audit::read(process.audit_file()),
        }
    }
}

impl Exchange {
    /// `None` for what no audit device would record either.
    fn of_embedded(recorded: &Recorded) -> Option<Self> {
        let path = recorded.path.strip_prefix("/v1/").unwrap_or(&recorded.path);
        if path == "sys/health" {
            return None;
        }
        let asker = match &recorded.caller {
            Caller::DeadToken | Caller::Nobody => Asker::Nobody,
            Caller::Root => Asker::Root,
            Caller::Token { display_name, .. } => Asker::Token(display_name.clone()),
        };
        let verb = match recorded.method.as_str() {
            "GET" | "HEAD" => "read",
            "POST" | "PUT" | "PATCH" => "write",
            "LIST" => "list",
            "DELETE" => "delete",
            other => other,
        };
        let refusal = (recorded.status >= 400).then(|| format!("status {}", recorded.status));
        Some(Self { asker, path: path.to_owned(), refusal, verb: verb.to_owned() })
    }
}
