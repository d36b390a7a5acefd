//! What a failed handshake means to the person who has to mend it.

use std::fmt;
use std::io;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};

use super::verifier::Refused;

/// Whom we failed to talk to, and so which variables help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// STS or a container-credentials endpoint.
    Aws,
    /// Vault.
    Vault,
}

impl Peer {
    fn authorities(self) -> &'static str {
        match self {
            Self::Aws => "SSL_CERT_FILE to a PEM file of",
            Self::Vault => "VAULT_CACERT (a PEM file) or VAULT_CACERT_BYTES (PEM text) to",
        }
    }
}

/// What is wrong, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// One clause.
    pub problem: String,
    /// What to do, if that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{}; hint: {hint}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

/// Explains the TLS error inside an I/O error, which is how an asynchronous stream reports it;
/// `None` if there is none.
#[must_use]
pub fn describe_io(error: &io::Error, peer: Peer) -> Option<Explanation> {
    let error = error.get_ref()?.downcast_ref()?;
    Some(describe(error, peer))
}

/// Explains why a handshake failed.
#[must_use]
pub fn describe(error: &Error, peer: Peer) -> Explanation {
    match error {
        Error::AlertReceived(alert) => alert_received(*alert),
        Error::InvalidCertificate(error) => certificate(error, peer),
        // The first bytes of an HTTP answer are no TLS record.
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => explanation(
            "the server does not speak TLS on this port",
            "is it a plain one? then the address begins with http://",
        ),
        Error::NoApplicationProtocol => no_http1(),
        Error::PeerIncompatible(incompatible) => explanation(
            format!("the server's TLS is not compatible: {incompatible:?}"),
            "TLS 1.2 or 1.3 is needed",
        ),
        other => Explanation { problem: format!("the TLS handshake failed: {other}"), hint: None },
    }
}

fn explanation(problem: impl Into<String>, hint: impl Into<String>) -> Explanation {
    Explanation { problem: problem.into(), hint: Some(hint.into()) }
}

/// What the server said before it hung up.
fn alert_received(alert: AlertDescription) -> Explanation {
    let show = "set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY to a certificate that it trusts";
    match alert {
        AlertDescription::CertificateRequired => {
            explanation("the server asks for a client certificate", show)
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::UnsupportedCertificate => explanation(
            format!("the server refuses our client certificate, or asks for one ({alert:?})"),
            show,
        ),
        AlertDescription::HandshakeFailure => explanation(
            "the server found nothing in common with us: no cipher suite, kind of key or kind of \
             signature (HandshakeFailure)",
            "a P-521 certificate is not supported, P-256, P-384, Ed25519 and RSA are; or it asks \
             for a client certificate, which VAULT_CLIENT_CERT and VAULT_CLIENT_KEY name",
        ),
        AlertDescription::NoApplicationProtocol => no_http1(),
        AlertDescription::ProtocolVersion => explanation(
            "the server speaks neither TLS 1.2 nor TLS 1.3",
            "enable one of them there (tls_min_version and tls_max_version of Vault's listener)",
        ),
        AlertDescription::UnrecognisedName => explanation(
            "the server knows no host of the name we asked for",
            "set VAULT_TLS_SERVER_NAME to the name in its certificate",
        ),
        other => Explanation {
            problem: format!("the server broke the TLS handshake off ({other:?})"),
            hint: None,
        },
    }
}

fn no_http1() -> Explanation {
    explanation("the server offers no HTTP/1.1", "let it, or its load balancer, offer http/1.1")
}

fn certificate(error: &CertificateError, peer: Peer) -> Explanation {
    let unsupported = "the server's certificate or its authority's has a signature of a kind not \
                       supported";
    let use_others = "use P-256, P-384, Ed25519, or RSA of 2048 to 8192 bits with SHA-256 or \
                      better (P-521 and SHA-1 are not supported)";
    match error {
        CertificateError::ExpiredContext { time, not_after } => explanation(
            format!("the server's certificate expired {} ago", distance(*not_after, *time)),
            "renew it; or is this machine's clock fast?",
        ),
        CertificateError::Expired => explanation("the server's certificate expired", "renew it"),
        CertificateError::NotValidYetContext { time, not_before } => explanation(
            format!("the server's certificate is valid only in {}", distance(*time, *not_before)),
            "is this machine's clock slow?",
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            wrong_name(expected, presented)
        }
        CertificateError::BadEncoding => {
            Explanation { problem: "the server's certificate is malformed".to_owned(), hint: None }
        }
        CertificateError::BadSignature => explanation(
            "the signature on the server's certificate is wrong",
            "another authority of the same name may have signed it; or an RSA key has less than \
             2048 bits, which is not supported",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            explanation(
                "the server's certificate is not one for servers",
                "give it the extended key usage serverAuth",
            )
        }
        CertificateError::UnknownIssuer => unknown_issuer(None, 0, peer),
        CertificateError::UnhandledCriticalExtension => Explanation {
            problem: "the server's certificate has a critical extension that is not supported"
                .to_owned(),
            hint: None,
        },
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            explanation(unsupported, use_others)
        }
        CertificateError::Other(OtherError(error)) => other(error.as_ref(), peer),
        other => Explanation {
            problem: format!("the server's certificate is not accepted: {other}"),
            hint: None,
        },
    }
}

fn other(error: &(dyn std::error::Error + Send + Sync + 'static), peer: Peer) -> Explanation {
    let Some(refused) = error.downcast_ref::<Refused>() else {
        return Explanation {
            problem: format!("the server's certificate is not accepted: {error}"),
            hint: None,
        };
    };
    match refused {
        Refused::Authority => explanation(
            "the server's certificate is that of an authority (CA:TRUE)",
            format!(
                "give the server one with CA:FALSE, or set {} this very certificate",
                peer.authorities()
            ),
        ),
        Refused::SelfSigned => explanation(
            "the server's certificate is signed by itself and not known here",
            format!("set {} this very certificate", peer.authorities()),
        ),
        Refused::UnknownIssuer { issuer, sent } => unknown_issuer(issuer.as_deref(), *sent, peer),
    }
}

fn unknown_issuer(issuer: Option<&str>, sent: usize, peer: Peer) -> Explanation {
    let issuer = issuer.map_or_else(|| "an authority".to_owned(), |name| format!("\"{name}\""));
    let set = peer.authorities();
    if sent == 0 {
        return explanation(
            format!("the server's certificate is signed by {issuer}, which is not trusted here"),
            format!(
                "set {set} that authority; if it is an intermediate one, let the server send its \
                 certificate along (in Vault, append it to tls_cert_file)"
            ),
        );
    }
    explanation(
        format!(
            "the server's certificate and the {sent} sent along lead to {issuer}, which is not \
             trusted here"
        ),
        format!("set {set} that authority"),
    )
}

fn wrong_name(expected: &ServerName<'_>, presented: &[String]) -> Explanation {
    let expected = expected.to_str();
    if presented.is_empty() {
        return explanation(
            format!("the server's certificate names no host at all, so not {expected}"),
            "give it a subject alternative name; a common name alone does not count",
        );
    }
    // rustls writes them as `DnsName("vault.test")` and `IpAddress(127.0.0.1)`.
    let names: Vec<&str> = presented
        .iter()
        .take(10)
        .map(|name| {
            let (_, name) = name.split_once('(').unwrap_or_default();
            name.trim_end_matches(')').trim_matches('"')
        })
        .collect();
    explanation(
        format!("the server's certificate is for {}, not for {expected}", names.join(", ")),
        "if that is the server you mean, set VAULT_TLS_SERVER_NAME to a name in its certificate",
    )
}

/// How far apart two times are, as a person says it.
fn distance(earlier: UnixTime, later: UnixTime) -> String {
    let seconds = later.as_secs().saturating_sub(earlier.as_secs());
    let (count, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7_200 => (seconds / 60, "minutes"),
        7_200..172_800 => (seconds / 3_600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn described(error: impl Into<Error>) -> String {
        describe(&error.into(), Peer::Vault).to_string()
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn dates_are_told_as_distances() {
        let check = |seconds: u64, expected: &str| {
            let error = CertificateError::ExpiredContext {
                time: at(1_000 + seconds),
                not_after: at(1_000),
            };
            let text = described(error);
            assert!(text.contains(expected), "{text}");
        };
        check(0, "expired 0 seconds ago");
        check(119, "119 seconds");
        check(120, "2 minutes");
        check(7_200, "2 hours");
        check(172_800, "2 days");
        check(864_000, "10 days");
        let error = CertificateError::NotValidYetContext { time: at(0), not_before: at(600) };
        assert!(described(error).contains("valid only in 10 minutes; hint: is this machine's"));
    }

    #[test]
    fn wrong_names_are_listed() {
        let check = |presented: &[&str], expected: &str| {
            let error = CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("vault.test").unwrap(),
                presented: presented.iter().map(|name| (*name).to_owned()).collect(),
            };
            let text = described(error);
            assert!(text.contains(expected), "{text}");
        };
        check(
            &["DnsName(\"a.test\")", "IpAddress(127.0.0.1)"],
            "is for a.test, 127.0.0.1, not for vault.test; hint: if that",
        );
        check(&[], "names no host at all");
    }

    #[test]
    fn hints_name_the_variables_of_the_peer() {
        let refused = || {
            let refused = Refused::UnknownIssuer { issuer: Some("Corp".to_owned()), sent: 0 };
            Error::from(CertificateError::Other(OtherError(std::sync::Arc::new(refused))))
        };
        let vault = describe(&refused(), Peer::Vault).to_string();
        assert!(vault.contains("signed by \"Corp\"") && vault.contains("VAULT_CACERT"), "{vault}");
        let aws = describe(&refused(), Peer::Aws).to_string();
        assert!(aws.contains("SSL_CERT_FILE") && !aws.contains("VAULT_"), "{aws}");
    }

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let error = Error::AlertReceived(AlertDescription::CertificateRequired);
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        let text = describe_io(&error, Peer::Vault).unwrap().to_string();
        assert!(text.contains("VAULT_CLIENT_CERT"), "{text}");
        assert_eq!(describe_io(&io::Error::other("reset"), Peer::Vault), None);
    }
}
