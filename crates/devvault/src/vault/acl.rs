//! Which rule decides on a path, and what it permits.
//! The order of precedence is that of <https://developer.hashicorp.com/vault/docs/concepts/policies#priority-matching>.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::policy::Policies;

/// The path of a rule: exact, or with `+` for one segment and a final `*` for any rest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pattern {
    text: String,
    ends_in_glob: bool,
}

impl Pattern {
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        let ends_in_glob = path.ends_with('*');
        let text = path.strip_suffix('*').unwrap_or(path).to_owned();
        if path.contains("+*") {
            return Err(format!("path {path:?}: invalid use of wildcards ('+*' is forbidden)"));
        }
        Ok(Self { text, ends_in_glob })
    }

    fn is_exact(&self) -> bool {
        !self.ends_in_glob && self.wildcards() == 0
    }

    fn wildcards(&self) -> usize {
        self.text.split('/').filter(|segment| *segment == "+").count()
    }

    fn matches(&self, path: &str) -> bool {
        if self.wildcards() == 0 {
            return if self.ends_in_glob {
                path.starts_with(&self.text)
            } else {
                path == self.text
            };
        }
        let wanted: Vec<&str> = self.text.split('/').collect();
        let given: Vec<&str> = path.split('/').collect();
        let (last, before) = wanted.split_last().expect("split yields at least one part");
        let enough = if self.ends_in_glob {
            given.len() >= wanted.len()
        } else {
            given.len() == wanted.len()
        };
        let same = |wanted: &&str, given: &&str| *wanted == "+" || wanted == given;
        enough
            && before.iter().zip(&given).all(|(wanted, given)| same(wanted, given))
            && match given[before.len()] {
                given if self.ends_in_glob => given.starts_with(last),
                given => same(last, &given),
            }
    }

    /// The one that decides is the greater.
    fn precedence(&self, other: &Self) -> Ordering {
        let first_wildcard = |pattern: &Self| {
            let mut at = 0;
            for segment in pattern.text.split('/') {
                if segment == "+" {
                    return at;
                }
                at += segment.len() + 1;
            }
            pattern.text.len()
        };
        first_wildcard(self)
            .cmp(&first_wildcard(other))
            .then(other.ends_in_glob.cmp(&self.ends_in_glob))
            .then(other.wildcards().cmp(&self.wildcards()))
            .then(self.text.len().cmp(&other.text.len()))
            .then_with(|| self.text.cmp(&other.text))
    }
}

/// What a rule permits; `deny` beats everything beside it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Capabilities(BTreeSet<&'static str>);

/// In the order in which Vault lists them.
const CAPABILITIES: [&str; 8] =
    ["create", "delete", "deny", "list", "patch", "read", "sudo", "update"];

impl Capabilities {
    pub(super) fn allow(&mut self, word: &str) -> Result<(), String> {
        let known = CAPABILITIES.into_iter().find(|known| *known == word);
        self.0.insert(known.ok_or_else(|| format!("invalid capability {word:?}"))?);
        Ok(())
    }

    pub(super) fn allow_all(&mut self, words: &[&str]) -> Result<(), String> {
        words.iter().try_for_each(|word| self.allow(word))
    }

    fn merge(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    pub(super) fn permits(&self, capability: &str) -> bool {
        !self.0.contains("deny") && self.0.contains(capability)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty() || self.0.contains("deny")
    }

    pub(super) fn words(&self) -> Vec<&'static str> {
        if self.is_empty() { vec!["deny"] } else { self.0.iter().copied().collect() }
    }
}

/// What one token may do.
pub(super) enum Acl<'a> {
    Root,
    Rules(&'a Policies, &'a [String]),
}

impl<'a> Acl<'a> {
    pub(super) fn of(policies: &'a Policies, names: &'a [String]) -> Self {
        if names.iter().any(|name| name == "root") {
            return Self::Root;
        }
        Self::Rules(policies, names)
    }

    pub(super) fn permits(&self, path: &str, capability: &str) -> bool {
        match self {
            Self::Root => true,
            Self::Rules(..) => self.capabilities(path).permits(capability),
        }
    }

    /// The listed words of `sys/capabilities-self`.
    pub(super) fn words(&self, path: &str) -> Vec<&'static str> {
        match self {
            Self::Root => vec!["root"],
            Self::Rules(..) => self.capabilities(path).words(),
        }
    }

    /// Whether any rule could permit something at or below the mount.
    pub(super) fn sees_mount(&self, mount: &str) -> bool {
        let Self::Rules(policies, names) = self else { return true };
        policies.rules(names).any(|(pattern, capabilities)| {
            let text = pattern.text.split("/+").next().unwrap_or("");
            let text = if text.starts_with('+') { "" } else { text };
            let open = pattern.ends_in_glob || pattern.wildcards() > 0;
            !capabilities.is_empty()
                && (text.starts_with(mount) || (open && mount.starts_with(text)))
        })
    }

    fn capabilities(&self, path: &str) -> Capabilities {
        let Self::Rules(policies, names) = self else { return Capabilities::default() };
        let exact = |path: &str| {
            let matching = policies
                .rules(names)
                .filter(|(pattern, _)| pattern.is_exact() && pattern.text == path);
            merged(matching.map(|(_, capabilities)| capabilities))
        };
        // A listing's path ends in a slash that a policy may leave out.
        let found = exact(path).or_else(|| path.strip_suffix('/').and_then(exact)).or_else(|| {
            let matching = || policies.rules(names).filter(|(p, _)| p.matches(path));
            let (best, _) = matching().max_by(|(a, _), (b, _)| a.precedence(b))?;
            merged(matching().filter(|(p, _)| p == best).map(|(_, c)| c))
        });
        found.unwrap_or_default()
    }
}

fn merged<'a>(all: impl Iterator<Item = &'a Capabilities>) -> Option<Capabilities> {
    all.fold(None, |merged: Option<Capabilities>, capabilities| {
        let mut merged = merged.unwrap_or_default();
        merged.merge(capabilities);
        Some(merged)
    })
}
