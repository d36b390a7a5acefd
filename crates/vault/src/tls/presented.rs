//! The certificate that a server shows, for a person to look at: asked for without trusting it, and nothing is sent.

use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use strongroom_core::settings::{Tls, Verification};
use tokio::net::TcpStream;

use super::{client_config, der};

/// What stands in a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presented {
    /// Whom it is for, as a person calls it.
    pub subject: Option<String>,
    /// The hosts that it is for.
    pub names: Vec<String>,
    /// Who signed it, as a person calls it.
    pub issuer: Option<String>,
    /// The day it becomes valid, as `2026-01-31`.
    pub not_before: String,
    /// The day it expires.
    pub not_after: String,
}

impl Presented {
    /// The one that is shown at this address to who asks for `server_name`; `None` if none comes about.
    pub async fn at(host: &str, port: u16, server_name: &str) -> Option<Self> {
        // What is not trusted here is to be seen, too.
        let tls = Tls { verification: Verification::Skip, ..Tls::default() };
        let connector = tokio_rustls::TlsConnector::from(client_config(&tls).ok()?);
        let name = ServerName::try_from(server_name.to_owned()).ok()?;
        let handshake = async {
            let stream = TcpStream::connect((host, port)).await.ok()?;
            connector.connect(name, stream).await.ok()
        };
        let stream = tokio::time::timeout(PATIENCE, handshake).await.ok()??;
        let (_, connection) = stream.get_ref();
        Self::parse(connection.peer_certificates()?.first()?)
    }

    fn parse(certificate: &[u8]) -> Option<Self> {
        let parts = der::parts(certificate)?;
        Some(Self {
            subject: der::common_name(parts.subject),
            names: parts.names.into_iter().filter_map(name).collect(),
            issuer: der::common_name(parts.issuer),
            not_before: day(parts.not_before)?,
            not_after: day(parts.not_after)?,
        })
    }
}

/// A host's name, or an address of four or sixteen bytes.
fn name((tag, content): (u8, &[u8])) -> Option<String> {
    match tag {
        der::DNS_NAME => std::str::from_utf8(content).ok().map(str::to_owned),
        der::IP_ADDRESS => match content.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(content).ok()?).to_string()),
            _ => Some(IpAddr::from(<[u8; 16]>::try_from(content).ok()?).to_string()),
        },
        _ => None,
    }
}

/// `UTCTime` has two digits of the year, of which those from 50 on are of the last century.
/// <https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5>
fn day((tag, content): (u8, &[u8])) -> Option<String> {
    let digits = std::str::from_utf8(content).ok()?;
    let century = match tag {
        der::UTC_TIME if digits.get(..2)? >= "50" => "19",
        der::UTC_TIME => "20",
        _ => "",
    };
    let whole = format!("{century}{digits}");
    Some(format!("{}-{}-{}", whole.get(..4)?, whole.get(4..6)?, whole.get(6..8)?))
}

/// For connection and handshake.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_in_both_forms() {
        let check = |tag, text: &str, expect: Option<&str>| {
            assert_eq!(day((tag, text.as_bytes())).as_deref(), expect, "{text}");
        };
        check(der::UTC_TIME, "260131120000Z", Some("2026-01-31"));
        check(der::UTC_TIME, "500131120000Z", Some("1950-01-31"));
        check(0x18, "20510131120000Z", Some("2051-01-31"));
        check(0x18, "2051", None);
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        assert_eq!(Presented::parse(b""), None);
        assert_eq!(Presented::parse(&[0x30, 0x03, 0x30, 0x01, 0x02]), None);
    }
}
