//! References to secrets in the values of variables, and what stands there in their place.
//!
//! ```text
//! vault:<path>#<field>[#<version>][|<default>]          a whole value
//! ...${vault:<path>#<field>[#<version>][|<default>]}...  within one
//! ```
//! The `#` is what makes it a reference: `vault:v1:...`, which is ciphertext of the transit engine, `vault:8200` and
//! whatever else has none stay as they are. `\#`, `\|` and, within braces, `\}` are the characters themselves; in a
//! value with a reference, `$${` is a literal `${`.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// A secret as Vault is asked for it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SecretId {
    /// Its path below `/v1/`, without slashes around it.
    pub path: String,
    /// The version of a KV v2 secret; `None` for the newest, and for all other engines.
    pub version: Option<u32>,
}

impl SecretId {
    /// The newest version at `path`, written with or without slashes around it.
    pub fn newest(path: &str) -> Self {
        Self { path: without_empty_segments(path), version: None }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.version.map_or(Ok(()), |version| write!(f, " version {version}"))
    }
}

/// What of a secret's data is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Field {
    /// `*`: all of it, as a JSON object.
    All,
    /// One field; with dots, one within others, unless a field has that very name.
    Named(String),
}

impl Field {
    /// Reads a field.
    pub fn parse(text: &str) -> Self {
        if text == "*" { Self::All } else { Self::Named(text.to_owned()) }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// One reference.
#[derive(Clone, Eq, PartialEq)]
pub struct Reference {
    /// The secret.
    pub secret: SecretId,
    /// What of it.
    pub field: Field,
    /// What stands in its place if the secret or the field is not there.
    pub default: Option<Zeroizing<String>>,
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference")
            .field("secret", &self.secret)
            .field("field", &self.field)
            .field("has_default", &self.default.is_some())
            .finish()
    }
}

/// A value that holds references.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Eq, PartialEq)]
enum Piece {
    Reference(Reference),
    Text(String),
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => reference.fmt(f),
            // It may be half a password.
            Self::Text(_) => f.write_str("Text"),
        }
    }
}

/// Why a value that means to refer to a secret does not.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Malformed {
    /// Nothing between `#` and what follows.
    #[error("has a reference without a field")]
    NoField,
    /// Nothing before the `#`.
    #[error("has a reference without a path")]
    NoPath,
    /// `${vault:` without `}`.
    #[error("has a reference that no }} closes")]
    Unclosed,
    /// What follows the second `#` is no number above zero.
    #[error("has a reference whose version is no number above zero")]
    Version,
}

impl Template {
    /// Its references, in the order in which they stand.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference),
            Piece::Text(_) => None,
        })
    }

    /// The value, with what `resolve` gives in place of each reference.
    ///
    /// # Errors
    /// The first that `resolve` has.
    pub fn resolved<E>(
        &self,
        mut resolve: impl FnMut(&Reference) -> Result<Zeroizing<String>, E>,
    ) -> Result<Zeroizing<String>, E> {
        let mut pieces = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            pieces.push(match piece {
                Piece::Reference(reference) => resolve(reference)?,
                Piece::Text(text) => Zeroizing::new(text.clone()),
            });
        }
        // In one allocation, as what grows leaves copies behind.
        let mut whole = String::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
        pieces.iter().for_each(|piece| whole.push_str(piece));
        Ok(Zeroizing::new(whole))
    }
}

/// Whether references are looked for in a variable of this name: not in those of AWS, of Vault's and OpenBao's clients,
/// of vault-lambda-extension, and in our own.
pub fn is_resolvable_name(name: &str) -> bool {
    !["AWS_", "VAULT_", "BAO_", "VLE_", "STRONGROOM_"].iter().any(|begin| name.starts_with(begin))
}

/// The references in a value; `None` if it has none and stays as it is.
///
/// # Errors
/// [`Malformed`] if the value means to refer to a secret, but does not say which.
pub fn parse(value: &str) -> Result<Option<Template>, Malformed> {
    if value.contains(OPENING) {
        return parse_within(value);
    }
    match value.strip_prefix(SCHEME) {
        Some(body) if find_unescaped(body, '#').is_some() => {
            let reference = parse_reference(body, &['#', '|'])?;
            Ok(Some(Template(vec![Piece::Reference(reference)])))
        }
        _ => Ok(None),
    }
}

/// A value that is this reference, as [`parse`] reads it.
pub fn write(secret: &SecretId, field: &str, default: Option<&str>) -> String {
    let mut text = SCHEME.to_owned();
    push_escaped(&mut text, &secret.path);
    text.push('#');
    push_escaped(&mut text, field);
    if let Some(version) = secret.version {
        text.push_str(&format!("#{version}"));
    }
    if let Some(default) = default {
        text.push('|');
        push_escaped(&mut text, default);
    }
    text
}

fn parse_within(value: &str) -> Result<Option<Template>, Malformed> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut has_reference = false;
    let mut rest = value;
    while let Some(at) = rest.find("${") {
        // A literal `${`; it is known to be meant as one when there is a reference besides.
        if rest[..at].ends_with('$') {
            text.push_str(&rest[..at - 1]);
            text.push_str("${");
            let body = rest[at..].strip_prefix(OPENING).unwrap_or_default();
            has_reference |= find_unescaped(&body[..end_of(body)], '#').is_some();
            rest = &rest[at + 2..];
            continue;
        }
        text.push_str(&rest[..at]);
        let Some(body) = rest[at..].strip_prefix(OPENING) else {
            text.push_str("${");
            rest = &rest[at + 2..];
            continue;
        };
        let end = end_of(body);
        if find_unescaped(&body[..end], '#').is_none() {
            text.push_str(OPENING);
            rest = body;
            continue;
        }
        if end == body.len() {
            return Err(Malformed::Unclosed);
        }
        has_reference = true;
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Reference(parse_reference(&body[..end], &['#', '|', '}'])?));
        rest = &body[end + 1..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(has_reference.then_some(Template(pieces)))
}

/// Where the braces end, or the text.
fn end_of(body: &str) -> usize {
    find_unescaped(body, '}').unwrap_or(body.len())
}

/// What stands between the scheme and the end; `escaped` are the characters that a backslash makes themselves.
fn parse_reference(body: &str, escaped: &[char]) -> Result<Reference, Malformed> {
    let (path, rest) = split_at_unescaped(body, '#');
    let (place, default) = split_at_unescaped(rest.unwrap_or_default(), '|');
    let (field, version) = split_at_unescaped(place, '#');
    let path = without_empty_segments(&unescaped(path, escaped));
    let field = unescaped(field, escaped);
    let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let version = match version {
        None => None,
        Some(text) => Some(
            Some(text)
                .filter(is_number)
                .and_then(|text| text.parse().ok())
                .filter(|version| *version > 0)
                .ok_or(Malformed::Version)?,
        ),
    };
    match (path.is_empty(), field.is_empty()) {
        (true, _) => Err(Malformed::NoPath),
        (_, true) => Err(Malformed::NoField),
        _ => Ok(Reference {
            secret: SecretId { path, version },
            field: Field::parse(&field),
            default: default.map(|default| Zeroizing::new(unescaped(default, escaped))),
        }),
    }
}

fn without_empty_segments(path: &str) -> String {
    path.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/")
}

fn split_at_unescaped(text: &str, character: char) -> (&str, Option<&str>) {
    match find_unescaped(text, character) {
        Some(at) => (&text[..at], Some(&text[at + character.len_utf8()..])),
        None => (text, None),
    }
}

fn find_unescaped(text: &str, character: char) -> Option<usize> {
    text.match_indices(character).map(|(at, _)| at).find(|at| !text[..*at].ends_with('\\'))
}

fn unescaped(text: &str, escaped: &[char]) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.next_if(|next| character == '\\' && escaped.contains(next)) {
            Some(next) => plain.push(next),
            None => plain.push(character),
        }
    }
    plain
}

fn push_escaped(text: &mut String, part: &str) {
    for character in part.chars() {
        if matches!(character, '#' | '|') {
            text.push('\\');
        }
        text.push(character);
    }
}

const SCHEME: &str = "vault:";
const OPENING: &str = "${vault:";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The value with each reference shown as `<path@version field=default>`.
    fn shown(value: &str) -> Result<Option<String>, Malformed> {
        Ok(parse(value)?.map(|template| {
            let show = |reference: &Reference| {
                let version =
                    reference.secret.version.map_or_else(String::new, |v| format!("@{v}"));
                let default =
                    reference.default.as_ref().map_or_else(String::new, |d| format!("={}", **d));
                let shown =
                    format!("<{}{version} {}{default}>", reference.secret.path, reference.field);
                Ok::<_, ()>(Zeroizing::new(shown))
            };
            template.resolved(show).unwrap().to_string()
        }))
    }

    #[test]
    fn a_reference_says_path_field_version_and_default() {
        let check = |value: &str, expect: &str| {
            assert_eq!(shown(value), Ok(Some(expect.to_owned())), "{value}");
        };
        check("vault:kv/data/app#password", "<kv/data/app password>");
        check("vault:/kv//data/app/#password", "<kv/data/app password>");
        check("vault:kv/data/app#*", "<kv/data/app *>");
        check("vault:kv/data/app#a.b", "<kv/data/app a.b>");
        check("vault:kv/data/app#password#3", "<kv/data/app@3 password>");
        check("vault:kv/data/app#password|none", "<kv/data/app password=none>");
        check("vault:kv/data/app#password|", "<kv/data/app password=>");
        check("vault:kv/data/app#password#3|a|b#c", "<kv/data/app@3 password=a|b#c>");
        check(r"vault:a\#b/c#d\#e\|f|g\|h\i", r"<a#b/c d#e|f=g|h\i>");
        check("vault:kv/data/app#p}|{}", "<kv/data/app p}={}>");
        check("a${vault:x#y}b${vault:x#z}c", "a<x y>b<x z>c");
        check("${vault:x#y}", "<x y>");
        check(r"${vault:x#y|\}\|}", "<x y=}|>");
        check("$${vault:x#y}", "${vault:x#y}");
        check("$${HOME} ${vault:x#y} ${HOME} $HOME $$", "${HOME} <x y> ${HOME} $HOME $$");
        check("${vault:8200} ${vault:x#y}", "${vault:8200} <x y>");
        check("vault:8200/${vault:x#y}", "vault:8200/<x y>");
        check("${vault:a ${vault:b#c}", "<a ${vault:b c>");
    }

    #[test]
    fn what_is_no_reference_stays_as_it_is() {
        for value in [
            "",
            "vault:8200",
            "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==",
            r"vault:a\#b",
            "Vault:a#b",
            " vault:a#b",
            "https://vault:8200/#/login",
            "${vault:a}",
            "${vault:a",
            "${HOME}#x",
            "$${HOME}",
            "$${vault:8200}",
            "vault",
        ] {
            assert_eq!(parse(value), Ok(None), "{value}");
        }
    }

    #[test]
    fn a_reference_that_says_too_little_is_refused() {
        let check = |value, expect| assert_eq!(parse(value), Err(expect), "{value}");
        check("vault:#a", Malformed::NoPath);
        check("vault:/#a", Malformed::NoPath);
        check("vault:a#", Malformed::NoField);
        check("vault:a#|b", Malformed::NoField);
        check("vault:a#b#", Malformed::Version);
        check("vault:a#b#0", Malformed::Version);
        check("vault:a#b#+1", Malformed::Version);
        check("vault:a#b#99999999999", Malformed::Version);
        check("${vault:a#b", Malformed::Unclosed);
        check(r"${vault:a#b\}", Malformed::Unclosed);
    }

    #[test]
    fn variables_of_the_platform_and_of_vault_are_not_resolved() {
        for name in ["AWS_X", "VAULT_TOKEN", "BAO_TOKEN", "VLE_VAULT_ADDR", "STRONGROOM_X"] {
            assert!(!is_resolvable_name(name), "{name}");
        }
        assert!(is_resolvable_name("DB_PASSWORD") && is_resolvable_name("MY_VAULT_X"));
    }

    #[test]
    fn neither_defaults_nor_surrounding_text_are_shown_in_debug_output() {
        let template = parse("user:half${vault:a#b|fallback}").unwrap().unwrap();
        let shown = format!("{template:?}");
        assert!(!shown.contains("half") && !shown.contains("fallback"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_value_is_parsed_or_refused_and_no_text_is_lost(value in "(\\$|\\{|\\}|vault:|#|\\||\\\\|a|/|1){0,24}") {
            if let Ok(Some(template)) = parse(&value) {
                let kept = template.resolved(|_| Ok::<_, ()>(Zeroizing::new(String::new()))).unwrap();
                prop_assert!(kept.len() <= value.len());
            }
        }

        #[test]
        fn what_is_written_is_read_again(
            path in "[a-z#|]([a-z#|/\\\\]{0,6}[a-z#|])?", field in "[a-z.#|]{1,8}",
            version in proptest::option::of(1u32..), default in proptest::option::of("[ -~]{0,8}"),
        ) {
            let secret = SecretId { version, ..SecretId::newest(&path) };
            prop_assume!(!path.contains(['\\']));
            prop_assume!(!default.as_deref().unwrap_or_default().contains(['\\', '{']));
            let value = write(&secret, &field, default.as_deref());
            let template = parse(&value).unwrap().unwrap();
            let [Piece::Reference(read)] = &template.0[..] else { panic!("{value}") };
            prop_assert_eq!(&read.secret, &secret);
            prop_assert_eq!(read.field.to_string(), field);
            prop_assert_eq!(read.default.as_ref().map(|default| default.to_string()), default);
        }
    }
}
