//! The file that Vault's audit device writes. Tokens and secrets in it are hashed by Vault.
//! <https://developer.hashicorp.com/vault/docs/audit/file>

use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{Asker, Exchange};

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    auth: Option<Auth>,
    #[serde(default)]
    error: String,
    request: Request,
    #[serde(default)]
    response: Option<Response>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    display_name: String,
    policies: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Request {
    operation: String,
    path: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response {
    data: Option<Data>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    /// Why an auth method said no; in the clear, because set-up asks for that.
    error: Option<String>,
}

/// Every answer in the file; none if there is no file yet.
pub(super) fn read(path: &Path) -> Result<Vec<Exchange>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => {
            text.with_context(|| format!("cannot read Vault's audit file {}", path.display()))?
        }
    };
    let mut exchanges = Vec::new();
    for line in text.lines() {
        let entry: Entry = serde_json::from_str(line)
            .with_context(|| format!("a line of {} is no audit entry", path.display()))?;
        // Each request has an entry of type `request` before, from when it arrived.
        if entry.kind == "response" {
            exchanges.push(entry.into_exchange());
        }
    }
    Ok(exchanges)
}

impl Entry {
    fn into_exchange(self) -> Exchange {
        let auth = self.auth.unwrap_or_default();
        let is_root = auth.policies.iter().flatten().any(|policy| policy == "root");
        let asker = match (is_root, auth.display_name) {
            (true, _) => Asker::Root,
            (false, name) if name.is_empty() => Asker::Nobody,
            (false, name) => Asker::Token(name),
        };
        let verb = match self.request.operation.as_str() {
            "create" | "update" | "patch" => "write".to_owned(),
            other => other.to_owned(),
        };
        let said = self.response.and_then(|response| response.data?.error);
        let refusal = match (said, self.error) {
            (Some(said), _) => Some(said),
            (None, error) if error.is_empty() => None,
            (None, error) => Some(error),
        };
        Exchange { asker, path: self.request.path, refusal, verb }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_who_did_what_and_why_not() {
        let check = |line: &str, asker: Asker, verb: &str, refusal: Option<&str>| {
            let entry: Entry = serde_json::from_str(line).unwrap();
            let exchange = entry.into_exchange();
            assert_eq!((exchange.asker, exchange.verb.as_str()), (asker, verb));
            assert_eq!(exchange.refusal.as_deref(), refusal);
        };
        check(
            r#"{"type":"response","auth":{"display_name":"root","policies":["root"]},"request":{"operation":"update","path":"sys/auth/aws"}}"#,
            Asker::Root,
            "write",
            None,
        );
        check(
            r#"{"type":"response","auth":{"display_name":"aws-r/f","policies":["default"]},"request":{"operation":"read","path":"kv/data/x"},"error":"1 error occurred:\n\t* permission denied\n\n"}"#,
            Asker::Token("aws-r/f".to_owned()),
            "read",
            Some("1 error occurred:\n\t* permission denied\n\n"),
        );
        check(
            r#"{"type":"response","request":{"operation":"update","path":"auth/aws/login"},"response":{"data":{"error":"no"}},"error":"invalid request"}"#,
            Asker::Nobody,
            "write",
            Some("no"),
        );
    }
}
