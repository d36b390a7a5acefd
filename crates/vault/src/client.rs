//! What is asked of Vault: logins, reads, renewals, revocations, and clients' own requests.

mod answer;
mod exchange;
mod forward;
mod logical;
mod probe;
mod request;
mod wrapping;

use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Response, StatusCode};
use strongroom_core::address::Address;
use strongroom_core::document::Document;
use strongroom_core::lease::{Lease, UnixMilliseconds};
use strongroom_core::reference::SecretId;
use strongroom_core::settings;
use zeroize::Zeroizing;

use crate::circuit::Circuit;
use crate::clock::{Clock, Deadline};
use crate::consistency::Consistency;
use crate::error::{Error, TokenLife, chain};
use crate::http::{
    Connector, ForwardProxy, Freeze, Limits, Outgoing, Pool, ResponseBody, Stage, Target,
};
use crate::pace::Pace;
use crate::token::{Token, TokenKind, TokenOrigin};

pub use answer::{Engine, LeaseRenewal};
pub use logical::{Namespace, Reply, Request};
pub use probe::Health;
use request::OwnRequest;

/// A client of one Vault.
#[derive(Debug)]
pub struct Client {
    settings: settings::Vault,
    pool: Pool,
    connector: Arc<Connector>,
    clock: Clock,
    freeze: Arc<Freeze>,
    headers: HeaderMap,
    host: HeaderValue,
    pace: Option<Pace>,
    circuit: Circuit,
    consistency: Consistency,
}

/// A read of Vault that was answered.
#[derive(Debug)]
pub struct Read {
    /// 200, 204 or 404.
    pub status: u16,
    /// The answer, if it has a body.
    pub document: Option<Document>,
}

impl Client {
    /// A client; reads certificates if Vault is reached by TLS.
    ///
    /// # Errors
    /// [`Error::TlsSettings`] naming the variable and file.
    pub fn new(
        settings: settings::Vault,
        connector: Connector,
        clock: Clock,
        freeze: Arc<Freeze>,
        limits: Limits,
        user_agent: &'static str,
    ) -> Result<Self, Error> {
        if settings.address.is_https() {
            connector.load()?;
        }
        let connector = Arc::new(connector);
        let target = Target {
            address: settings.address.clone(),
            server_name: settings.tls.server_name.clone(),
            srv_lookup: settings.srv_lookup == settings::SrvLookup::Ask,
            forward_proxy: settings
                .forward_proxy
                .clone()
                .map_or(ForwardProxy::Environment, ForwardProxy::Fixed),
        };
        let pool =
            Pool::new(target, Arc::clone(&connector), clock.clone(), Arc::clone(&freeze), limits);
        let host = host_header(&settings.address);
        let headers = own_headers(&settings, &host, user_agent);
        let pace = settings.rate_limit.map(Pace::new);
        Ok(Self {
            settings,
            pool,
            connector,
            clock,
            freeze,
            headers,
            host,
            pace,
            circuit: Circuit::default(),
            consistency: Consistency::default(),
        })
    }

    /// The clock it goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How long one of its requests may take with all retries.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// What its own requests are waiting for.
    #[must_use]
    pub fn waiting_for(&self) -> Option<Stage> {
        self.connector.progress().stage()
    }

    /// How far its own requests came since this was asked last, if its connector keeps that.
    #[must_use]
    pub fn take_trail(&self) -> Vec<(Stage, UnixMilliseconds)> {
        self.connector.progress().take_trail()
    }

    /// The watch for freezes.
    #[must_use]
    pub fn freeze(&self) -> &Arc<Freeze> {
        &self.freeze
    }

    /// Where Vault is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.settings.address
    }

    /// The namespace of its own requests.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.settings.namespace.as_deref()
    }

    /// Whether Vault has failed to answer so often that requests fail at once.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.circuit.is_open()
    }

    /// Whether it is left to us how often a login is tried.
    pub(crate) fn retries_as_it_sees_fit(&self) -> bool {
        self.settings.max_retries.is_none()
    }

    /// One try, past the circuit, with what is known of Vault's replication.
    async fn send(
        &self,
        outgoing: &mut Outgoing,
        deadline: Deadline,
    ) -> Result<Response<ResponseBody>, Error> {
        let passage = self.circuit.enter(&self.clock)?;
        self.consistency.ask(&mut outgoing.headers);
        let outcome = self.pool.send(outgoing, deadline).await;
        match &outcome {
            Ok(answer) => {
                self.consistency.note(answer.headers());
                if forward::is_health(outgoing.uri.path()) {
                    drop(passage);
                } else if is_gone(answer.status()) {
                    passage.failed(
                        || format!("Vault answered {}", answer.status().as_u16()),
                        &self.clock,
                    );
                } else {
                    passage.succeeded();
                }
            }
            // Nothing of Vault's.
            Err(Error::Busy | Error::Frozen) => drop(passage),
            Err(error) => passage.failed(|| chain(error), &self.clock),
        }
        outcome
    }

    /// Closes idle connections.
    pub fn clear_pool(&self) {
        self.pool.clear();
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// [`Error`]; a 404 is none.
    pub async fn read(
        &self,
        secret: &SecretId,
        token: &Token,
        deadline: Deadline,
    ) -> Result<Read, Error> {
        let mut request = OwnRequest::new(Method::GET, &secret.path).with_token(token).wrapped();
        request.version = secret.version;
        let answer = self.exchange(&request, self.retries(), deadline).await?;
        let status = answer.status;
        if status >= 400 && status != 404 {
            return Err(answer.refused());
        }
        let document = Document::parse(&answer.body);
        if document.is_none() && !answer.body.is_empty() {
            return Err(answer.problem("is no JSON object"));
        }
        Ok(Read { status, document })
    }

    /// Prolongs a secret's lease by `increment` seconds, or by less, as Vault pleases.
    /// <https://developer.hashicorp.com/vault/api-docs/system/leases#renew-lease>
    ///
    /// # Errors
    /// [`Error`]; one try only, as the lease still lives.
    pub async fn renew_lease(
        &self,
        lease_id: &str,
        increment: u64,
        token: &Token,
        deadline: Deadline,
    ) -> Result<LeaseRenewal, Error> {
        let mut request = OwnRequest::new(Method::PUT, "sys/leases/renew").with_token(token);
        let body = serde_json::json!({ "lease_id": lease_id, "increment": increment });
        request.body = Zeroizing::new(body.to_string().into_bytes());
        let answer = self.exchange(&request, 0, deadline).await?;
        if answer.status >= 300 {
            return Err(answer.refused());
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| answer.problem("is not what Vault answers to the renewal of a lease"))
    }

    /// Prolongs a token's life by as much as it had.
    ///
    /// # Errors
    /// [`Error`]; one try only, as the token still lives.
    pub async fn renew(&self, token: &Token, deadline: Deadline) -> Result<Lease, Error> {
        let increment = token.lease.milliseconds.unwrap_or(0) / 1000;
        let mut request = OwnRequest::new(Method::PUT, "auth/token/renew-self").with_token(token);
        request.body = Zeroizing::new(format!("{{\"increment\":{increment}}}").into_bytes());
        let answer = self.exchange(&request, 0, deadline).await?;
        if answer.status >= 300 {
            return Err(answer.refused());
        }
        let auth = answer.auth(&self.clock)?;
        Ok(auth.lease)
    }

    /// Revokes a token and all that hangs on it.
    ///
    /// # Errors
    /// [`Error`]; one try only.
    pub async fn revoke(&self, token: &Token, deadline: Deadline) -> Result<(), Error> {
        let request = OwnRequest::new(Method::PUT, "auth/token/revoke-self").with_token(token);
        let answer = self.exchange(&request, 0, deadline).await?;
        if answer.status >= 300 { Err(answer.refused()) } else { Ok(()) }
    }

    /// Whether Vault knows the token still; yes, if there is no telling.
    pub async fn knows(&self, token: &Token, deadline: Deadline) -> bool {
        let request = OwnRequest::new(Method::GET, "auth/token/lookup-self").with_token(token);
        match self.exchange(&request, 0, deadline).await {
            Ok(answer) if answer.status == 403 => answer.refused().token_life() == TokenLife::Alive,
            _ => true,
        }
    }

    /// The KV v2 path that `path` should have been, if its mount is one and `path` has not that form.
    ///
    /// # Errors
    /// [`Error`] when there is no telling. That Vault does not show the mount to this token is none.
    pub async fn versioned_path(
        &self,
        path: &str,
        token: &Token,
        deadline: Deadline,
    ) -> Result<Option<String>, Error> {
        let engine = self.engine(path, token, deadline).await?;
        Ok(engine.and_then(|engine| engine.versioned(path)))
    }

    /// The secrets engine that `path` leads to. Vault shows it to whom some policy names something in it.
    /// <https://developer.hashicorp.com/vault/api-docs/system/internal-ui-mounts>
    ///
    /// # Errors
    /// As [`Client::versioned_path`].
    pub async fn engine(
        &self,
        path: &str,
        token: &Token,
        deadline: Deadline,
    ) -> Result<Option<Engine>, Error> {
        let lookup = format!("sys/internal/ui/mounts/{path}");
        let request = OwnRequest::new(Method::GET, &lookup).with_token(token);
        let answer = self.exchange(&request, self.retries(), deadline).await?;
        if answer.status >= 500 {
            return Err(answer.refused());
        }
        let mount = serde_json::from_slice(&answer.body).ok();
        Ok(mount.and_then(|mount| Engine::found(&mount)))
    }

    /// Logs in at `auth/<mount>/login` with this body; once, unless `VAULT_MAX_RETRIES` says otherwise.
    pub(crate) async fn login(
        &self,
        mount: &str,
        body: Zeroizing<Vec<u8>>,
        deadline: Deadline,
    ) -> Result<Token, Error> {
        let path = format!("auth/{mount}/login");
        let mut request = OwnRequest::new(Method::PUT, &path).wrapped();
        request.body = body;
        let retries = self.settings.max_retries.unwrap_or(0);
        let answer = self.exchange(&request, retries, deadline).await?;
        if answer.status >= 300 {
            return Err(answer.refused());
        }
        let auth = answer.auth(&self.clock)?;
        let kind = if auth.is_batch { TokenKind::Batch } else { TokenKind::Service };
        Token::new(auth.client_token.as_str().into(), auth.lease, kind, TokenOrigin::Login)
            .map(|token| token.with_uses(auth.uses))
            .ok_or_else(|| answer.problem("holds a token that cannot be sent"))
    }

    fn retries(&self) -> u32 {
        self.settings.max_retries.unwrap_or(RETRIES)
    }
}

/// Retries of our own requests but logins, as with Vault's own clients.
const RETRIES: u32 = 2;
/// `X-Vault-Index`: <https://developer.hashicorp.com/vault/docs/enterprise/consistency>
pub const INDEX: HeaderName = HeaderName::from_static("x-vault-index");
/// `X-Vault-Namespace`
pub const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// `X-Vault-Request`, which shields Vault's agents from forged requests.
pub const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
/// `X-Vault-Token`
pub const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
/// `X-Vault-Wrap-TTL`
pub const WRAP_TTL: HeaderName = HeaderName::from_static("x-vault-wrap-ttl");

/// Whether an answer says that Vault, or the way to it, is out of order: a gateway without a Vault behind it, or one
/// that is sealed, not initialized, or overloaded.
fn is_gone(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

/// The value of `Host` for an address.
#[must_use]
pub fn host_header(address: &Address) -> HeaderValue {
    let authority = match address {
        Address::Tcp(origin) => origin.authority(),
        Address::Unix(_) => "localhost".to_owned(),
    };
    HeaderValue::from_str(&authority).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

fn own_headers(
    settings: &settings::Vault,
    host: &HeaderValue,
    user_agent: &'static str,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    for (name, value) in &settings.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(user_agent));
    headers.insert(HOST, host.clone());
    headers.insert(REQUEST, HeaderValue::from_static("true"));
    if let Some(namespace) =
        settings.namespace.as_deref().and_then(|namespace| namespace.parse().ok())
    {
        headers.insert(NAMESPACE, namespace);
    }
    headers
}
