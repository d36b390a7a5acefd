//! A process of Strongroom: its real client and session, over the model's network and time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use strongroom_core::address::Address;
use strongroom_core::duration::SignedMilliseconds;
use strongroom_core::settings::{self, OnOutage, Redirects, Revoke, SrvLookup, Tls};
use strongroom_vault::aws::sts;
use strongroom_vault::client::Client;
use strongroom_vault::clock::Clock;
use strongroom_vault::forward::Forward;
use strongroom_vault::http::{Connector, Freeze, Limits, Progress};
use strongroom_vault::login::{AwsIam, Login};
use strongroom_vault::session::{Session, TokenSource};
use strongroom_vault::simulation::Network;
use strongroom_vault::tls::Peer;

use crate::run::World;

/// A process that runs.
#[derive(Debug)]
pub(crate) struct Process {
    session: Arc<Session>,
    clock: Clock,
}

impl Process {
    /// A process as its settings make it; nothing is sent yet.
    pub(crate) fn new(world: &World, on_outage: OnOutage) -> anyhow::Result<Self> {
        let clock = Clock::simulated(world.epoch);
        let vault = Arc::clone(&world.vault);
        let connector =
            || Connector::new(Tls::default(), Peer::Vault, Forward::default(), Progress::default());
        let to_vault = connector().over(Network::new(move || vault.connect()));
        let client = Client::new(
            vault_settings()?,
            to_vault,
            clock.clone(),
            Freeze::new(clock.clone()),
            Limits { connections: 16, idle: Duration::from_secs(5) },
            "strongroom",
        )?;
        let sts = sts::Settings::from_environment(&variable);
        let login = AwsIam::new(iam(), sts, Box::new(variable), connector())?;
        let session = Session::new(
            Arc::new(client),
            TokenSource::Login(Arc::new(Login::AwsIam(login))),
            SignedMilliseconds(10_000),
            Revoke::Auto,
            on_outage,
        );
        Ok(Self { session, clock })
    }

    /// Whether it has a token within this time.
    pub(crate) async fn has_token_within(&self, time: Duration) -> bool {
        self.session.token(0, self.clock.deadline_in(time)).await.is_ok()
    }
}

/// The defaults.
fn vault_settings() -> anyhow::Result<settings::Vault> {
    Ok(settings::Vault {
        // No TLS: its round trips are the network's, and its work is not what is asked here.
        address: Address::parse("http://vault.test:8200").ok().context("the address is one")?,
        tls: Tls::default(),
        forward_proxy: None,
        namespace: None,
        headers: Vec::new(),
        wrap_ttl: None,
        timeout: Duration::from_secs(60),
        max_retries: None,
        rate_limit: None,
        redirects: Redirects::FollowOne,
        srv_lookup: SrvLookup::Off,
    })
}

fn iam() -> settings::AwsIam {
    settings::AwsIam {
        mount: "aws".into(),
        role: "function".into(),
        server_id: None,
        assumed_role: None,
        sts_region: None,
    }
}

/// The function's variables.
fn variable(name: &str) -> Option<String> {
    let value = match name {
        "AWS_ACCESS_KEY_ID" => "ASIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY" => "secret-of-the-simulation",
        "AWS_SESSION_TOKEN" => "session-of-the-simulation",
        "AWS_REGION" => "eu-central-1",
        _ => return None,
    };
    Some(value.to_owned())
}
