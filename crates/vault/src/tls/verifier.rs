//! Whether a server is who it should be: webpki's rules, and what Go does beyond them.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use std::sync::Arc;

use super::authorities::Authorities;
use super::der;

/// Verifies chain, dates, purpose and name.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) authorities: Authorities,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn verify_chain(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let check = |roots: &RootCertStore, intermediates| {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )
        };
        let roots = &self.authorities.roots;
        if self.authorities.configured.contains(certificate) {
            return accept_configured(certificate, check(roots, &[]));
        }
        let mut result = check(roots, intermediates);
        if is_unknown_issuer(&result)
            && let Some(system) = self.authorities.system()
        {
            result = check(system, intermediates);
        }
        result.map_err(|error| explained(error, certificate, intermediates))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_chain(end_entity, intermediates, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// For `VAULT_SKIP_VERIFY`: any certificate, as long as the server holds its key.
#[derive(Debug)]
pub(super) struct AcceptAny {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What webpki refuses without saying enough for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// A certificate that may sign others, below another that is trusted.
    #[error("the server's certificate is that of an authority")]
    Authority,
    /// It signed itself, and is not trusted.
    #[error("the server's certificate is signed by itself")]
    SelfSigned,
    /// No chain leads to a trusted authority.
    #[error("the server's certificate is signed by an unknown authority")]
    UnknownIssuer { issuer: Option<String>, sent: usize },
}

/// Accepts a certificate that is itself configured, whoever signed it, as Go does; a development
/// server's is often its own authority, which webpki takes for a mistake.
///
/// webpki looks at the dates first, then at who may sign, then at the purpose, and only then for
/// a chain: each error that is passed over here says that what comes before it is in order.
fn accept_configured(
    certificate: &CertificateDer<'_>,
    result: Result<(), Error>,
) -> Result<(), Error> {
    match result {
        Err(error) if is_authority(&error) => {
            if der::is_for_servers(certificate) {
                Ok(())
            } else {
                Err(CertificateError::InvalidPurpose.into())
            }
        }
        Err(Error::InvalidCertificate(
            CertificateError::BadSignature
            | CertificateError::UnknownIssuer
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        )) => Ok(()),
        other => other,
    }
}

fn is_unknown_issuer(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}

fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(error))) = error else {
        return false;
    };
    matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn explained(
    error: Error,
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Error {
    let refused = if is_authority(&error) {
        let parsed = webpki::EndEntityCert::try_from(certificate);
        match parsed.is_ok_and(|parsed| parsed.issuer() == parsed.subject()) {
            true => Refused::SelfSigned,
            false => Refused::Authority,
        }
    } else if matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer)) {
        match webpki::EndEntityCert::try_from(certificate) {
            Ok(parsed) if parsed.issuer() == parsed.subject() => Refused::SelfSigned,
            Ok(_) | Err(_) => Refused::UnknownIssuer {
                issuer: last_issuer(certificate, intermediates),
                sent: intermediates.len(),
            },
        }
    } else {
        return error;
    };
    CertificateError::Other(OtherError(Arc::new(refused))).into()
}

/// Who signed the last certificate that the server sent.
fn last_issuer(
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Option<String> {
    let last = intermediates.last().unwrap_or(certificate);
    let parsed = webpki::EndEntityCert::try_from(last).ok()?;
    der::common_name(parsed.issuer())
}
