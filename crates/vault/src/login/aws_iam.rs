//! The login by AWS IAM authentication: credentials, an assumed role, the signature, Vault.
//! <https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method>

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Uri;
use http::header::{AUTHORIZATION, HOST};
use strongroom_core::address::{Address, Origin};
use strongroom_core::advice;
use strongroom_core::settings;

use crate::aws::credentials::{Credentials, Source};
use crate::aws::sts::{self, Candidates, Endpoint};
use crate::aws::{assume_role, login};
use crate::client::{Client, host_header};
use crate::clock::Deadline;
use crate::error::{AwsPeer, Error};
use crate::http::{
    CollectError, Connector, ForwardProxy, Limits, Outgoing, Pool, RequestBody, Target,
};
use crate::token::Token;

/// Reads a variable: the environment is looked into anew at each login.
pub type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Logs in to Vault as the function's IAM role.
pub struct AwsIam {
    settings: settings::AwsIam,
    sts: sts::Settings,
    candidates: Candidates,
    /// Whether the second candidate was the right one.
    second: AtomicBool,
    lookup: Lookup,
    /// To AWS: other roots and proxies than those for Vault.
    connector: Arc<Connector>,
}

impl AwsIam {
    /// A login with `settings`.
    ///
    /// # Errors
    /// [`Error::Sts`] if a region is none, [`Error::Credentials`] if no credentials are in sight.
    pub fn new(
        settings: settings::AwsIam,
        mut sts: sts::Settings,
        lookup: Lookup,
        connector: Connector,
    ) -> Result<Self, Error> {
        sts.sts_endpoint_region.clone_from(&settings.sts_region);
        let candidates = Candidates::decide(&sts).map_err(Error::Sts)?;
        Source::decide(&lookup).map_err(Error::Credentials)?;
        Ok(Self {
            settings,
            sts,
            candidates,
            second: AtomicBool::new(false),
            lookup,
            connector: Arc::new(connector),
        })
    }

    pub(super) fn mount(&self) -> &str {
        &self.settings.mount
    }

    pub(super) fn role(&self) -> &str {
        &self.settings.role
    }

    /// The region that logins are signed for; and the one that was to be, where Vault expected another.
    pub(crate) fn regions(&self) -> (&str, Option<&str>) {
        let signed_for = self.endpoint().region();
        let first = self.candidates.first.region();
        (signed_for, Some(first).filter(|first| *first != signed_for))
    }

    pub(super) async fn log_in(&self, client: &Client, deadline: Deadline) -> Result<Token, Error> {
        let credentials = self.credentials(client, deadline).await?;
        let endpoint = self.endpoint();
        match (
            self.try_log_in(client, &credentials, endpoint, deadline).await,
            &self.candidates.second,
        ) {
            (Err(Error::Refused { errors, .. }), Some(second))
                if advice::says_wrong_region(&errors) =>
            {
                let was_second = self.second.fetch_not(Ordering::Relaxed);
                let other = if was_second { &self.candidates.first } else { second };
                let token = self.try_log_in(client, &credentials, other, deadline).await?;
                tracing::warn!(
                    "Vault expects the login to be signed for the STS endpoint of {}, not of {}: set \
                     VAULT_STS_ENDPOINT_REGION={} to save the second try",
                    other.region(),
                    endpoint.region(),
                    other.region()
                );
                Ok(token)
            }
            (outcome, _) => outcome,
        }
    }

    fn endpoint(&self) -> &Endpoint {
        match &self.candidates.second {
            Some(second) if self.second.load(Ordering::Relaxed) => second,
            _ => &self.candidates.first,
        }
    }

    async fn try_log_in(
        &self,
        client: &Client,
        credentials: &Credentials,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Token, Error> {
        let settings = &self.settings;
        let (role, server_id) = (&settings.role, settings.server_id.as_deref());
        let now = client.clock().system_time();
        let body = login::body(role, server_id, credentials, endpoint, now);
        client.login(&settings.mount, body, deadline).await
    }

    async fn credentials(&self, client: &Client, deadline: Deadline) -> Result<Credentials, Error> {
        let own = match Source::decide(&self.lookup).map_err(Error::Credentials)? {
            Source::Environment => {
                Credentials::from_environment(&self.lookup).map_err(Error::Credentials)?
            }
            Source::Container { url, authorization } => {
                let mut request = Outgoing::default();
                if let Some(value) = authorization.value().map_err(Error::Credentials)? {
                    request.headers.insert(AUTHORIZATION, value);
                }
                let peer = AwsPeer::CredentialsEndpoint;
                let (_, body) = self.ask(client, &url, request, peer, deadline).await?;
                Credentials::from_container_answer(&body).map_err(Error::Credentials)?
            }
        };
        let Some(role) = &self.settings.assumed_role else { return Ok(own) };
        let endpoint = sts::assume_role_endpoint(&self.sts).map_err(Error::Sts)?;
        let external_id = role.external_id.as_deref();
        let request = assume_role::request(
            &role.arn,
            external_id,
            &own,
            &endpoint,
            client.clock().system_time(),
        )
        .map_err(Error::AssumeRole)?;
        let (head, body) = request.into_parts();
        let request = Outgoing {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body: RequestBody::Full(body.into()),
        };
        let peer = AwsPeer::Sts(endpoint.host().to_owned());
        let (status, body) = self.ask(client, endpoint.url(), request, peer, deadline).await?;
        assume_role::parse_answer(status, &body).map_err(Error::AssumeRole)
    }

    /// One exchange with AWS, on a connection of its own.
    async fn ask(
        &self,
        client: &Client,
        url: &Uri,
        mut outgoing: Outgoing,
        peer: AwsPeer,
        deadline: Deadline,
    ) -> Result<(u16, Bytes), Error> {
        let failed = |source| Error::Aws { peer: peer.clone(), source: Box::new(source) };
        let unusable = |_| {
            failed(Error::Answer {
                request: url.to_string(),
                problem: "has no usable address".into(),
            })
        };
        let address = Address::Tcp(Origin::parse(&url.to_string()).map_err(unusable)?);
        outgoing.headers.entry(HOST).or_insert_with(|| host_header(&address));
        outgoing.uri =
            url.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
        // Credentials for this machine must not pass through any other.
        let forward_proxy = match &peer {
            AwsPeer::CredentialsEndpoint => ForwardProxy::None,
            AwsPeer::Sts(_) => ForwardProxy::Environment,
        };
        let target = Target { address, server_name: None, srv_lookup: false, forward_proxy };
        let connector = Arc::clone(&self.connector);
        let once = Pool::new(
            target,
            connector,
            client.clock().clone(),
            Arc::clone(client.freeze()),
            Limits::ONE_EXCHANGE,
        );
        let response = once.send(&mut outgoing, deadline).await.map_err(failed)?;
        let status = response.status().as_u16();
        let body =
            response.into_body().collect(LARGEST_ANSWER).await.map_err(|error| match error {
                CollectError::Broken(error) => failed(error),
                CollectError::TooLarge => failed(Error::Answer {
                    request: url.to_string(),
                    problem: "is larger than 64 KiB".into(),
                }),
            })?;
        Ok((status, body))
    }
}

impl std::fmt::Debug for AwsIam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsIam").field("settings", &self.settings).finish_non_exhaustive()
    }
}

const LARGEST_ANSWER: usize = 64 * 1024;
