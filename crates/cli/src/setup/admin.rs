//! Vault as an administrator asks it, by the token at hand and through our own client.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use http::Method;
use serde::Serialize;
use serde_json::Value;
use strongroom_core::settings::{self, Environment, variables as v};
use strongroom_vault::client::{Client, Engine, Namespace, Reply, Request};
use strongroom_vault::clock::Clock;
use strongroom_vault::error::{Error, chain};
use strongroom_vault::forward::Forward;
use strongroom_vault::http::{Connector, Freeze, Limits, Progress};
use strongroom_vault::tls::Peer;
use strongroom_vault::token::Token;
use zeroize::Zeroizing;

use crate::vault_token;

/// Vault, with the right to set it up.
#[derive(Debug)]
pub(super) struct Admin {
    client: Client,
    token: Token,
}

impl Admin {
    /// Reaches Vault as `settings` say, or otherwise where the shell's variables for Vault's clients say otherwise; nothing
    /// is sent yet.
    ///
    /// # Errors
    /// There is no token, or the variables are wrong.
    pub(super) fn new(settings: &Environment) -> Result<Self> {
        let shell = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let variables = reached_by(settings, &shell);
        let token = vault_token::at_hand().context(
            "there is no token for Vault; hint: log in by vault login, or set VAULT_TOKEN to one that may do what \
             docs/setup.md lists",
        )?;
        let token = Token::given(token);
        let token =
            token.context("VAULT_TOKEN contains characters that no HTTP header can carry")?;
        let forward = Forward::from_environment(&shell);
        Ok(Self { client: client(variables, forward)?, token })
    }

    /// What is at `path`, if anything is.
    ///
    /// # Errors
    /// Vault refuses or does not answer.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Value>> {
        let reply = self.send(Method::GET, path, Zeroizing::default()).await?;
        let data = |reply: Reply| reply.body.get("data").cloned().unwrap_or(Value::Null);
        Ok((reply.status != 404).then(|| data(reply)))
    }

    /// The names below `path`.
    ///
    /// # Errors
    /// Vault refuses or does not answer.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<String>> {
        let list = Method::from_bytes(b"LIST").context("LIST is a word")?;
        let reply = self.send(list, path, Zeroizing::default()).await?;
        let names = reply.body["data"]["keys"].as_array().into_iter().flatten();
        Ok(names.filter_map(|name| Some(name.as_str()?.to_owned())).collect())
    }

    /// Writes `fields` to `path`.
    ///
    /// # Errors
    /// Vault refuses or does not answer.
    pub(super) async fn write(&self, path: &str, fields: &impl Serialize) -> Result<()> {
        self.write_body(path, Zeroizing::new(serde_json::to_vec(fields)?)).await
    }

    /// Writes a document that may hold secrets.
    ///
    /// # Errors
    /// Vault refuses or does not answer.
    pub(super) async fn write_body(&self, path: &str, body: Zeroizing<Vec<u8>>) -> Result<()> {
        let reply = self.send(Method::POST, path, body).await?;
        if reply.status == 404 {
            bail!("Vault knows no {path}; hint: is it too old for this?");
        }
        Ok(())
    }

    /// Writes `fields` to `path`; whether Vault knows such a path.
    ///
    /// # Errors
    /// Vault refuses or does not answer.
    pub(super) async fn write_if_known(&self, path: &str, fields: &impl Serialize) -> Result<bool> {
        let body = Zeroizing::new(serde_json::to_vec(fields)?);
        Ok(self.send(Method::POST, path, body).await?.status != 404)
    }

    /// Takes away what is at `path`; that nothing is there is no error.
    ///
    /// # Errors
    /// Vault refuses or does not answer.
    pub(super) async fn delete(&self, path: &str) -> Result<()> {
        self.send(Method::DELETE, path, Zeroizing::default()).await.map(|_| ())
    }

    /// Which secrets engine `path` leads to; `None` if there is none, or the token may not know.
    ///
    /// # Errors
    /// Vault does not answer.
    pub(super) async fn engine_of(&self, path: &str) -> Result<Option<Engine>> {
        let deadline = self.client.clock().deadline_in(PATIENCE);
        self.client.engine(path, &self.token, deadline).await.map_err(|error| told(&error))
    }

    /// What the server says of itself to anyone.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) async fn seal_status(&self) -> Result<Value> {
        let deadline = self.client.clock().deadline_in(PATIENCE);
        let request = Request { namespace: Namespace::Root, ..Request::read("sys/seal-status") };
        let reply = self.client.request(request, None, deadline).await;
        reply.map(|reply| reply.body).map_err(|error| told(&error))
    }

    async fn send(&self, method: Method, path: &str, body: Zeroizing<Vec<u8>>) -> Result<Reply> {
        let deadline = self.client.clock().deadline_in(PATIENCE);
        let request = Request { method, body, ..Request::read(path) };
        let reply = self.client.request(request, Some(&self.token), deadline).await;
        reply.map_err(|error| told(&error))
    }
}

fn client(variables: Vec<(String, String)>, forward: Forward) -> Result<Client> {
    let environment = Environment::new(variables);
    let (settings, found) = settings::parse(&environment);
    let settings = settings.ok_or_else(|| {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        anyhow!("Vault cannot be reached so: {}", errors.join("; "))
    })?;
    let clock = Clock::system();
    let connector =
        Connector::new(settings.vault.tls.clone(), Peer::Vault, forward, Progress::default());
    let limits = Limits { connections: 4, idle: Duration::from_secs(5) };
    let freeze = Freeze::new(clock.clone());
    let client = Client::new(settings.vault, connector, clock, freeze, limits, USER_AGENT);
    client.map_err(|error| told(&error))
}

/// How an administrator reaches Vault: the settings' own variables, but the shell's where it has any of Vault's.
/// The namespace is the settings' alone, as that is where everything is to be.
fn reached_by(
    settings: &Environment,
    shell: &impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let here = |name: &str| {
        let twin = name.strip_prefix("VAULT_").map(|rest| format!("BAO_{rest}"));
        shell(name).or_else(|| shell(&twin?))
    };
    let is_here = |names: &[&str]| names.iter().any(|name| here(name).is_some());
    let mut variables = vec![
        // In place of a login: the token itself is sent with each request.
        (v::VAULT_TOKEN.to_owned(), "given".to_owned()),
        (v::VAULT_CLIENT_TIMEOUT.to_owned(), format!("{}s", PATIENCE.as_secs())),
    ];
    for group in REACHED_BY {
        let from_shell = is_here(group);
        for name in *group {
            let value = match from_shell {
                true => here(name),
                false => settings.client(name).map(str::to_owned),
            };
            variables.extend(value.map(|value| ((*name).to_owned(), value)));
        }
    }
    let namespace = settings.client(v::VAULT_NAMESPACE).map(str::to_owned);
    variables.extend(namespace.map(|value| (v::VAULT_NAMESPACE.to_owned(), value)));
    variables
}

fn told(error: &Error) -> anyhow::Error {
    match error.hint() {
        Some(hint) => anyhow!("{}; hint: {hint}", chain(error)),
        None => anyhow!("{}", chain(error)),
    }
}

/// Variables that belong together: if the shell has one of a group, the group is the shell's.
const REACHED_BY: &[&[&str]] = &[
    &[v::VLE_VAULT_ADDR, v::VAULT_ADDR],
    &[v::VAULT_CACERT, v::VAULT_CACERT_BYTES, v::VAULT_CAPATH, v::SSL_CERT_FILE, v::SSL_CERT_DIR],
    &[v::VAULT_CLIENT_CERT, v::VAULT_CLIENT_KEY],
    &[v::VAULT_SKIP_VERIFY],
    &[v::VAULT_TLS_SERVER_NAME],
    &[v::VAULT_HTTP_PROXY, v::VAULT_PROXY_ADDR],
    &[v::VAULT_HEADERS],
    &[v::VAULT_SRV_LOOKUP],
];
/// For a request with all its retries: Vault asks AWS meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("strongroom/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &[(&str, &str)], shell: &[(&str, &str)], expect: &[(&str, &str)]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let shell = |name: &str| {
            shell.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        };
        let settings = Environment::new(settings.iter().map(owned));
        let found = reached_by(&settings, &shell);
        let expect: Vec<_> = expect.iter().map(owned).collect();
        assert_eq!(found[2..], expect);
    }

    #[test]
    fn vault_is_reached_as_the_shell_says_and_else_as_the_settings_do() {
        check(&[("VAULT_ADDR", "a")], &[], &[("VAULT_ADDR", "a")]);
        check(
            &[("VLE_VAULT_ADDR", "a"), ("VAULT_CACERT", "/var/task/ca.pem")],
            &[("VAULT_ADDR", "b"), ("BAO_CAPATH", "c")],
            &[("VAULT_ADDR", "b"), ("VAULT_CAPATH", "c")],
        );
        check(
            &[("VAULT_ADDR", "a"), ("VAULT_NAMESPACE", "team")],
            &[("VAULT_NAMESPACE", "other"), ("VAULT_SKIP_VERIFY", "1")],
            &[("VAULT_ADDR", "a"), ("VAULT_SKIP_VERIFY", "1"), ("VAULT_NAMESPACE", "team")],
        );
    }
}
