//! From settings to what is walked.

use std::time::Duration;

use strongroom_core::diagnosis::Report;
use strongroom_core::diagnosis::sayings::way;
use strongroom_core::settings::{self, Identity};

use super::Access;
use crate::client::Client;
use crate::clock::Clock;
use crate::error::chain;
use crate::forward::Forward;
use crate::http::{Connector, Freeze, Limits, Progress};
use crate::login::Lookup;
use crate::session::TokenSource;
use crate::tls::Peer;

/// A client that keeps how far it came, and how a token is come by, where `withheld` does not say why nobody logs in.
/// `None` if no client can be made, which is then reported. Nothing is sent yet.
pub fn prepare(
    vault: settings::Vault,
    identity: Identity,
    lookup: Lookup,
    withheld: Option<String>,
    user_agent: &'static str,
    report: &mut Report,
) -> Option<(Client, Access)> {
    let (clock, progress) = (Clock::system(), Progress::recording());
    let forward = Forward::from_environment(&*lookup);
    let connector =
        Connector::new(vault.tls.clone(), Peer::Vault, forward.clone(), progress.clone());
    let freeze = Freeze::new(clock.clone());
    let client = match Client::new(vault, connector, clock, freeze, LIMITS, user_agent) {
        Ok(client) => client,
        Err(error) => {
            report.fault(&way::NO_CERTIFICATES, &["", &chain(&error)]);
            return None;
        }
    };
    let mount = mount(&identity).to_owned();
    let withheld = withheld.or_else(|| {
        let is_wrapped = matches!(&identity, Identity::AppRole(login)
            if login.secret_id.as_ref().is_some_and(|id| id.is_wrapped));
        is_wrapped
            .then(|| "not made: the wrapping token serves once, and the start needs it".to_owned())
    });
    let access = match withheld {
        Some(reason) => Access::Withheld { mount, reason },
        None => match TokenSource::of(identity, lookup, forward, progress) {
            Ok(source) => Access::Source(source),
            Err(error) => Access::Failed { mount, error },
        },
    };
    Some((client, access))
}

fn mount(identity: &Identity) -> &str {
    match identity {
        Identity::AppRole(login) => &login.mount,
        Identity::AwsIam(login) => &login.mount,
        Identity::Certificate(login) => &login.mount,
        Identity::Jwt(login) => &login.mount,
        Identity::Token(_) => "",
    }
}

/// One request goes after the other.
const LIMITS: Limits = Limits { connections: 2, idle: Duration::from_secs(5) };
