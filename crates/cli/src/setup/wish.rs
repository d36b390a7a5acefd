//! What is wanted: the settings as the layer will read them, and what `[setup]` adds, all of it parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use strongroom_core::address::Address;
use strongroom_core::diagnosis::Architecture;
use strongroom_core::duration;
use strongroom_core::settings::{
    self, AssumedRole, AwsIam, Environment, Identity, Settings, variables as v,
};

use super::document::{Credentials, Delivery, Function as Table, Setup, TokenType};

/// What is wanted of Vault, IAM and Lambda.
#[derive(Debug)]
pub(super) struct Wish {
    /// Where Vault is, as its clients write it.
    pub(super) address: String,
    /// The same as a name for it: host and port.
    pub(super) vault: String,
    pub(super) namespace: Option<String>,
    /// The path of the auth method, without `auth/`.
    pub(super) mount: String,
    /// The role in Vault.
    pub(super) role: String,
    pub(super) server_id: Option<String>,
    /// What the functions log in as instead of their own role.
    pub(super) assumed_role: Option<AssumedRole>,
    /// The name of the policy in Vault.
    pub(super) policy: String,
    /// What may be read, as patterns of Vault's policies.
    pub(super) paths: BTreeSet<String>,
    pub(super) token: Tokens,
    pub(super) resolve_unique_ids: bool,
    /// By what Vault asks AWS; `None` for what is found best.
    pub(super) credentials: Option<Credentials>,
    /// The ARN of the IAM role that Vault runs as.
    pub(super) identity: Option<String>,
    /// The IAM user that is made for Vault.
    pub(super) user: String,
    pub(super) external_id: Option<String>,
    pub(super) iam_endpoint: Option<String>,
    pub(super) sts_endpoint: Option<String>,
    pub(super) sts_region: Option<String>,
    /// The account of Vault's identity.
    pub(super) vault_account: AccountWish,
    pub(super) functions: Vec<Function>,
    /// What the functions are told.
    pub(super) variables: BTreeMap<String, String>,
    /// The region that is signed for, where the settings name one.
    pub(super) signed_region: Option<String>,
}

/// An AWS account, as it is named.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct AccountWish {
    /// The profile of its credentials; `None` for whichever the shell is set to.
    pub(super) profile: Option<String>,
    /// Its number, where another is to be refused.
    pub(super) id: Option<String>,
}

/// The tokens that logins give.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tokens {
    /// `None` for batch, unless something leased is read.
    pub(super) kind: Option<TokenType>,
    pub(super) ttl: Duration,
    pub(super) max_ttl: Duration,
}

/// A function.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) region: String,
    pub(super) account: AccountWish,
    /// The name of its IAM role, without its path; `None` for the one it has, or one named after it.
    pub(super) role: Option<String>,
    /// What it is made of, where it is to be made.
    pub(super) creation: Option<Creation>,
}

/// What a function is made of.
#[derive(Clone, Debug)]
pub(super) struct Creation {
    pub(super) architecture: Architecture,
    pub(super) handler: String,
    pub(super) memory: Option<i32>,
    pub(super) package: PathBuf,
    pub(super) runtime: String,
    pub(super) timeout: Option<i32>,
}

impl Wish {
    /// What `environment`, which holds nothing but the settings, and `setup` ask for; `region` is the shell's.
    ///
    /// # Errors
    /// All that is wrong with the settings, or the first thing that is wrong with the rest.
    pub(super) fn new(
        environment: &Environment,
        setup: Setup,
        region: Option<&str>,
    ) -> Result<Self> {
        let settings = parsed(environment)?;
        let paths = paths_of(&settings, environment)?;
        let AwsIam { mount, role, server_id, assumed_role, sts_region: signed_region } =
            match settings.identity {
                Identity::AwsIam(iam) => iam,
                _ => bail!(
                    "setup knows logins by AWS IAM only; hint: leave VAULT_TOKEN and STRONGROOM_AUTH_METHOD out of the \
                     settings, or see docs/logging-in.md for what to set up for another login"
                ),
            };
        let (functions, vault) = (setup.functions, setup.vault);
        let own_account = AccountWish { profile: setup.profile, id: setup.account };
        let vault_account = match (vault.profile, vault.account) {
            (None, None) => own_account.clone(),
            (profile, id) => AccountWish { profile, id },
        };
        let region = setup.region.as_deref().or(region);
        let functions = functions.into_iter().map(|table| function(table, region, &own_account));
        let functions: Vec<Function> = functions.collect::<Result<_>>()?;
        if functions.is_empty() {
            bail!(
                "no function is named; hint: write [[setup.function]] with name = \"...\", or pass --function NAME"
            );
        }
        let variables = match setup.settings {
            Delivery::Package => BTreeMap::new(),
            Delivery::Variables => environment
                .names()
                .filter_map(|name| Some((name.to_owned(), environment.value(name)?.to_owned())))
                .collect(),
        };
        let asks_iam = vault.credentials != Some(Credentials::None);
        let wish = Self {
            address: url_of(&settings.vault.address),
            vault: name_of(&settings.vault.address),
            namespace: settings.vault.namespace.clone(),
            policy: policy_name(vault.policy.as_deref(), &role),
            mount,
            // Vault writes its names in lower case.
            role: role.to_lowercase(),
            server_id,
            assumed_role,
            paths,
            token: Tokens {
                kind: vault.token_type,
                ttl: time("token_ttl", vault.token_ttl.as_deref(), DEFAULT_TTL)?,
                max_ttl: time("token_max_ttl", vault.token_max_ttl.as_deref(), DEFAULT_MAX_TTL)?,
            },
            resolve_unique_ids: vault.resolve_unique_ids.unwrap_or(asks_iam),
            credentials: vault.credentials,
            identity: vault.identity,
            user: vault.user.unwrap_or_else(|| "strongroom-vault".to_owned()),
            external_id: vault.external_id,
            iam_endpoint: vault.iam_endpoint,
            sts_endpoint: vault.sts_endpoint,
            sts_region: vault.sts_region,
            vault_account,
            functions,
            variables,
            signed_region,
        };
        wish.consistent()
    }

    /// What names the auth method, in tags.
    pub(super) fn owner_of_mount(&self) -> String {
        let namespace =
            self.namespace.as_deref().map(|name| format!("{}/", name.trim_matches('/')));
        format!("{}/{}auth/{}", self.vault, namespace.unwrap_or_default(), self.mount)
    }

    /// What names the role in Vault, in tags.
    pub(super) fn owner_of_role(&self) -> String {
        format!("{}/role/{}", self.owner_of_mount(), self.role)
    }

    fn consistent(self) -> Result<Self> {
        if self.credentials == Some(Credentials::None) && self.resolve_unique_ids {
            bail!(
                "[setup.vault] credentials = \"none\" and resolve_unique_ids = true exclude each other: Vault asks IAM for \
                 the id of a role by its credentials; hint: remove one of them"
            );
        }
        if self.identity.is_some() && self.credentials.is_some_and(|kind| kind != Credentials::Own)
        {
            bail!(
                "[setup.vault] identity means nothing unless credentials = \"own\"; hint: remove one of them"
            );
        }
        if self.token.max_ttl < self.token.ttl {
            bail!(
                "[setup.vault] token_max_ttl is below token_ttl; hint: raise it, or lower token_ttl"
            );
        }
        for (index, function) in self.functions.iter().enumerate() {
            let is_same = |other: &Function| {
                (&other.name, &other.region, &other.account)
                    == (&function.name, &function.region, &function.account)
            };
            if self.functions[..index].iter().any(is_same) {
                bail!("the function {} in {} is named twice", function.name, function.region);
            }
        }
        Ok(self)
    }
}

/// The settings, or all that is wrong with them.
fn parsed(environment: &Environment) -> Result<Settings> {
    let (settings, found) = settings::parse(environment);
    settings.ok_or_else(|| {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        anyhow!("the layer would not start with these settings:\n  {}", errors.join("\n  "))
    })
}

/// Every path that is read for the function or that it may ask for.
fn paths_of(settings: &Settings, environment: &Environment) -> Result<BTreeSet<String>> {
    let references = settings.references.iter().flat_map(|variable| variable.template.references());
    let read = settings.files.iter().map(|file| &file.secret.path);
    let read = read.chain(references.map(|reference| &reference.secret.path));
    let mut paths = BTreeSet::new();
    for path in read {
        if path.ends_with('*') || path.split('/').any(|segment| segment == "+") {
            bail!(
                "no policy of Vault can name {path} and nothing else: * at its end and + mean more there"
            );
        }
        paths.insert(path.trim_matches('/').to_owned());
    }
    let within =
        settings.vault.namespace.as_deref().map(|name| format!("{}/", name.trim_matches('/')));
    for pattern in environment.trimmed(v::STRONGROOM_ALLOW).unwrap_or_default().split(',') {
        let pattern = pattern.trim();
        let pattern =
            within.as_deref().and_then(|within| pattern.strip_prefix(within)).unwrap_or(pattern);
        if !pattern.is_empty() {
            paths.insert(pattern.to_owned());
        }
    }
    if paths.is_empty() {
        bail!(
            "nothing is to be read; hint: write a [[secret]] for each secret, or STRONGROOM_ALLOW with the paths that the \
             function asks the local Vault API for"
        );
    }
    Ok(paths)
}

fn function(table: Table, region: Option<&str>, own: &AccountWish) -> Result<Function> {
    let name = table.name;
    let region = table.region.as_deref().or(region).with_context(|| {
        format!("the function {name} has no region; hint: write region = \"...\" in [setup], or set AWS_REGION")
    })?;
    let account = match (table.profile, table.account) {
        (None, None) => own.clone(),
        (profile, id) => AccountWish { profile, id },
    };
    let creation = match (table.package, table.runtime, table.handler) {
        (Some(package), Some(runtime), Some(handler)) => Some(Creation {
            architecture: table.architecture.unwrap_or(Architecture::X86_64),
            handler,
            memory: table.memory,
            package,
            runtime,
            timeout: table.timeout,
        }),
        (None, None, None) => None,
        _ => bail!(
            "the function {name} is described by halves; hint: to have it made write package, runtime and handler, to use \
             one that is there none of them"
        ),
    };
    let role = table.role.map(|role| match role.rsplit_once('/') {
        Some((_, name)) => name.to_owned(),
        None => role,
    });
    Ok(Function { name, region: region.to_owned(), account, role, creation })
}

fn time(key: &str, text: Option<&str>, default: Duration) -> Result<Duration> {
    let Some(text) = text else { return Ok(default) };
    let time = duration::parse_seconds_or_duration(text).filter(|time| time.as_secs() > 0);
    time.with_context(|| {
        format!(
            "[setup.vault] {key} is no time of a second or more; hint: write for example \"15m\""
        )
    })
}

/// Vault writes its names in lower case.
fn policy_name(named: Option<&str>, role: &str) -> String {
    named.map_or_else(|| format!("strongroom-{role}"), str::to_owned).to_lowercase()
}

fn url_of(address: &Address) -> String {
    match address {
        Address::Tcp(origin) => origin.to_string(),
        Address::Unix(path) => format!("unix://{path}"),
    }
}

fn name_of(address: &Address) -> String {
    match address {
        Address::Tcp(origin) => origin.authority(),
        Address::Unix(path) => path.clone(),
    }
}

/// So short that a token that leaked is soon worth nothing, so long that one login serves many invocations.
const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);
/// Of service tokens, which are renewed up to it.
const DEFAULT_MAX_TTL: Duration = Duration::from_secs(60 * 60);
