//! What it means when no answer comes back, told from where the way ends.

use std::io::ErrorKind;

use strongroom_core::address::Address;
use strongroom_core::diagnosis::Check;
use strongroom_core::diagnosis::sayings::{Saying, access, way};

use super::Subject;
use crate::error::{AwsPeer, Error};
use crate::http::Stage;

/// The broken link, what that means, and what to type.
pub(super) fn saying(error: &Error, subject: &Subject<'_>, otherwise: Check) -> Saying {
    let address = subject.client.address();
    let (host, is_loopback) = match address {
        Address::Tcp(origin) => (origin.host.as_str(), origin.is_loopback()),
        Address::Unix(_) => ("", false),
    };
    if is_of_connection(error)
        && let Some(Stage::Tcp(reached, _) | Stage::Name(reached)) = subject.client.waiting_for()
        && reached != host
    {
        return way::PROXY_UNREACHED;
    }
    match error {
        Error::Resolve { .. } => way::NO_ADDRESS,
        Error::Connect { to, .. } if to.ends_with(BY_TLS) => way::HANDSHAKE_ENDED,
        Error::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused => {
            if is_loopback {
                way::REFUSED_HERE
            } else {
                way::REFUSED
            }
        }
        Error::Connect { .. } => way::NO_WAY,
        Error::Deadline { waiting_for: Some(Stage::Name(_)) } => way::NAME_SERVER_SILENT,
        Error::Deadline { waiting_for: Some(Stage::Tcp(..)) } => way::SILENT,
        Error::Deadline { waiting_for: Some(Stage::Tls(_)) } => way::HANDSHAKE_SILENT,
        Error::Deadline { waiting_for: Some(Stage::Tunnel(_)) }
        | Error::ForwardProxy(_)
        | Error::Tunnel { .. } => way::PROXY_REFUSES,
        Error::Tls { .. } => way::NOT_TRUSTED,
        Error::TlsSettings(_) => way::NO_CERTIFICATES,
        Error::Aws { peer: AwsPeer::Sts(_), .. } => access::STS_UNREACHED,
        Error::AssumeRole(_) => access::NOT_ASSUMED,
        Error::Credential { .. } => access::NO_CREDENTIAL,
        Error::Credentials(_) | Error::Aws { .. } => access::NO_CREDENTIALS,
        Error::Sts(_) => access::NO_REGION,
        Error::Deadline { .. } => Saying { check: otherwise, ..way::NO_ANSWER },
        Error::Redirect { .. } => Saying { check: otherwise, ..way::LED_ELSEWHERE },
        Error::Answer { .. } | Error::Broken { .. } => {
            Saying { check: otherwise, ..way::NO_VAULT_ANSWERS }
        }
        _ => Saying { check: otherwise, ..way::CANNOT_BE_ASKED },
    }
}

/// The host that the error is about, where that need not be Vault's.
pub(super) fn other_host(error: &Error) -> Option<String> {
    match error {
        Error::Resolve { host, .. }
        | Error::Deadline { waiting_for: Some(Stage::Name(host) | Stage::Tcp(host, _)) } => {
            Some(host.clone())
        }
        Error::Connect { to, .. } => Some(to.clone()),
        _ => None,
    }
}

fn is_of_connection(error: &Error) -> bool {
    matches!(error, Error::Connect { .. } | Error::Deadline { .. } | Error::Resolve { .. })
}

/// How the connector marks a connection that ended in the handshake.
const BY_TLS: &str = " by TLS";
