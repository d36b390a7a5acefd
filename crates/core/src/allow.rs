//! Which paths clients of the local Vault API may ask for: `STRONGROOM_ALLOW`.
//!
//! A path is decoded once, as Vault decodes it, and namespace and path are matched together. What could be read in two
//! ways is refused whatever is allowed.

/// What is allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allow(Vec<Pattern>);

/// One of the patterns, in Vault's own form: <https://developer.hashicorp.com/vault/docs/concepts/policies#policy-syntax>
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern {
    /// `None` stands for any one segment.
    segments: Vec<Option<String>>,
    /// The begin of what follows, where the pattern ends with `*`.
    prefix: Option<String>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It could be read in two ways.
    #[error("has {0}, which STRONGROOM_ALLOW does not let through")]
    Ambiguous(&'static str),
    /// No pattern matches.
    #[error("is not among the paths of STRONGROOM_ALLOW")]
    Unlisted,
}

impl Allow {
    /// Reads a list of patterns, separated by commas.
    ///
    /// # Errors
    /// The first pattern that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let patterns = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
        let parsed: Result<Vec<_>, String> = patterns
            .map(|pattern| Pattern::parse(pattern).ok_or_else(|| pattern.to_owned()))
            .collect();
        parsed.and_then(|parsed| match parsed.is_empty() {
            true => Err(text.to_owned()),
            false => Ok(Self(parsed)),
        })
    }

    /// Whether a request may go up; `path` is that of its target, as it came, `namespace` that which Vault will be told.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn check(&self, namespace: Option<&str>, path: &str) -> Result<(), Refused> {
        let path = path.strip_prefix("/v1/").ok_or(Refused::Unlisted)?;
        let path = decoded_once(path)?;
        // A list may be asked for with a slash at the end.
        let path = path.strip_suffix('/').unwrap_or(&path);
        let namespace = namespace.unwrap_or_default();
        // Vault's name for having none.
        let namespace = match namespace.trim_matches('/') {
            "root" => "",
            namespace => namespace,
        };
        let segments: Vec<&str> = match namespace.is_empty() {
            true => path.split('/').collect(),
            false => namespace.split('/').chain(path.split('/')).collect(),
        };
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err(Refused::Ambiguous("an empty segment"));
        }
        if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err(Refused::Ambiguous("a dot segment"));
        }
        match self.0.iter().any(|pattern| pattern.matches(&segments)) {
            true => Ok(()),
            false => Err(Refused::Unlisted),
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('/');
        let text = text.strip_prefix("v1/").unwrap_or(text);
        let (whole, prefix) = match text.strip_suffix('*') {
            None => (text.strip_suffix('/').unwrap_or(text), None),
            Some(begin) => match begin.rsplit_once('/') {
                Some((whole, prefix)) => (whole, Some(prefix.to_owned())),
                None => ("", Some(begin.to_owned())),
            },
        };
        let is_segment = |segment: &&str| {
            !segment.is_empty() && !matches!(*segment, "." | "..") && !segment.contains(['*', '%'])
        };
        let segments: Vec<&str> = match whole.is_empty() {
            true => Vec::new(),
            false => whole.split('/').collect(),
        };
        let is_good = segments.iter().all(is_segment)
            && prefix.as_deref().is_none_or(|prefix: &str| !prefix.contains(['*', '%', '+']))
            && (prefix.is_some() || !segments.is_empty());
        is_good.then(|| Self {
            segments: segments
                .into_iter()
                .map(|segment| (segment != "+").then(|| segment.to_owned()))
                .collect(),
            prefix,
        })
    }

    fn matches(&self, segments: &[&str]) -> bool {
        let Some((begin, rest)) = segments.split_at_checked(self.segments.len()) else {
            return false;
        };
        let is_same = |(wanted, segment): (&Option<String>, &&str)| {
            wanted.as_deref().is_none_or(|wanted| wanted == *segment)
        };
        let fits = match (&self.prefix, rest) {
            (None, rest) => rest.is_empty(),
            (Some(prefix), [first, ..]) => first.starts_with(prefix.as_str()),
            (Some(_), []) => false,
        };
        fits && self.segments.iter().zip(begin).all(is_same)
    }
}

/// A path with its percent signs decoded, unless that would make another path of it.
fn decoded_once(path: &str) -> Result<String, Refused> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(Refused::Ambiguous("a percent sign without two digits"));
        };
        let byte = (high * 16 + low) as u8;
        match byte {
            b'/' | b'\\' => return Err(Refused::Ambiguous("an encoded slash")),
            0..0x20 | 0x7f => return Err(Refused::Ambiguous("an encoded control character")),
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| Refused::Ambiguous("bytes that are no UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_let_through_what_they_say_and_nothing_else() {
        let check = |patterns: &str, namespace: Option<&str>, path: &str, expect: bool| {
            let allow = Allow::parse(patterns).unwrap();
            let found = allow.check(namespace, path);
            assert_eq!(found.is_ok(), expect, "{patterns} {namespace:?} {path}: {found:?}");
        };
        let app = "kv/data/app/*, sys/health";
        check(app, None, "/v1/kv/data/app/db", true);
        check(app, None, "/v1/kv/data/app/a/b", true);
        check(app, None, "/v1/sys/health", true);
        check(app, None, "/v1/sys/health/", true);
        check(app, None, "/v1/kv/data/application", false);
        check(app, None, "/v1/kv/data/app", false);
        check(app, None, "/v1/kv/metadata/app/db", false);
        check(app, None, "/v2/kv/data/app/db", false);
        check(app, None, "/v1/sys/health/more", false);
        check("kv/data/app*", None, "/v1/kv/data/application/x", true);
        check("kv/+/app", None, "/v1/kv/metadata/app", true);
        check("kv/+/app", None, "/v1/kv/a/b/app", false);
        check("*", None, "/v1/anything/at/all", true);
        check("/v1/kv/data/app/", None, "/v1/kv/data/app", true);
        // One decoding, as in Vault.
        check(app, None, "/v1/kv/data/%61pp/db", true);
        check(app, None, "/v1/kv/data/%2561pp/db", false);
        for path in [
            "/v1/kv/data/app/../other",
            "/v1/kv/data/app/%2e%2e/other",
            "/v1/kv/data/app/.",
            "/v1/kv//data/app/x",
            "/v1//kv/data/app/x",
            "/v1/kv/data/app//",
            "/v1/kv/data/app/a%2fb",
            "/v1/kv/data/app/a%5Cb",
            "/v1/kv/data/app/%00",
            "/v1/kv/data/app/%ff",
            "/v1/kv/data/app/%",
            "//v1/kv/data/app/x",
        ] {
            check("*,kv/data/app/*", None, path, false);
        }
        // Namespace and path together.
        let team = "team/kv/data/app/*";
        check(team, Some("team"), "/v1/kv/data/app/x", true);
        check(team, Some("/team/"), "/v1/kv/data/app/x", true);
        check(team, None, "/v1/team/kv/data/app/x", true);
        check(team, None, "/v1/kv/data/app/x", false);
        check(team, Some("other"), "/v1/kv/data/app/x", false);
        check("kv/data/app/*", Some("team"), "/v1/kv/data/app/x", false);
        check("kv/data/app/*", Some("team/.."), "/v1/kv/data/app/x", false);
        check("+/data/app", Some("root"), "/v1/data/app", false);
        check("kv/data/app", Some("root/"), "/v1/kv/data/app", true);
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for wrong in ["", ",", "a//b", "kv/../x", "kv/*/x", "kv/%61", "kv/a+b*/c*", "a/+*"] {
            assert!(Allow::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Allow::parse("kv/data/app,kv/*/x"), Err("kv/*/x".to_owned()));
    }

    proptest! {
        /// The oracle knows only what Vault does: decode once, and take the path as it then is.
        #[test]
        fn no_spelling_leads_outside(path in "/v1/(kv|data|app|other|[.]|[.]{2}|%2e|%2E%2e|%2f|%252f|//?|%61pp|[a-z]){0,10}") {
            let allow = Allow::parse("kv/data/app/*").unwrap();
            if allow.check(None, &path).is_ok() {
                let plain = path.replace("%2e", ".").replace("%2E", ".").replace("%61", "a");
                prop_assert!(plain.starts_with("/v1/kv/data/app/"), "{}", path);
                prop_assert!(!plain.split('/').skip(1).any(|part| part == ".." || part == "."), "{}", path);
                prop_assert!(!plain.contains("//") && !plain.contains("%2f"), "{}", path);
            }
        }
    }
}
