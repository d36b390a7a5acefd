//! A client of Lambda's Extensions API.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use strongroom_core::address::{Address, Origin};
use strongroom_core::settings::Tls;
use strongroom_lambda_api::extensions as api;
use strongroom_vault::client::host_header;
use strongroom_vault::clock::{Clock, Deadline};
use strongroom_vault::error::chain;
use strongroom_vault::forward::Forward;
use strongroom_vault::http::{
    Connector, ForwardProxy, Freeze, Limits, Outgoing, Pool, Progress, RequestBody, Target,
};
use strongroom_vault::tls::Peer;

use crate::exit::{Category, Failure};

/// The API, before the extension has registered.
pub(crate) struct ExtensionsApi {
    pool: Pool,
    host: HeaderValue,
    name: String,
}

/// The extension, registered.
pub(crate) struct Registered {
    api: ExtensionsApi,
    identifier: HeaderValue,
}

/// What an answer is to be taken for.
struct Answer {
    status: u16,
    identifier: Option<HeaderValue>,
    body: Bytes,
}

impl ExtensionsApi {
    /// The API at `address` (host and port), for the extension whose executable is `name`.
    pub(crate) fn new(address: &str, name: String, clock: Clock) -> Result<Self, Failure> {
        let origin = Origin::parse(&format!("http://{address}")).map_err(|error| {
            Failure::new(Category::LambdaApi, format!("AWS_LAMBDA_RUNTIME_API {error}"))
        })?;
        let address = Address::Tcp(origin);
        let host = host_header(&address);
        let target = Target {
            address,
            server_name: None,
            srv_lookup: false,
            forward_proxy: ForwardProxy::None,
        };
        let connector =
            Connector::new(Tls::default(), Peer::Aws, Forward::default(), Progress::default());
        // A freeze of its own that nobody watches: event/next waits through any freeze.
        let freeze = Freeze::new(clock.clone());
        let limits = Limits { connections: CONNECTIONS, idle: Duration::MAX };
        let pool = Pool::new(target, Arc::new(connector), clock, freeze, limits);
        Ok(Self { pool, host, name })
    }

    /// Registers for INVOKE and SHUTDOWN, or on Managed Instances, which know no INVOKE for
    /// extensions, for SHUTDOWN only.
    pub(crate) async fn register(self) -> Result<Registered, Failure> {
        let mut answer =
            self.try_register(&[api::EventType::Invoke, api::EventType::Shutdown]).await?;
        let refusal = serde_json::from_slice::<api::ErrorBody>(&answer.body);
        if answer.status == 403
            && refusal.is_ok_and(|refusal| refusal.error_type == api::INVALID_EVENT_TYPE)
        {
            tracing::debug!("this environment has no INVOKE event for extensions");
            answer = self.try_register(&[api::EventType::Shutdown]).await?;
        }
        match answer {
            Answer { status: 200, identifier: Some(identifier), .. } => {
                Ok(Registered { api: self, identifier })
            }
            answer => Err(answer.failure("register")),
        }
    }

    async fn try_register(&self, events: &[api::EventType]) -> Result<Answer, Failure> {
        let body = serde_json::to_vec(&api::RegisterRequest { events: events.to_vec() })
            .unwrap_or_default();
        let name = HeaderValue::from_str(&self.name).map_err(|_| {
            Failure::new(Category::LambdaApi, "the executable's name cannot be sent")
        })?;
        self.ask(Method::POST, api::REGISTER_PATH, body, &[(api::NAME_HEADER, name)]).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &'static str,
        body: Vec<u8>,
        headers: &[(&'static str, HeaderValue)],
    ) -> Result<Answer, Failure> {
        let failed = |error: &dyn std::error::Error| {
            Failure::new(
                Category::LambdaApi,
                format!("no answer of Lambda to {path}: {}", chain(error)),
            )
        };
        let body =
            if body.is_empty() { RequestBody::Empty } else { RequestBody::Full(body.into()) };
        let mut outgoing =
            Outgoing { method, uri: http::Uri::from_static(path), body, ..Default::default() };
        outgoing.headers.insert(HOST, self.host.clone());
        outgoing.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            outgoing.headers.insert(*name, value.clone());
        }
        let response =
            self.pool.send(&mut outgoing, NEVER).await.map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        let body = body.collect(LARGEST_EVENT).await;
        let body = body.map_err(|_| {
            Failure::new(Category::LambdaApi, format!("Lambda's answer to {path} broke off"))
        })?;
        let identifier = head.headers.get(api::IDENTIFIER_HEADER).cloned();
        Ok(Answer { status: head.status.as_u16(), identifier, body })
    }
}

impl Registered {
    /// The next event. Lambda may freeze the environment before it answers.
    pub(crate) async fn next(&self) -> Result<api::Event, Failure> {
        let headers = [(api::IDENTIFIER_HEADER, self.identifier.clone())];
        let answer = self.api.ask(Method::GET, api::NEXT_PATH, Vec::new(), &headers).await?;
        if answer.status != 200 {
            return Err(answer.failure("event/next"));
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            Failure::new(Category::LambdaApi, "Lambda's answer to event/next is no event we know")
        })
    }

    /// Tells Lambda why the extension ends before its first `event/next`.
    pub(crate) async fn init_error(&self, failure: &Failure) {
        self.report(api::INIT_ERROR_PATH, failure).await;
    }

    /// Tells Lambda why the extension ends.
    pub(crate) async fn exit_error(&self, failure: &Failure) {
        self.report(api::EXIT_ERROR_PATH, failure).await;
    }

    async fn report(&self, path: &'static str, failure: &Failure) {
        let error_type = failure.category.error_type();
        let body = api::ErrorBody {
            error_message: failure.message.clone(),
            error_type: error_type.to_owned(),
        };
        let headers = [
            (api::IDENTIFIER_HEADER, self.identifier.clone()),
            (api::ERROR_TYPE_HEADER, HeaderValue::from_static(error_type)),
        ];
        let body = serde_json::to_vec(&body).unwrap_or_default();
        if let Err(failure) = self.api.ask(Method::POST, path, body, &headers).await {
            tracing::warn!("{failure}");
        }
    }
}

impl Answer {
    fn failure(&self, call: &str) -> Failure {
        let said = serde_json::from_slice::<api::ErrorBody>(&self.body).map_or_else(
            |_| String::new(),
            |body| format!(": {} ({})", body.error_message, body.error_type),
        );
        Failure::new(
            Category::LambdaApi,
            format!("Lambda answered {} to {call}{said}", self.status),
        )
    }
}

/// `event/next` has no deadline: the process may be frozen for hours.
const NEVER: Deadline = Deadline(u64::MAX);
/// One for what is asked, one for `event/next`.
const CONNECTIONS: usize = 2;
const LARGEST_EVENT: usize = 1024 * 1024;
