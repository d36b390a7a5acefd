//! What no template can do, as commands: Vault's half, and the access key whose secret nobody but Vault is told.

use serde_json::{Map, Value};

use super::Deployment;
use crate::setup::names;
use crate::setup::step::{NewKey, Step, VaultStep};

/// Every step in Vault, in lines for a shell; what it is told is as apply tells it.
pub(super) fn of_vault(deployment: &Deployment<'_>) -> Vec<String> {
    let steps = deployment.plan.steps.iter().filter_map(|step| match step {
        Step::Vault(step) => Some(step),
        _ => None,
    });
    let mut lines = reach(deployment);
    for step in steps {
        lines.extend(command(deployment, step));
    }
    lines
}

/// Has Vault reached where it is.
pub(super) fn reach(deployment: &Deployment<'_>) -> Vec<String> {
    let namespace = deployment.wish.namespace.as_ref();
    let address = format!("export VAULT_ADDR={}", quoted(&deployment.wish.address));
    let namespace = namespace.map(|name| format!("export VAULT_NAMESPACE={}", quoted(name)));
    [address].into_iter().chain(namespace).collect()
}

/// Has an access key made and handed to Vault, past disk, state and history.
pub(super) fn hand_over(deployment: &Deployment<'_>, mount: &str, key: &NewKey) -> Vec<String> {
    let profile = deployment.accounts.profile_of(&key.account);
    let profile = profile.map(|name| format!(" --profile {}", quoted(name)));
    vec![
        format!(
            "aws iam create-access-key --user-name {}{} --output json \\",
            quoted(&key.user),
            profile.unwrap_or_default()
        ),
        "  --query '{access_key: AccessKey.AccessKeyId, secret_key: AccessKey.SecretAccessKey}' \\"
            .to_owned(),
        format!("  | vault write {} -", quoted(&format!("auth/{mount}/config/client"))),
        "sleep 15 # until AWS knows the key everywhere".to_owned(),
    ]
}

/// Has Vault replace that key.
pub(super) fn rotate(mount: &str) -> String {
    format!("vault write -f {}", quoted(&format!("auth/{mount}/config/rotate-root")))
}

fn command(deployment: &Deployment<'_>, step: &VaultStep) -> Vec<String> {
    match step {
        VaultStep::Configure { mount, fields, key, .. } => {
            let mut lines = write(&format!("auth/{mount}/config/client"), fields);
            lines.extend(key.iter().flat_map(|key| hand_over(deployment, mount, key)));
            lines
        }
        VaultStep::Enable { mount } => vec![format!(
            "vault auth enable -path={} -description={} aws",
            quoted(mount),
            quoted(names::MARK)
        )],
        VaultStep::RotateKey { mount, .. } => vec![rotate(mount)],
        VaultStep::WritePolicy { policy, text, .. } => {
            let mut lines = vec![format!("vault policy write {} - <<'EOF'", quoted(policy))];
            lines.extend(text.lines().map(str::to_owned));
            lines.push("EOF".to_owned());
            lines
        }
        VaultStep::WriteRole { mount, role, fields, .. } => {
            write(&format!("auth/{mount}/role/{role}"), fields)
        }
        VaultStep::WriteSts { mount, account, fields, .. } => {
            write(&format!("auth/{mount}/config/sts/{account}"), fields)
        }
        VaultStep::DeleteClient { .. }
        | VaultStep::DeletePolicy { .. }
        | VaultStep::DeleteRole { .. }
        | VaultStep::DeleteSts { .. }
        | VaultStep::Disable { .. } => Vec::new(),
    }
}

/// `vault write`, a field a line; what is empty is left out, as nothing is there before.
fn write(path: &str, fields: &Map<String, Value>) -> Vec<String> {
    let mut lines = vec![format!("vault write {}", quoted(path))];
    for (name, value) in fields {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Array(values) => {
                values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        if !value.is_empty() {
            // A value that begins with @ would name a file.
            let escape = if value.starts_with('@') { "\\" } else { "" };
            lines.push(format!("  {name}={}", quoted(&format!("{escape}{value}"))));
        }
    }
    let last = lines.len() - 1;
    lines[..last].iter_mut().for_each(|line| line.push_str(" \\"));
    lines
}

/// A word of a shell's.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,=@+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
