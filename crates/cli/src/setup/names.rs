//! What everything that setup makes is called, and how it knows its own again: by tags in AWS, by words in Vault.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{FoundFunction, Principal};
use super::wish::{Function, Wish};

/// On whatever was made in AWS: for which auth method, or for which role of it.
pub(super) const OWNER_TAG: &str = "strongroom:setup";
/// On a user: the id of the access key that Vault was given first, and has not replaced by one of its own while it uses
/// it.
pub(super) const FIRST_KEY_TAG: &str = "strongroom:first-key";
/// On a function: the names of the variables that were set. More of them are in tags with a number behind.
const VARIABLES_TAG: &str = "strongroom:variables";
/// The description of an auth method that was made.
pub(super) const MARK: &str = "made by strongroom setup";
/// The IAM role by which Vault looks into another account.
pub(super) const LOOK_UP_ROLE: &str = "strongroom-vault-look-up";
/// What lets an IAM user replace its own access key.
pub(super) const KEY_POLICY: &str = "strongroom-own-access-key";
/// What lets a function's role write its log.
pub(super) const LOG_POLICY: &str = "strongroom-logs";
/// What lets a function's role assume the one that it logs in as.
pub(super) const ASSUME_POLICY: &str = "strongroom-assume-role";

/// The name of a function's IAM role: as named, as it is, or after the function.
pub(super) fn role_of(function: &Function, found: Option<&FoundFunction>) -> String {
    let named = function.role.clone();
    let present = || Some(Principal::parse(&found?.role).ok()?.name);
    named.or_else(present).unwrap_or_else(|| format!("{}-role", function.name))
}

/// What lets Vault look up the IAM roles of one of its own roles.
pub(super) fn look_up_policy(wish: &Wish) -> String {
    let name = format!("{LOOK_UP_PREFIX}{}-{}", wish.mount, wish.role);
    // <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html>
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    name.chars().map(|c| if is_allowed(c) { c } else { '-' }).take(128).collect()
}

/// Whether a policy lets Vault look up IAM roles for one of its roles, be it another.
pub(super) fn is_look_up_policy(name: &str) -> bool {
    name.starts_with(LOOK_UP_PREFIX)
}

/// The tags that keep the names of variables.
pub(super) fn tags_of_variables(names: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut values = vec![String::new()];
    for name in names {
        let last = values.last_mut().filter(|last| last.len() + 1 + name.len() <= LONGEST_TAG);
        match last {
            Some(last) if last.is_empty() => last.push_str(name),
            Some(last) => {
                last.push(' ');
                last.push_str(name);
            }
            None => values.push(name.clone()),
        }
    }
    let values = values.into_iter().filter(|value| !value.is_empty()).enumerate();
    let named = values.map(|(index, value)| match index {
        0 => (VARIABLES_TAG.to_owned(), value),
        _ => (format!("{VARIABLES_TAG}-{index}"), value),
    });
    named.collect()
}

/// The names of variables that tags keep, and the keys of those tags.
pub(super) fn variables_of_tags(
    tags: &BTreeMap<String, String>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let ours = tags.iter().filter(|(key, _)| key.starts_with(VARIABLES_TAG));
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for (key, value) in ours {
        keys.insert(key.clone());
        names.extend(value.split(' ').map(str::to_owned));
    }
    (names, keys)
}

const LOOK_UP_PREFIX: &str = "strongroom-look-up-";
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html>
const LONGEST_TAG: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_survive_in_tags() {
        for count in [0, 1, 3, 50, 300] {
            let names: BTreeSet<_> = (0..count).map(|n| format!("VAULT_SECRET_PATH_{n}")).collect();
            let mut tags = tags_of_variables(&names);
            assert!(tags.values().all(|value| value.len() <= LONGEST_TAG), "{tags:?}");
            let keys: BTreeSet<_> = tags.keys().cloned().collect();
            tags.insert("team".to_owned(), "payments".to_owned());
            assert_eq!(variables_of_tags(&tags), (names, keys));
        }
    }
}
