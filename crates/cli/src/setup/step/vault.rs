//! Steps in Vault.

use anyhow::{Context as _, Result, bail};
use aws_sdk_iam::types::Tag;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Change, Hands, Line};
use crate::aws::told;
use crate::setup::accounts::Account;
use crate::setup::names;

/// A step in Vault; `mount` is the auth method's path without `auth/`.
#[derive(Debug)]
pub(in crate::setup) enum VaultStep {
    Configure {
        mount: String,
        fields: Map<String, Value>,
        key: Option<NewKey>,
        how: Vec<String>,
        is_new: bool,
    },
    DeleteClient {
        mount: String,
    },
    DeletePolicy {
        policy: String,
    },
    DeleteRole {
        mount: String,
        role: String,
    },
    DeleteSts {
        mount: String,
        account: String,
    },
    Disable {
        mount: String,
    },
    Enable {
        mount: String,
    },
    /// Has Vault replace the key of this user.
    RotateKey {
        mount: String,
        user: NewKey,
    },
    /// `how` names what changes; `is_new` if there is none yet, and `anew` if the old one goes first.
    WriteRole {
        mount: String,
        role: String,
        fields: Map<String, Value>,
        how: Vec<String>,
        is_new: bool,
        anew: bool,
    },
    WritePolicy {
        policy: String,
        text: String,
        is_new: bool,
    },
    WriteSts {
        mount: String,
        account: String,
        fields: Map<String, Value>,
        is_new: bool,
    },
}

/// An access key that is made on the way, and that nobody but Vault is told.
#[derive(Clone, Debug)]
pub(in crate::setup) struct NewKey {
    /// The account's number.
    pub(in crate::setup) account: String,
    pub(in crate::setup) user: String,
}

impl VaultStep {
    pub(super) fn line(&self) -> Line {
        let written = |is_new: bool| if is_new { Change::Make } else { Change::Alter };
        let (change, what, how) = match self {
            Self::Configure { mount, how, is_new, .. } => {
                (written(*is_new), format!("auth/{mount}/config/client"), how.clone())
            }
            Self::DeleteClient { mount } => {
                (Change::Remove, format!("auth/{mount}/config/client"), Vec::new())
            }
            Self::DeletePolicy { policy } => {
                (Change::Remove, format!("policy {policy}"), Vec::new())
            }
            Self::DeleteRole { mount, role } => {
                (Change::Remove, format!("auth/{mount}/role/{role}"), Vec::new())
            }
            Self::DeleteSts { mount, account } => {
                (Change::Remove, format!("auth/{mount}/config/sts/{account}"), Vec::new())
            }
            Self::Disable { mount } => (
                Change::Remove,
                format!("auth method auth/{mount}"),
                vec!["and every token that came of it".to_owned()],
            ),
            Self::Enable { mount } => {
                (Change::Make, format!("auth method auth/{mount}"), vec!["type aws".to_owned()])
            }
            Self::RotateKey { mount, .. } => (
                Change::Alter,
                format!("auth/{mount}/config/rotate-root"),
                vec!["Vault replaces its access key by one that nobody has seen".to_owned()],
            ),
            Self::WriteRole { mount, role, how, is_new, .. } => {
                (written(*is_new), format!("auth/{mount}/role/{role}"), how.clone())
            }
            Self::WritePolicy { policy, text, is_new } => (
                written(*is_new),
                format!("policy {policy}"),
                text.lines()
                    .filter_map(|line| line.strip_prefix("path ")?.strip_suffix(" {"))
                    .map(|path| format!("read {}", path.trim_matches('"')))
                    .collect(),
            ),
            Self::WriteSts { mount, account, fields, is_new } => (
                written(*is_new),
                format!("auth/{mount}/config/sts/{account}"),
                fields.iter().map(|(name, value)| format!("{name} = {value}")).collect(),
            ),
        };
        Line { change, what, how }
    }

    pub(super) async fn take(&self, hands: &Hands<'_>) -> Result<()> {
        let admin = hands.admin;
        match self {
            Self::Configure { mount, fields, key, .. } => {
                let path = format!("auth/{mount}/config/client");
                match key {
                    None => admin.write(&path, fields).await?,
                    Some(key) => {
                        let account = hands.accounts.by_id(&key.account)?;
                        let key = AccessKey::make(account, &key.user).await?;
                        hands.has_made.set(true);
                        admin.write_body(&path, key.among(fields)?).await?;
                    }
                }
                kept(hands, &path, fields).await
            }
            Self::DeleteClient { mount } => {
                admin.delete(&format!("auth/{mount}/config/client")).await
            }
            Self::DeletePolicy { policy } => {
                admin.delete(&format!("sys/policies/acl/{policy}")).await
            }
            Self::DeleteRole { mount, role } => {
                admin.delete(&format!("auth/{mount}/role/{role}")).await
            }
            Self::DeleteSts { mount, account } => {
                admin.delete(&format!("auth/{mount}/config/sts/{account}")).await
            }
            Self::Disable { mount } => admin.delete(&format!("sys/auth/{mount}")).await,
            Self::Enable { mount } => {
                let fields = json!({ "type": "aws", "description": names::MARK });
                let enabled = admin.write(&format!("sys/auth/{mount}"), &fields).await;
                enabled.context(
                    "cannot enable the auth method; hint: OpenBao has it as a plugin that an administrator registers first",
                )
            }
            Self::RotateKey { mount, user } => rotate(hands, mount, user).await,
            Self::WriteRole { mount, role, fields, anew, .. } => {
                let path = format!("auth/{mount}/role/{role}");
                if *anew {
                    admin.delete(&path).await?;
                }
                hands.once_known(UNKNOWN_KEY, || admin.write(&path, fields)).await
            }
            Self::WritePolicy { policy, text, .. } => {
                let fields = json!({ "policy": text });
                admin.write(&format!("sys/policies/acl/{policy}"), &fields).await
            }
            Self::WriteSts { mount, account, fields, .. } => {
                admin.write(&format!("auth/{mount}/config/sts/{account}"), fields).await
            }
        }
    }
}

/// Has Vault replace its access key. One that cannot is not asked for it again.
async fn rotate(hands: &Hands<'_>, mount: &str, of: &NewKey) -> Result<()> {
    let path = format!("auth/{mount}/config/rotate-root");
    let nothing = json!({});
    let rotate = || hands.admin.write_if_known(&path, &nothing);
    let account = hands.accounts.by_id(&of.account)?;
    match hands.once_known(UNKNOWN_KEY, rotate).await {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        // For this it asks IAM in the region of its own process, whatever it is configured with, or in us-east-1.
        Err(error) if account.caller.partition != "aws" => {
            hands.told.borrow_mut().push(format!(
                "Vault has not replaced its access key, and the one that it was given stays: {error:#}; hint: set AWS_REGION \
                 in the environment of the Vault server to a region of {}, restart it and apply again",
                account.caller.partition
            ));
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let untag =
        account.iam.untag_user().user_name(&of.user).tag_keys(names::FIRST_KEY_TAG).send().await;
    untag.map_err(|error| told(&error)).context("cannot note that the key stays")?;
    hands.told.borrow_mut().push(
        "this Vault cannot replace its access key: the one that it was given stays; replace it from time to time by deleting \
         it in IAM and applying again"
            .to_owned(),
    );
    Ok(())
}

/// Sees that Vault has kept what was written: an older one takes no notice of fields that it does not know.
async fn kept(hands: &Hands<'_>, path: &str, fields: &Map<String, Value>) -> Result<()> {
    let found = hands.admin.read(path).await?.unwrap_or_default();
    // The secret is shown to nobody.
    for (name, value) in fields.iter().filter(|(name, _)| *name != "secret_key") {
        if found.get(name).is_some_and(|found| found != value)
            || (found.get(name).is_none() && *value != false)
        {
            bail!(
                "Vault has not kept {name} of {path}; hint: it may be too old for it: write sts_region = \"...\" in \
                 [setup.vault] to have one region's endpoint configured"
            );
        }
    }
    Ok(())
}

/// An access key with its secret.
struct AccessKey {
    id: String,
    secret: SecretString,
}

/// What Vault is sent. The secret goes from one buffer to the other, and both are wiped.
#[derive(Serialize)]
struct WithKey<'a> {
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
    access_key: &'a str,
    #[serde(serialize_with = "exposed")]
    secret_key: &'a SecretString,
}

impl AccessKey {
    async fn make(account: &Account, user: &str) -> Result<Self> {
        let made = account.iam.create_access_key().user_name(user).send().await;
        let made = made.map_err(|error| told(&error)).context("cannot make an access key")?;
        let key = made.access_key.context("IAM made no access key")?;
        let tag = Tag::builder().key(names::FIRST_KEY_TAG).value(&key.access_key_id).build()?;
        let tagged = account.iam.tag_user().user_name(user).tags(tag).send().await;
        tagged.map_err(|error| told(&error)).context("cannot note which key is new")?;
        Ok(Self { id: key.access_key_id, secret: key.secret_access_key.into() })
    }

    fn among(&self, fields: &Map<String, Value>) -> Result<Zeroizing<Vec<u8>>> {
        let mut body = Zeroizing::new(Vec::with_capacity(4 * 1024));
        let document = WithKey { fields, access_key: &self.id, secret_key: &self.secret };
        serde_json::to_writer(&mut *body, &document)?;
        Ok(body)
    }
}

/// Listed: this is how Vault is given its key.
fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// What Vault passes on from AWS while a key or a role is not known everywhere yet.
const UNKNOWN_KEY: &[&str] =
    &["InvalidClientTokenId", "NoSuchEntity", "AccessDenied", "SignatureDoesNotMatch"];
