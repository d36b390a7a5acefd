//! IAM policy documents, as far as logins need them: who may assume a role, and what a principal may call.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>
//! Not here: `Not*` elements, policy variables, and conditions other than on `sts:ExternalId`.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Document {
    #[serde(rename = "Version")]
    _version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: OneOrMany<Statement>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    action: OneOrMany<String>,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, OneOrMany<String>>>,
    effect: Effect,
    principal: Option<Principal>,
    resource: Option<OneOrMany<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Principal {
    Everyone(String),
    Named(BTreeMap<String, OneOrMany<String>>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::Many(items) => items,
            Self::One(item) => std::slice::from_ref(item),
        }
    }
}

/// Who asks to assume a role.
pub(super) enum Asking<'a> {
    /// The ARNs by which a policy may name the caller, and the caller's account.
    Caller { account: &'a str, arns: &'a [String] },
    /// An AWS service such as `lambda.amazonaws.com`.
    Service(&'a str),
}

/// What a trust policy says to one who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// Trusted by name.
    Direct,
    /// The account is trusted: its own policies decide.
    IfAccountAllows,
    Refused,
}

/// What the policies of a principal say about one action on one resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Allowed,
    Denied,
    Unmentioned,
}

impl Document {
    /// Refuses what would otherwise be silently left out of the decision.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for statement in document.statement.as_slice() {
            for (operator, keys) in &statement.condition {
                if !matches!(operator.as_str(), "StringEquals" | "StringLike") {
                    return Err(format!("condition {operator} is not implemented"));
                }
                if let Some(key) =
                    keys.keys().find(|key| !key.eq_ignore_ascii_case("sts:ExternalId"))
                {
                    return Err(format!("a condition on {key} is not implemented"));
                }
            }
        }
        Ok(document)
    }

    pub(super) fn trust(&self, asking: &Asking<'_>, external_id: Option<&str>) -> Trust {
        let mut trust = Trust::Refused;
        for statement in self.statement.as_slice() {
            let named = statement.principal.as_ref().map_or(Trust::Refused, |p| p.names(asking));
            if !statement.covers("sts:AssumeRole")
                || !statement.condition_holds(external_id)
                || named == Trust::Refused
            {
                continue;
            }
            match statement.effect {
                Effect::Deny => return Trust::Refused,
                Effect::Allow if trust != Trust::Direct => trust = named,
                Effect::Allow => {}
            }
        }
        trust
    }

    fn verdict(&self, action: &str, resource: &str) -> Verdict {
        let matching = self.statement.as_slice().iter().filter(|statement| {
            let resources = statement.resource.as_ref().map_or(&[][..], OneOrMany::as_slice);
            statement.covers(action)
                && statement.condition.is_empty()
                && resources.iter().any(|pattern| glob(pattern, resource))
        });
        matching.fold(Verdict::Unmentioned, |verdict, statement| match statement.effect {
            Effect::Deny => Verdict::Denied,
            Effect::Allow if verdict == Verdict::Denied => Verdict::Denied,
            Effect::Allow => Verdict::Allowed,
        })
    }
}

/// A denial in any document beats a permission in another.
pub(super) fn decide<'a>(
    documents: impl Iterator<Item = &'a Document>,
    action: &str,
    resource: &str,
) -> Verdict {
    let verdicts = documents.map(|document| document.verdict(action, resource));
    verdicts.fold(Verdict::Unmentioned, |all, one| match (all, one) {
        (Verdict::Denied, _) | (_, Verdict::Denied) => Verdict::Denied,
        (Verdict::Allowed, _) | (_, Verdict::Allowed) => Verdict::Allowed,
        _ => Verdict::Unmentioned,
    })
}

impl Statement {
    fn covers(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.action.as_slice().iter().any(|pattern| glob(&pattern.to_ascii_lowercase(), &action))
    }

    fn condition_holds(&self, external_id: Option<&str>) -> bool {
        let mut wanted = self.condition.iter().flat_map(|(operator, keys)| {
            keys.values().map(move |values| (operator.as_str(), values.as_slice()))
        });
        wanted.all(|(operator, values)| {
            external_id.is_some_and(|given| {
                values.iter().any(|value| match operator {
                    "StringLike" => glob(value, given),
                    _ => value == given,
                })
            })
        })
    }
}

impl Principal {
    fn names(&self, asking: &Asking<'_>) -> Trust {
        let (kind, names) = match (self, asking) {
            (Self::Everyone(all), _) if all == "*" => return Trust::Direct,
            (Self::Everyone(_), _) => return Trust::Refused,
            (Self::Named(names), Asking::Caller { .. }) => ("AWS", names),
            (Self::Named(names), Asking::Service(_)) => ("Service", names),
        };
        let listed = names.get(kind).map_or(&[][..], OneOrMany::as_slice);
        match asking {
            Asking::Service(service) if listed.iter().any(|name| name == service) => Trust::Direct,
            Asking::Service(_) => Trust::Refused,
            Asking::Caller { account, arns } => {
                let root = format!("arn:aws:iam::{account}:root");
                if listed.iter().any(|name| name == "*" || arns.contains(name)) {
                    Trust::Direct
                } else if listed.iter().any(|name| name == account || *name == root) {
                    Trust::IfAccountAllows
                } else {
                    Trust::Refused
                }
            }
        }
    }
}

/// `*` stands for any text, `?` for one character.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|at| glob(rest, &text[at..]))
        }
        Some(wanted) => {
            let mut given = text.chars();
            given.next().is_some_and(|first| wanted == '?' || first == wanted)
                && glob(&pattern[wanted.len_utf8()..], given.as_str())
        }
    }
}
