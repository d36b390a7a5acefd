//! Vault's HTTP API, as far as a person would use it here. It is not the layer's client: what
//! that one believes is to be proved, not assumed.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use ureq::http::{Method, Request, StatusCode};

/// How long an answer may take. Real Vault asks STS meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);
const LARGEST_ANSWER: u64 = 1024 * 1024;
/// How often, and how long apart, a mount that is still being made ready is asked again.
const UPGRADE_ATTEMPTS: u32 = 100;
const UPGRADE_PAUSE: Duration = Duration::from_millis(100);

/// Where to ask.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    agent: ureq::Agent,
    url: String,
}

/// An answer, good or not.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
    pub(crate) status: StatusCode,
}

/// An [`Api`] with a token.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    api: Api,
    token: SecretString,
}

impl Api {
    pub(crate) fn new(url: &str) -> Self {
        // Vault is on loopback here: the variables for forward proxies are not for it.
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(PATIENCE));
        Self { agent: config.build().new_agent(), url: url.to_owned() }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// There is no answer, or none that can be read.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretString>,
        body: Option<Value>,
    ) -> Result<Answer> {
        let attempt = format!("{method} {}/v1/{path}", self.url);
        let mut request = Request::builder().method(method).uri(format!("{}/v1/{path}", self.url));
        if let Some(token) = token {
            // Listed: this is how Vault takes a token.
            request = request.header("X-Vault-Token", token.expose_secret());
        }
        let agent = self.agent.clone();
        let exchange = move || -> Result<Answer> {
            let mut response = match body {
                None => agent.run(request.body(())?)?,
                Some(body) => {
                    let request = request.header("Content-Type", "application/json");
                    agent.run(request.body(serde_json::to_vec(&body)?)?)?
                }
            };
            let status = response.status();
            let body = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec()?;
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
            Ok(Answer { body, status })
        };
        // The server may run in this very process: its thread must not be blocked.
        let done = tokio::task::spawn_blocking(exchange).await.context("a request panicked")?;
        done.with_context(|| format!("no answer to {attempt}"))
    }

    /// What `sys/health` says of a Vault that is ready.
    pub(crate) async fn health(&self) -> Result<Value> {
        let answer = self.send(Method::GET, "sys/health", None, None).await?;
        if answer.status != StatusCode::OK {
            bail!("Vault at {} is not ready: sys/health answered {}", self.url, answer.status);
        }
        Ok(answer.body)
    }

    /// The status that the holder of `token` gets when it asks about itself.
    pub(crate) async fn status_of(&self, token: &SecretString) -> Result<StatusCode> {
        let answer = self.send(Method::GET, "auth/token/lookup-self", Some(token), None).await?;
        Ok(answer.status)
    }
}

impl Client {
    pub(crate) fn new(api: Api, token: SecretString) -> Self {
        Self { api, token }
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// Vault refuses or does not answer.
    pub(crate) async fn read(&self, path: &str) -> Result<Value> {
        self.accepted(Method::GET, path, None).await
    }

    /// Writes `body` to `path`. A KV mount that is a moment old is asked again until it is ready.
    ///
    /// # Errors
    /// Vault refuses or does not answer.
    pub(crate) async fn write(&self, path: &str, body: Value) -> Result<Value> {
        for _ in 0..UPGRADE_ATTEMPTS {
            let sent = self.accepted(Method::POST, path, Some(body.clone())).await;
            match sent {
                // Vault makes a versioned mount ready after it has answered to its creation.
                Err(error) if error.to_string().contains("Upgrading from non-versioned") => {
                    tokio::time::sleep(UPGRADE_PAUSE).await;
                }
                sent => return sent,
            }
        }
        bail!("Vault still upgrades the mount of {path} after {UPGRADE_ATTEMPTS} attempts")
    }

    async fn accepted(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let attempt = format!("{method} {path}");
        let answer = self.api.send(method, path, Some(&self.token), body).await?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let errors = answer.body["errors"].as_array().into_iter().flatten();
        let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
        bail!("Vault answered {} to {attempt}: {}", answer.status, errors.join("; "))
    }
}
