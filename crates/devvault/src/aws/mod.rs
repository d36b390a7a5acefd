//! STS and IAM, as far as AWS auth uses them: `GetCallerIdentity`, `AssumeRole`, `GetRole` and `GetUser`
//! over HTTP, with signatures, dates, regions and policies really checked.
//! What exists in the account is seeded from Rust.

mod api;
pub(crate) mod calls;
mod directory;
mod policy;
pub(crate) mod sigv4;
mod xml;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};

use self::api::Call;
use self::directory::Directory;
use self::policy::Document;
pub use self::sigv4::Credentials;
use crate::clock::Clock;
use crate::listener::Listener;

/// How long a session lasts that [`DevAws::lambda_session`] opens, in seconds: as Lambda's do.
const LAMBDA_SESSION: i64 = 12 * 3600;

/// What a [`DevAws`] is to be.
#[derive(Clone, Debug)]
pub struct AwsConfig {
    /// The account's twelve digits.
    pub account: String,
    /// Where to listen, on loopback; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The region that requests to STS must be signed for.
    pub sts_region: String,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            sts_region: "us-east-1".to_owned(),
        }
    }
}

/// One AWS account's STS and IAM, on one port of loopback; gone when dropped.
#[derive(Debug)]
pub struct DevAws {
    account: Arc<Account>,
    listener: Listener,
}

/// Why the account could not be given something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// A user or role that does not exist.
    #[error("no such user or role: {0}")]
    NoSuchEntity(String),
    /// The role's trust policy does not name who wants to assume it.
    #[error("the trust policy of role {role} does not let {service} assume it")]
    NotTrusted {
        /// The role.
        role: String,
        /// The service's principal, such as `lambda.amazonaws.com`.
        service: String,
    },
    /// A policy document that is malformed or says what is not implemented here.
    #[error("policy document: {0}")]
    Policy(String),
}

/// One request that reached STS or IAM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AwsRequest {
    /// Who signed it, if it was signed.
    pub access_key_id: Option<String>,
    /// The action asked for, such as `GetCallerIdentity`.
    pub action: String,
    /// The error code of the answer; none if it was carried out.
    pub error: Option<String>,
    /// The HTTP status of the answer.
    pub status: u16,
}

impl DevAws {
    /// Starts to listen.
    ///
    /// # Errors
    /// The address cannot be bound, or is not of loopback.
    pub async fn start(config: AwsConfig) -> io::Result<Self> {
        let account = Arc::new(Account {
            clock: Clock::default(),
            state: Mutex::new(State {
                directory: Directory::new(config.account),
                requests: Vec::new(),
                sts_region: config.sts_region,
            }),
        });
        let serving = Arc::clone(&account);
        let handler = Arc::new(move |request: Request<Bytes>| {
            let response = serving.answer(&request);
            Box::pin(async move { response }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
        });
        let listener = Listener::start(config.listen, None, handler).await?;
        Ok(Self { account, listener })
    }

    /// The endpoint of both services, to be Vault's `sts_endpoint` and `iam_endpoint`.
    pub fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// Moves the time that signatures and sessions are judged by.
    pub fn clock(&self) -> &Clock {
        &self.account.clock
    }

    /// Changes the region that requests to STS must be signed for.
    pub fn set_sts_region(&self, region: &str) {
        self.account.state().sts_region = region.to_owned();
    }

    /// Creates or replaces a user, and returns its ARN.
    pub fn create_user(&self, name: &str) -> String {
        let mut state = self.account.state();
        state.directory.create_user(name, self.account.clock.now());
        state.directory.user_arn(name)
    }

    /// Gives a user an access key.
    ///
    /// # Errors
    /// There is no such user.
    pub fn create_access_key(&self, user: &str) -> Result<Credentials, SeedError> {
        let key = self.account.state().directory.create_access_key(user);
        key.ok_or_else(|| SeedError::NoSuchEntity(user.to_owned()))
    }

    /// Deletes an access key, or ends a session at once.
    pub fn delete_access_key(&self, access_key_id: &str) {
        self.account.state().directory.delete_access_key(access_key_id);
    }

    /// Gives a user an inline policy.
    ///
    /// # Errors
    /// There is no such user, or the document cannot be read.
    pub fn put_user_policy(&self, user: &str, name: &str, document: &str) -> Result<(), SeedError> {
        let document = Document::parse(document).map_err(SeedError::Policy)?;
        let mut state = self.account.state();
        let policies = state.directory.user_policies(user);
        policies
            .ok_or_else(|| SeedError::NoSuchEntity(user.to_owned()))?
            .insert(name.to_owned(), document);
        Ok(())
    }

    /// Creates a role with its trust policy, and returns its ARN.
    /// A role of the same name is replaced by one with another unique id.
    ///
    /// # Errors
    /// The trust policy cannot be read.
    pub fn create_role(&self, name: &str, trust: &str) -> Result<String, SeedError> {
        let mut state = self.account.state();
        let created = state.directory.create_role(name, trust, self.account.clock.now());
        created.map_err(SeedError::Policy)?;
        Ok(state.directory.role_arn(name))
    }

    /// Deletes a role; sessions that are open stay, as in AWS.
    pub fn delete_role(&self, name: &str) {
        self.account.state().directory.delete_role(name);
    }

    /// Gives a role an inline policy.
    ///
    /// # Errors
    /// There is no such role, or the document cannot be read.
    pub fn put_role_policy(&self, role: &str, name: &str, document: &str) -> Result<(), SeedError> {
        let document = Document::parse(document).map_err(SeedError::Policy)?;
        let mut state = self.account.state();
        let policies = state.directory.role_policies(role);
        policies
            .ok_or_else(|| SeedError::NoSuchEntity(role.to_owned()))?
            .insert(name.to_owned(), document);
        Ok(())
    }

    /// Opens a session as Lambda does for a function: its name is the session's.
    ///
    /// # Errors
    /// There is no such role, or it does not trust `lambda.amazonaws.com`.
    pub fn lambda_session(&self, role: &str, function: &str) -> Result<Credentials, SeedError> {
        const SERVICE: &str = "lambda.amazonaws.com";
        let mut state = self.account.state();
        if state.directory.role(role).is_none() {
            return Err(SeedError::NoSuchEntity(role.to_owned()));
        }
        if !state.directory.service_may_assume(SERVICE, role) {
            return Err(SeedError::NotTrusted {
                role: role.to_owned(),
                service: SERVICE.to_owned(),
            });
        }
        let now = self.account.clock.now();
        Ok(state.directory.open_session(role, function, LAMBDA_SESSION, now).0)
    }

    /// Everything that reached STS and IAM so far.
    pub fn requests(&self) -> Vec<AwsRequest> {
        self.account.state().requests.clone()
    }

    /// Closes the port and returns when it is closed.
    pub async fn stop(self) {
        self.listener.stop().await;
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Service {
    Iam,
    Sts,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }
}

#[derive(Debug)]
struct Account {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    directory: Directory,
    requests: Vec<AwsRequest>,
    sts_region: String,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("sts_region", &self.sts_region).finish_non_exhaustive()
    }
}

impl Account {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single step, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let call = Call::parse(request);
        let now = self.clock.now();
        let mut state = self.state();
        let result = call
            .verify(&state.directory, &state.sts_region, now)
            .and_then(|caller| call.perform(&mut state.directory, &caller, now));
        let error = result.as_ref().err().map(|error| error.code.to_owned());
        let response = xml::answer(call.service(), &call.action, result);
        state.requests.push(AwsRequest {
            access_key_id: call.access_key_id(),
            action: call.action.clone(),
            error,
            status: response.status().as_u16(),
        });
        response
    }
}
