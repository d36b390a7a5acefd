//! Vault itself: routes a request past token and policy to the engine that answers it.

mod acl;
mod answer;
mod aws_auth;
mod database;
mod duration;
mod kv1;
mod kv2;
mod leases;
mod mounts;
mod policy;
mod request;
mod ssh;
mod sys;
mod token_api;
mod tokens;
mod ttl;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use secrecy::SecretString;

use self::acl::Acl;
use self::answer::{Answer, Outcome, Refusal, render};
use self::aws_auth::AwsAuth;
use self::aws_auth::login::Login;
use self::aws_auth::role::Role;
use self::leases::{Given, Leases};
use self::mounts::{Auth, Engine, Mounts};
use self::policy::Policies;
use self::request::{ApiRequest, Operation};
use self::tokens::{Spent, Tokens};
use crate::clock::Clock;
use crate::recorded::{Caller, Recorded};

/// Vault's default and its maximum lease, in seconds: 768 hours.
const DEFAULT_TTL: i64 = 2_764_800;

/// Which Vault's manners to have, where releases differ.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Release {
    /// A dead token is refused with `permission denied` alone; answers name no mount type.
    V1_14,
    /// A dead token is refused with `invalid token` too; answers carry `mount_type`.
    #[default]
    V1_21,
}

impl Release {
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V1_14 => "1.14.0+devvault",
            Self::V1_21 => "1.21.4+devvault",
        }
    }
}

pub(crate) struct Vault {
    pub(crate) clock: Clock,
    release: Release,
    root_accessor: String,
    state: Mutex<State>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("release", &self.release).finish_non_exhaustive()
    }
}

struct State {
    auths: Mounts<Auth>,
    leases: Leases,
    mounts: Mounts<Engine>,
    policies: Policies,
    requests: Vec<Recorded>,
    sealed: bool,
    tokens: Tokens,
}

impl Vault {
    pub(crate) fn new(root: SecretString, release: Release) -> Self {
        let clock = Clock::default();
        let mut tokens = Tokens::default();
        tokens.insert_root(root.clone(), clock.now());
        let root_accessor =
            tokens.find(&root, clock.now()).map(|t| t.accessor.clone()).unwrap_or_default();
        let state = State {
            auths: Mounts::with("token/", Auth::Token),
            leases: Leases::default(),
            mounts: Mounts::with("sys/", Engine::System),
            policies: Policies::new(),
            requests: Vec::new(),
            sealed: false,
            tokens,
        };
        Self { clock, release, root_accessor, state: Mutex::new(state) }
    }

    pub(crate) fn release(&self) -> Release {
        self.release
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.state().requests.clone()
    }

    pub(crate) fn set_sealed(&self, sealed: bool) {
        self.state().sealed = sealed;
    }

    pub(crate) fn accessors(&self) -> Vec<String> {
        self.state().tokens.accessors(self.clock.now())
    }

    pub(crate) fn leases(&self) -> Vec<String> {
        let state = self.state();
        state.leases.alive(&state.tokens, self.clock.now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single step, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let method = request.method().to_string();
        let path = request.uri().path().to_owned();
        let (caller, outcome) = match request::cleaned_path(&path) {
            Some(cleaned) => (Caller::Nobody, Ok(Answer::Moved(cleaned))),
            None => match ApiRequest::parse(&request) {
                Ok(api_request) => (self.caller(&api_request), self.answer(&api_request).await),
                Err(refusal) => (Caller::Nobody, Err(refusal)),
            },
        };
        let response = render(outcome, self.release);
        let status = response.status().as_u16();
        self.state().requests.push(Recorded { caller, method, path, status });
        response
    }

    fn caller(&self, request: &ApiRequest) -> Caller {
        let Some(id) = &request.token else { return Caller::Nobody };
        let state = self.state();
        match state.tokens.find(id, self.clock.now()) {
            None => Caller::DeadToken,
            Some(token) if token.accessor == self.root_accessor => Caller::Root,
            Some(token) => Caller::Token {
                accessor: token.accessor.clone(),
                display_name: token.grant.display_name.clone(),
            },
        }
    }

    async fn answer(&self, request: &ApiRequest) -> Outcome {
        let now = self.clock.now();
        if let Some(outcome) = sys::public(&mut self.state(), request, self.release, now) {
            return outcome;
        }
        if self.state().sealed {
            return Err(Refusal::new(http::StatusCode::SERVICE_UNAVAILABLE, "Vault is sealed"));
        }
        if request.path.ends_with('/')
            && matches!(request.operation, Operation::Patch | Operation::Write)
        {
            return Err(Refusal::invalid("cannot write to a path ending in '/'"));
        }
        if let Some(mount) = self.login_mount(request) {
            return self.login(&mount, request).await;
        }
        let Some(id) = &request.token else { return self.without_token(request) };
        let authorized = self.state().authorize(id, request, self.release, now)?;
        let dispatched = self.state().dispatch(request, id, &authorized.policies, now);
        let outcome = match dispatched {
            Some(outcome) => outcome,
            None => self.write_role(request).await,
        };
        if authorized.spent == Spent::Last {
            self.state().tokens.revoke(id);
            // What was leased to the token has ended with it.
            if matches!(&outcome, Ok(Answer::Secret(secret)) if !secret.lease_id.is_empty()) {
                return Err(Refusal::invalid(
                    "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked.",
                ));
            }
        }
        outcome
    }

    /// The one thing that answers nobody in particular: an empty list of mounts.
    fn without_token(&self, request: &ApiRequest) -> Outcome {
        if request.path == "sys/internal/ui/mounts" && request.operation == Operation::Read {
            let nothing = serde_json::json!({ "auth": {}, "secret": {} });
            return Ok(Answer::data("system", nothing));
        }
        Err(Refusal::new(http::StatusCode::FORBIDDEN, "permission denied"))
    }

    /// The AWS mount, slash included, that this request wants to log in at.
    fn login_mount(&self, request: &ApiRequest) -> Option<String> {
        let below = request.path.strip_prefix("auth/")?;
        let mount = below.strip_suffix("login").filter(|mount| mount.ends_with('/'))?;
        self.state().aws_at(mount)?;
        Some(mount.to_owned())
    }

    async fn login(&self, mount: &str, request: &ApiRequest) -> Outcome {
        if request.operation != Operation::Write {
            let status = http::StatusCode::METHOD_NOT_ALLOWED;
            return Err(Refusal::new(status, "unsupported operation"));
        }
        let login = {
            let mut state = self.state();
            let auth = state.aws_at(mount).ok_or_else(Refusal::not_found)?;
            Login::check(&request.params, auth)?
        };
        let confirmed = login.confirm().await?;
        let mut state = self.state();
        let auth = state.aws_at(mount).ok_or_else(Refusal::not_found)?;
        let grant = confirmed.grant(auth, mount)?;
        let (auth, warnings) = state.tokens.issue(grant, self.clock.now());
        Ok(Answer::auth("aws", auth, warnings))
    }

    /// Writes a role of AWS auth, which may have to ask IAM first.
    async fn write_role(&self, request: &ApiRequest) -> Outcome {
        let below = request.path.strip_prefix("auth/").ok_or_else(Refusal::unsupported_path)?;
        let (mount, name) = below.split_once("/role/").ok_or_else(Refusal::unsupported_path)?;
        let (mount, name) = (format!("{mount}/"), name.to_lowercase());
        let (mut role, client) = {
            let mut state = self.state();
            let auth = state.aws_at(&mount).ok_or_else(Refusal::unsupported_path)?;
            let role = Role::written(auth.roles.get(&name).cloned(), &request.params)?;
            (role, auth.client.clone())
        };
        role.resolve(client.as_ref(), self.clock.now()).await?;
        let mut state = self.state();
        let auth = state.aws_at(&mount).ok_or_else(Refusal::unsupported_path)?;
        auth.roles.insert(name, role);
        Ok(Answer::NoContent)
    }
}

/// A caller who may do what is asked.
struct Authorized {
    policies: Vec<String>,
    spent: Spent,
}

impl State {
    fn aws_at(&mut self, mount: &str) -> Option<&mut AwsAuth> {
        match self.auths.route(mount)? {
            (mount, "") => match &mut mount.engine {
                Auth::Aws(auth) => Some(auth),
                Auth::Token => None,
            },
            _ => None,
        }
    }

    fn authorize(
        &mut self,
        id: &SecretString,
        request: &ApiRequest,
        release: Release,
        now: Timestamp,
    ) -> Result<Authorized, Refusal> {
        let token = self.tokens.find(id, now);
        let policies = token.ok_or_else(|| Refusal::dead_token(release))?.grant.policies.clone();
        let spent = self.tokens.spend(id);
        let capability = self.capability(request);
        let acl = Acl::of(&self.policies, &policies);
        // Whoever holds any token may ask which mounts it can see.
        let is_own_view = request.path.starts_with("sys/internal/ui/mounts");
        let permitted = acl.permits(&request.path, capability)
            && (!needs_sudo(&request.path, request.operation)
                || acl.permits(&request.path, "sudo"));
        if !permitted && !is_own_view {
            if spent == Spent::Last {
                self.tokens.revoke(id);
            }
            return Err(Refusal::denied_by_policy());
        }
        Ok(Authorized { policies, spent })
    }

    /// What the caller's policies must name; a write creates or updates, as things stand.
    fn capability(&mut self, request: &ApiRequest) -> &'static str {
        match request.operation {
            Operation::Delete => "delete",
            Operation::List => "list",
            Operation::Patch => "patch",
            Operation::Read => "read",
            Operation::Write => match self.exists(&request.path) {
                true => "update",
                false => "create",
            },
        }
    }

    fn exists(&mut self, path: &str) -> bool {
        let now_in_auth = path.strip_prefix("auth/").and_then(|below| self.auths.route(below));
        if let Some((mount, below)) = now_in_auth {
            return match (&mount.engine, below.strip_prefix("role/")) {
                (Auth::Aws(auth), Some(name)) => auth.roles.contains_key(&name.to_lowercase()),
                (Auth::Aws(auth), None) if below == "config/client" => auth.client.is_some(),
                _ => true,
            };
        }
        match self.mounts.route(path) {
            Some((mount, below)) => match &mount.engine {
                Engine::Database(engine) => engine.exists(below),
                Engine::Kv1(engine) => engine.exists(below),
                Engine::Kv2(engine) => engine.exists(below),
                Engine::Ssh(engine) => engine.exists(below),
                Engine::System => true,
            },
            None => true,
        }
    }

    /// The answer of the engine that the path lies in; `None` for the one that takes a call to AWS.
    fn dispatch(
        &mut self,
        request: &ApiRequest,
        caller: &SecretString,
        policies: &[String],
        now: Timestamp,
    ) -> Option<Outcome> {
        let path = request.path.as_str();
        if let Some(below) = path.strip_prefix("sys/") {
            return Some(sys::answer(self, below, request, policies, now));
        }
        if let Some(below) = path.strip_prefix("auth/token/") {
            return Some(token_api::answer(
                &mut self.tokens,
                &self.policies,
                below,
                request,
                caller,
                now,
            ));
        }
        if let Some((mount, below)) =
            path.strip_prefix("auth/").and_then(|below| self.auths.route(below))
            && let Auth::Aws(auth) = &mut mount.engine
        {
            let is_role = below.strip_prefix("role/").is_some_and(|name| !name.is_empty());
            let is_written = request.operation == Operation::Write && is_role;
            return (!is_written).then(|| auth.answer(below, request));
        }
        let Some((mount, below)) = self.mounts.route(path) else {
            return Some(Err(Refusal::new(
                http::StatusCode::NOT_FOUND,
                format!("no handler for route {path:?}. route entry not found."),
            )));
        };
        let given = match &mut mount.engine {
            Engine::Database(engine) => {
                let display_name = self.tokens.find(caller, now).map(|t| &*t.grant.display_name);
                engine.answer(below, request, display_name.unwrap_or_default(), now)
            }
            Engine::Kv1(engine) => engine.answer(below, request).map(Given::from),
            Engine::Kv2(engine) => engine.answer(below, request, now).map(Given::from),
            Engine::Ssh(engine) => engine.answer(below, request),
            Engine::System => Err(Refusal::unsupported_path()),
        };
        Some(given.map(|given| self.leases.grant(given, path, caller, &self.tokens, now)))
    }
}

/// Paths that Vault keeps for those with `sudo`.
/// <https://developer.hashicorp.com/vault/docs/concepts/policies#root-protected-api-endpoints>
fn needs_sudo(path: &str, operation: Operation) -> bool {
    match path {
        "sys/seal" | "auth/token/accessors/" | "auth/token/create-orphan" => true,
        path => {
            let is_of_leases =
                ["sys/leases/lookup/", "sys/leases/revoke-prefix/", "sys/revoke-prefix/"]
                    .iter()
                    .any(|guarded| path.starts_with(guarded));
            let changes_auth = path.starts_with("sys/auth/")
                && matches!(operation, Operation::Delete | Operation::Write);
            is_of_leases || changes_auth
        }
    }
}

/// A moment as Vault writes it.
fn timestamp(moment: Timestamp) -> String {
    moment.to_string()
}
