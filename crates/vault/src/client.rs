//! The extension's own requests to Vault: bounded, paced, retried, one redirect followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Response, Uri};
use strongroom_core::address::{Address, Origin, Scheme};
use strongroom_core::document::Document;
use strongroom_core::lease::Lease;
use strongroom_core::settings::{self, Redirects};
use zeroize::Zeroizing;

use crate::clock::{Clock, Deadline};
use crate::error::{Error, TokenLife, is_retryable_status};
use crate::http::{
    Connector, ForwardProxy, Freeze, Limits, Outgoing, Pool, RequestBody, ResponseBody, Stage,
    Target,
};
use crate::pace::{self, Pace};
use crate::percent;
use crate::refusal;
use crate::token::Token;

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
        if matches!(&settings.address, Address::Tcp(origin) if origin.scheme == Scheme::Https) {
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
        let headers = own_headers(&settings, user_agent);
        let host = host_header(&settings.address);
        let pace = settings.rate_limit.map(Pace::new);
        Ok(Self { settings, pool, connector, clock, freeze, headers, host, pace })
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

    /// Sends a client's request as it is, once, by way of the pool; path and query are the client's.
    ///
    /// # Errors
    /// [`Error`] when there is no answer.
    pub async fn forward(
        &self,
        outgoing: &mut Outgoing,
        deadline: Deadline,
    ) -> Result<Response<ResponseBody>, Error> {
        self.pool.send(outgoing, deadline).await
    }

    /// Directs a client's request to Vault: below the address's path, with its authority.
    pub fn direct(&self, outgoing: &mut Outgoing) {
        let prefix = self.settings.address.path_prefix();
        if !prefix.is_empty() {
            let path = outgoing.uri.path_and_query().map_or("/", |path| path.as_str());
            if let Ok(uri) = format!("{prefix}{path}").parse() {
                outgoing.uri = uri;
            }
        }
        outgoing.headers.insert(HOST, self.host.clone());
    }

    /// Closes idle connections.
    pub fn clear_pool(&self) {
        self.pool.clear();
    }

    /// Reads `path`, below `/v1/`.
    ///
    /// # Errors
    /// [`Error`]; a 404 is none.
    pub async fn read(&self, path: &str, token: &Token, deadline: Deadline) -> Result<Read, Error> {
        let mut request = OwnRequest::new(Method::GET, path).with_token(token).wrapped();
        request.index = token.index.clone();
        let answer = self.exchange(&request, self.settings.max_retries, deadline).await?;
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

    /// The KV v2 path that `path` should have been, if its mount is one.
    /// <https://developer.hashicorp.com/vault/api-docs/system/internal-ui-mounts>
    pub async fn versioned_path(
        &self,
        path: &str,
        token: &Token,
        deadline: Deadline,
    ) -> Option<String> {
        let lookup = format!("sys/internal/ui/mounts/{path}");
        let request = OwnRequest::new(Method::GET, &lookup).with_token(token);
        let answer = self.exchange(&request, 0, deadline).await.ok()?;
        let answer: MountAnswer = serde_json::from_slice(&answer.body).ok()?;
        let rest = path.strip_prefix(answer.data.path.as_str())?;
        (answer.data.options?.version == "2").then(|| format!("{}data/{rest}", answer.data.path))
    }

    /// Logs in at `auth/<mount>/login` with this body.
    pub(crate) async fn login(
        &self,
        mount: &str,
        body: Zeroizing<Vec<u8>>,
        deadline: Deadline,
    ) -> Result<Auth, Error> {
        let path = format!("auth/{mount}/login");
        let mut request = OwnRequest::new(Method::PUT, &path).wrapped();
        request.body = body;
        let answer = self.exchange(&request, self.settings.max_retries, deadline).await?;
        if answer.status >= 300 {
            return Err(answer.refused());
        }
        answer.auth(&self.clock)
    }

    /// One of our own requests with its retries.
    async fn exchange(
        &self,
        own: &OwnRequest<'_>,
        retries: u32,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let deadline = deadline.min(self.clock.deadline_in(self.settings.timeout));
        let mut tries = 0;
        loop {
            if let Some(pace) = &self.pace {
                pace.wait().await;
            }
            self.connector.progress().enter(Stage::Answer(own.describe(&self.settings.address)));
            let outcome = self.try_once(own, deadline).await;
            let (retry_after, error) = match outcome {
                Ok(answer) if is_retryable_status(answer.status) => {
                    (answer.retry_after, answer.refused())
                }
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_retryable() => (None, error),
                Err(Error::Deadline { waiting_for }) => {
                    let asked = || Stage::Answer(own.describe(&self.settings.address));
                    return Err(Error::Deadline {
                        waiting_for: Some(waiting_for.unwrap_or_else(asked)),
                    });
                }
                Err(error) => return Err(error),
            };
            if tries >= retries {
                return Err(error);
            }
            // What a freeze interrupted is begun anew at once: it did not fail.
            let pause = if matches!(error, Error::Frozen) {
                Duration::ZERO
            } else {
                retry_after.unwrap_or_else(|| pace::backoff(tries))
            };
            if pause >= deadline.after(self.clock.now()) {
                return Err(error);
            }
            tracing::debug!(request = %own.name(), error = %error, "trying again");
            self.connector.progress().enter(Stage::Retry(error.to_string()));
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    async fn try_once(&self, own: &OwnRequest<'_>, deadline: Deadline) -> Result<Answer, Error> {
        let response =
            self.pool.send(&mut own.build(&self.settings, &self.headers), deadline).await?;
        let response = match redirect_of(&response) {
            None => response,
            Some(location) => self.follow(own, location, deadline).await?,
        };
        let answer = Answer::collect(own, response).await?;
        if (300..400).contains(&answer.status) {
            return Err(Error::Redirect { request: own.name(), problem: "once more" });
        }
        Ok(answer)
    }

    /// One redirect, as Vault's clients do: a standby sends us to the active node.
    async fn follow(
        &self,
        own: &OwnRequest<'_>,
        location: Option<String>,
        deadline: Deadline,
    ) -> Result<Response<ResponseBody>, Error> {
        let refused = |problem| Error::Redirect { request: own.name(), problem };
        if self.settings.redirects == Redirects::Refuse {
            return Err(refused("and VAULT_DISABLE_REDIRECTS forbids to follow it"));
        }
        let location = location.ok_or_else(|| refused("to nowhere"))?;
        let uri: Uri = location.parse().map_err(|_| refused("to what is no address"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = own.build(&self.settings, &self.headers);
        request.uri = path.parse().map_err(|_| refused("to what is no address"))?;
        if uri.host().is_none() {
            return self.pool.send(&mut request, deadline).await;
        }
        let origin = Origin::parse(&location).map_err(|_| refused("to what is no address"))?;
        let was_https = matches!(&self.settings.address, Address::Tcp(origin) if origin.scheme == Scheme::Https);
        if was_https && origin.scheme == Scheme::Http {
            return Err(refused(
                "from https to http, which would show the token to everyone between",
            ));
        }
        let address = Address::Tcp(origin);
        request.headers.insert(HOST, host_header(&address));
        let target = Target { address, ..self.pool.target().clone() };
        let once = Pool::new(
            target,
            Arc::clone(&self.connector),
            self.clock.clone(),
            Arc::clone(&self.freeze),
            Limits::ONE_EXCHANGE,
        );
        once.send(&mut request, deadline).await
    }
}

/// One of our own requests.
struct OwnRequest<'a> {
    method: Method,
    path: &'a str,
    token: Option<&'a Token>,
    index: Option<HeaderValue>,
    body: Zeroizing<Vec<u8>>,
    is_wrapped: bool,
}

impl<'a> OwnRequest<'a> {
    fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            token: None,
            index: None,
            body: Zeroizing::default(),
            is_wrapped: false,
        }
    }

    fn with_token(mut self, token: &'a Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Subject to `VAULT_WRAP_TTL`.
    fn wrapped(mut self) -> Self {
        self.is_wrapped = true;
        self
    }

    fn name(&self) -> String {
        format!("{} /v1/{}", self.method, self.path)
    }

    fn describe(&self, address: &Address) -> String {
        format!("{} at {address}", self.name())
    }

    fn build(&self, settings: &settings::Vault, headers: &HeaderMap) -> Outgoing {
        let mut path = format!("{}/v1/", settings.address.path_prefix());
        percent::encode(&mut path, self.path, PATH_CHARACTERS);
        let mut own = headers.clone();
        own.insert(HOST, host_header(&settings.address));
        if let Some(token) = self.token {
            own.insert(TOKEN, token.header());
        }
        if let Some(index) = &self.index {
            own.insert(INDEX, index.clone());
        }
        if self.is_wrapped
            && let Some(ttl) =
                settings.wrap_ttl.as_deref().and_then(|ttl| HeaderValue::from_str(ttl).ok())
        {
            own.insert(WRAP_TTL, ttl);
        }
        let body = if self.body.is_empty() {
            RequestBody::Empty
        } else {
            RequestBody::Full(Bytes::copy_from_slice(&self.body))
        };
        Outgoing {
            method: self.method.clone(),
            uri: path.parse().unwrap_or_default(),
            headers: own,
            body,
        }
    }
}

struct Answer {
    request: String,
    status: u16,
    index: Option<HeaderValue>,
    retry_after: Option<Duration>,
    body: Bytes,
}

impl Answer {
    async fn collect(
        own: &OwnRequest<'_>,
        response: Response<ResponseBody>,
    ) -> Result<Self, Error> {
        let (head, body) = response.into_parts();
        let request = own.name();
        let body = body.collect(LARGEST_ANSWER).await.map_err(|error| match error {
            crate::http::CollectError::Broken(error) => error,
            crate::http::CollectError::TooLarge => {
                Error::Answer { request: request.clone(), problem: "is larger than 32 MiB".into() }
            }
        })?;
        Ok(Self {
            request,
            status: head.status.as_u16(),
            index: head.headers.get(INDEX).filter(|index| !index.is_empty()).cloned(),
            retry_after: head.headers.get(RETRY_AFTER).and_then(pace::retry_after),
            body,
        })
    }

    fn refused(&self) -> Error {
        let errors = refusal::errors_of(&self.body);
        Error::Refused { status: self.status, request: self.request.clone(), errors }
    }

    fn problem(&self, problem: &str) -> Error {
        Error::Answer { request: self.request.clone(), problem: problem.to_owned() }
    }

    fn auth(&self, clock: &Clock) -> Result<Auth, Error> {
        let answer: AuthAnswer = serde_json::from_slice(&self.body).map_err(|_| {
            self.problem("is not what Vault answers: is something else at this address?")
        })?;
        let auth = answer.auth.filter(|auth| !auth.client_token.is_empty());
        let auth = auth.ok_or_else(|| self.problem("holds no token"))?;
        Ok(Auth {
            lease: Lease::new(clock.now(), auth.lease_duration, auth.renewable),
            is_batch: auth.token_type == "batch",
            client_token: auth.client_token,
            index: self.index.clone(),
        })
    }
}

/// What login and renewal answer.
pub(crate) struct Auth {
    pub(crate) client_token: Zeroizing<String>,
    pub(crate) lease: Lease,
    pub(crate) is_batch: bool,
    pub(crate) index: Option<HeaderValue>,
}

#[derive(serde::Deserialize)]
struct AuthAnswer {
    auth: Option<AuthFields>,
}

#[derive(serde::Deserialize)]
struct AuthFields {
    client_token: Zeroizing<String>,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
    #[serde(default)]
    token_type: String,
}

#[derive(serde::Deserialize)]
struct MountAnswer {
    data: MountFields,
}

#[derive(serde::Deserialize)]
struct MountFields {
    path: String,
    options: Option<MountOptions>,
}

#[derive(serde::Deserialize)]
struct MountOptions {
    #[serde(default)]
    version: String,
}

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

/// What a path may hold as it is, beside letters, digits and `-._~`; a percent sign has been
/// written by somebody who encoded the path already.
const PATH_CHARACTERS: &[u8] = b"/!$&'()*+,;=:@%";
/// Vault's own limit for requests; no answer to a read is larger than what was written.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// The value of `Host` for an address.
#[must_use]
pub fn host_header(address: &Address) -> HeaderValue {
    let authority = match address {
        Address::Tcp(origin) => origin.authority(),
        Address::Unix(_) => "localhost".to_owned(),
    };
    HeaderValue::from_str(&authority).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

fn own_headers(settings: &settings::Vault, user_agent: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    for (name, value) in &settings.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(user_agent));
    headers.insert(REQUEST, HeaderValue::from_static("true"));
    if let Some(namespace) =
        settings.namespace.as_deref().and_then(|namespace| namespace.parse().ok())
    {
        headers.insert(NAMESPACE, namespace);
    }
    headers
}

fn redirect_of(response: &Response<ResponseBody>) -> Option<Option<String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 307) {
        return None;
    }
    Some(
        response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .map(str::to_owned),
    )
}
