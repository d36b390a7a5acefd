//! Server certificates for a listener with TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate and key do not make a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate chain or the key is not PEM of the kind expected.
    #[error("cannot read {0} as PEM")]
    Pem(&'static str, #[source] rustls::pki_types::pem::Error),
    /// The key does not fit the certificate, or is of a kind that rustls does not know.
    #[error("certificate and key are not usable")]
    Unusable(#[source] rustls::Error),
}

/// A TLS server of HTTP/1.1 with this certificate chain and key, both in PEM.
///
/// # Errors
/// Either cannot be read, or they do not belong together.
pub fn server_config(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem("the certificate chain", error))?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Pem("the key", error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
