//! ACL policies: what is written, in HCL or JSON, becomes rules over paths.
//! <https://developer.hashicorp.com/vault/docs/concepts/policies>

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::Value;

use super::acl::{Capabilities, Pattern};
use super::answer::{Answer, Outcome, Refusal};
use super::request::{Operation, Params};

/// What HashiCorp's `default` policy grants, as far as devvault has the endpoints.
const DEFAULT: &str = r#"
# Allow tokens to look up their own properties
path "auth/token/lookup-self" {
    capabilities = ["read"]
}

# Allow tokens to renew themselves
path "auth/token/renew-self" {
    capabilities = ["update"]
}

# Allow tokens to revoke themselves
path "auth/token/revoke-self" {
    capabilities = ["update"]
}

# Allow a token to look up its own capabilities on a path
path "sys/capabilities-self" {
    capabilities = ["update"]
}

# Allow a token to renew a lease via lease_id in the request body; old path for
# old clients, new path for newer
path "sys/renew" {
    capabilities = ["update"]
}
path "sys/leases/renew" {
    capabilities = ["update"]
}

# Allow looking up lease properties. This requires knowing the lease ID ahead
# of time and does not divulge any sensitive information.
path "sys/leases/lookup" {
    capabilities = ["update"]
}
"#;

#[derive(Clone)]
struct Policy {
    text: String,
    rules: Vec<(Pattern, Capabilities)>,
}

pub(super) struct Policies(BTreeMap<String, Policy>);

impl Policies {
    pub(super) fn new() -> Self {
        let rules = parse(DEFAULT).expect("the constant above parses");
        let default = Policy { text: DEFAULT.to_owned(), rules };
        let root = Policy { text: String::new(), rules: Vec::new() };
        Self([("default".to_owned(), default), ("root".to_owned(), root)].into())
    }

    /// The rules of the named policies; a name without a policy grants nothing.
    pub(super) fn rules<'a>(
        &'a self,
        names: &'a [String],
    ) -> impl Iterator<Item = &'a (Pattern, Capabilities)> {
        names.iter().filter_map(|name| self.0.get(name)).flat_map(|policy| &policy.rules)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// `sys/policies/acl/<name>`, and the older `sys/policy/<name>` with its own field names.
    pub(super) fn answer(
        &mut self,
        operation: Operation,
        name: &str,
        params: &Params,
        era: Era,
    ) -> Outcome {
        let given = name.trim_end_matches('/');
        let name = given.to_lowercase();
        match operation {
            Operation::List => Ok(self.names(era)),
            Operation::Read if name.is_empty() && era == Era::Old => Ok(self.names(era)),
            Operation::Read => self.read(&name, era),
            Operation::Write => {
                self.write(&name, params, era)?;
                if name == given {
                    return Ok(Answer::NoContent);
                }
                let warning = format!("policy name was converted to {name}");
                Ok(Answer::warning("system", StatusCode::OK, &warning))
            }
            Operation::Delete if name == "default" => {
                Err(Refusal::invalid("cannot delete default policy"))
            }
            Operation::Delete if name == "root" => {
                Err(Refusal::invalid("cannot delete \"root\" policy"))
            }
            Operation::Delete => {
                self.0.remove(&name);
                Ok(Answer::NoContent)
            }
            Operation::Patch => Err(Refusal::unsupported_operation()),
        }
    }

    fn names(&self, era: Era) -> Answer {
        let names: Vec<&String> = self.0.keys().collect();
        match era {
            Era::Old => Answer::repeated(serde_json::json!({ "keys": names, "policies": names })),
            Era::New => Answer::data("system", serde_json::json!({ "keys": names })),
        }
    }

    fn read(&self, name: &str, era: Era) -> Outcome {
        let policy = self.0.get(name).ok_or_else(Refusal::not_found)?;
        Ok(match era {
            Era::Old => Answer::repeated(serde_json::json!({ "name": name, "rules": policy.text })),
            Era::New => {
                Answer::data("system", serde_json::json!({ "name": name, "policy": policy.text }))
            }
        })
    }

    fn write(&mut self, name: &str, params: &Params, era: Era) -> Result<(), Refusal> {
        let rules = if era == Era::Old { params.text("rules")? } else { None };
        let given = params.text("policy")?.or(rules).filter(|text| !text.is_empty());
        let text =
            given.ok_or_else(|| Refusal::invalid("'policy' parameter not supplied or empty"))?;
        if name == "root" {
            return Err(Refusal::invalid("cannot update \"root\" policy"));
        }
        let rules = parse(&text)
            .map_err(|error| Refusal::invalid(format!("failed to parse policy: {error}")))?;
        self.0.insert(name.to_owned(), Policy { text, rules });
        Ok(())
    }
}

/// Which of the two endpoints is asked: `sys/policy` or `sys/policies/acl`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Era {
    New,
    Old,
}

fn parse(text: &str) -> Result<Vec<(Pattern, Capabilities)>, String> {
    let document: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        hcl::from_str(text).map_err(|error| error.to_string())?
    };
    let sections = document.as_object().ok_or("expected an object")?;
    if let Some(unknown) = sections.keys().find(|key| !matches!(key.as_str(), "path" | "name")) {
        return Err(format!("invalid key {unknown:?}"));
    }
    let Some(paths) = sections.get("path") else { return Ok(Vec::new()) };
    let paths = paths.as_object().ok_or("path: expected an object")?;
    let mut rules = Vec::new();
    for (path, stanza) in paths {
        // Two blocks with one label become a list.
        let stanzas = match stanza {
            Value::Array(stanzas) => stanzas.as_slice(),
            stanza => std::slice::from_ref(stanza),
        };
        let path = path.trim_start_matches('/');
        let pattern = Pattern::parse(path)?;
        for stanza in stanzas {
            let capabilities =
                capabilities(stanza).map_err(|error| format!("path {path:?}: {error}"))?;
            rules.push((pattern.clone(), capabilities));
        }
    }
    Ok(rules)
}

fn capabilities(stanza: &Value) -> Result<Capabilities, String> {
    let fields = stanza.as_object().ok_or("expected an object")?;
    let mut capabilities = Capabilities::default();
    for (name, value) in fields {
        match name.as_str() {
            "capabilities" => {
                let words = value.as_array().ok_or("capabilities: expected a list")?;
                for word in words {
                    let word = word.as_str().ok_or("capabilities: expected strings")?;
                    capabilities.allow(word)?;
                }
            }
            // The shorthand from before capabilities existed.
            "policy" => match value.as_str() {
                Some("deny") => capabilities.allow("deny")?,
                Some("read") => capabilities.allow_all(&["read", "list"])?,
                Some("write") => {
                    capabilities.allow_all(&["create", "read", "update", "delete", "list"])?;
                }
                Some("sudo") => {
                    capabilities
                        .allow_all(&["create", "read", "update", "delete", "list", "sudo"])?;
                }
                _ => return Err("invalid policy".to_owned()),
            },
            other => return Err(format!("{other} is not implemented by devvault")),
        }
    }
    Ok(capabilities)
}
