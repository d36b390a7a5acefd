//! The token that whoever sits here asks Vault with, where Vault's own command line looks for it.

use std::fs;

use secrecy::SecretString;
use zeroize::Zeroizing;

/// The one of `VAULT_TOKEN` or `BAO_TOKEN`, or what `vault login` has kept.
/// <https://developer.hashicorp.com/vault/docs/commands/token-helper>
pub(crate) fn at_hand() -> Option<SecretString> {
    let of_shell = |name: &str| std::env::var(name).ok().filter(|token| !token.is_empty());
    let kept = || fs::read_to_string(std::env::home_dir()?.join(".vault-token")).ok();
    let found = of_shell("VAULT_TOKEN").or_else(|| of_shell("BAO_TOKEN")).or_else(kept)?;
    let found = Zeroizing::new(found);
    let token = found.trim();
    (!token.is_empty()).then(|| token.into())
}
