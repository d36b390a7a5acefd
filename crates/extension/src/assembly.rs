//! Puts together what delivery asks: the store, on a session, on a client of Vault.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::duration::SignedMilliseconds;
use strongroom_core::lease::Lease;
use strongroom_core::settings::{
    self, Authorities, Cache, Environment, Identity, OnOutage, Revoke, Tls, Vault, variables as v,
};
use strongroom_lambda_api::initialization::InitializationType;
use strongroom_vault::aws::sts;
use strongroom_vault::client::Client;
use strongroom_vault::clock::Clock;
use strongroom_vault::error::Error;
use strongroom_vault::forward::Forward;
use strongroom_vault::http::{Connector, Freeze, Limits, Progress};
use strongroom_vault::login::{AppRole, AwsIam, Login};
use strongroom_vault::session::{Session, TokenSource};
use strongroom_vault::tls::Peer;
use strongroom_vault::token::{Token, TokenKind, TokenOrigin};

use crate::USER_AGENT;
use crate::exit::{Category, Failure};
use crate::process;
use crate::store::{Policy, Snapshot, Store};

/// What the store is made of.
pub(crate) struct Parts {
    pub(crate) vault: Vault,
    pub(crate) identity: Identity,
    pub(crate) token_grace: SignedMilliseconds,
    pub(crate) revoke: Revoke,
    pub(crate) on_outage: OnOutage,
    pub(crate) cache: Option<Cache>,
    pub(crate) attempts: NonZeroU32,
    pub(crate) initialization: InitializationType,
    pub(crate) environment: Environment,
    pub(crate) progress: Progress,
    pub(crate) clock: Clock,
}

/// Builds the store; nothing is sent yet.
pub(crate) fn store(parts: Parts) -> Result<Arc<Store>, Failure> {
    let Parts { vault, progress, clock, .. } = parts;
    let environment = Arc::new(parts.environment);
    let forward = Forward::from_environment(&lookup_in(&environment));
    let to_vault =
        Connector::new(vault.tls.clone(), Peer::Vault, forward.clone(), progress.clone());
    // Managed Instances are not frozen: there an idle connection stays good for longer.
    let idle = match parts.initialization {
        InitializationType::ManagedInstances => IDLE_LIMIT_WITHOUT_FREEZE,
        _ => IDLE_LIMIT,
    };
    let limits = Limits { connections: process::connection_limit(), idle };
    let freeze = Freeze::new(clock.clone());
    let client = Client::new(vault, to_vault, clock, freeze, limits, USER_AGENT)
        .map_err(|error| failed(&error))?;
    let client = Arc::new(client);
    let login = |login| TokenSource::Login(Arc::new(login));
    let source = match parts.identity {
        Identity::Token(secret) => {
            let lease = Lease { granted: 0, milliseconds: None, renewable: false };
            let token = Token::new(secret, lease, TokenKind::Service, TokenOrigin::Given);
            TokenSource::Given(Arc::new(token.ok_or_else(|| {
                Failure::new(
                    Category::Config,
                    "VAULT_TOKEN contains characters that no HTTP header can carry",
                )
            })?))
        }
        Identity::AppRole(app_role) => login(Login::AppRole(AppRole::new(app_role))),
        Identity::AwsIam(iam) => {
            login(Login::AwsIam(aws_iam(iam, &environment, forward, progress)?))
        }
        Identity::Certificate(certificate) => login(Login::Certificate(certificate)),
        Identity::Jwt(jwt) => login(Login::Jwt(jwt)),
    };
    let session =
        Session::new(Arc::clone(&client), source, parts.token_grace, parts.revoke, parts.on_outage);
    let snapshot = match parts.initialization {
        InitializationType::SnapStart => Snapshot::to_come(),
        _ => Snapshot::default(),
    };
    let policy = Policy {
        attempts: parts.attempts,
        stale_for: match parts.on_outage {
            OnOutage::Stale(stale_for) => Some(stale_for),
            OnOutage::Fail | OnOutage::Lazy => None,
        },
    };
    Ok(Store::new(client, session, parts.cache, policy, snapshot))
}

fn aws_iam(
    iam: settings::AwsIam,
    environment: &Arc<Environment>,
    forward: Forward,
    progress: Progress,
) -> Result<AwsIam, Failure> {
    // STS has a public certificate: what `VAULT_CACERT` says is about Vault only.
    let authorities = Authorities::Default {
        ssl_cert_file: environment.value(v::SSL_CERT_FILE).map(Into::into),
        ssl_cert_dir: environment.value(v::SSL_CERT_DIR).map(Into::into),
    };
    let to_aws =
        Connector::new(Tls { authorities, ..Tls::default() }, Peer::Aws, forward, progress);
    let lookup = lookup_in(environment);
    let sts = sts::Settings::from_environment(&lookup);
    AwsIam::new(iam, sts, Box::new(lookup), to_aws).map_err(|error| failed(&error))
}

fn lookup_in(
    environment: &Arc<Environment>,
) -> impl Fn(&str) -> Option<String> + Send + Sync + use<> {
    let environment = Arc::clone(environment);
    move |name| environment.value(name).map(str::to_owned)
}

fn failed(error: &Error) -> Failure {
    Failure::of_vault("cannot start", error)
}

const IDLE_LIMIT: Duration = Duration::from_secs(5);
const IDLE_LIMIT_WITHOUT_FREEZE: Duration = Duration::from_secs(60);
