//! Puts together what delivery asks: the store, on a session, on a client of Vault.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::duration::SignedMilliseconds;
use strongroom_core::settings::{Cache, Environment, Identity, OnOutage, Revoke, Vault};
use strongroom_lambda_api::initialization::InitializationType;
use strongroom_vault::client::Client;
use strongroom_vault::clock::Clock;
use strongroom_vault::error::Error;
use strongroom_vault::forward::Forward;
use strongroom_vault::http::{Connector, Freeze, Limits, Progress};
use strongroom_vault::session::{Session, TokenSource};
use strongroom_vault::tls::Peer;

use crate::USER_AGENT;
use crate::exit::Failure;
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
    pub(crate) environment: Arc<Environment>,
    pub(crate) progress: Progress,
    pub(crate) clock: Clock,
}

/// Builds the store; nothing is sent yet.
pub(crate) fn store(parts: Parts) -> Result<Arc<Store>, Failure> {
    let Parts { vault, progress, clock, .. } = parts;
    let environment = parts.environment;
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
    let source =
        TokenSource::of(parts.identity, Box::new(lookup_in(&environment)), forward, progress)
            .map_err(|error| failed(&error))?;
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

/// Reads a variable of `environment`.
pub(crate) fn lookup_in(
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
