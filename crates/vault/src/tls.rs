//! TLS towards Vault and STS: whom we trust, who we are, and what a failed handshake means.
//!
//! Decided as Go's `crypto/tls` decides for Vault's own client, on rustls and ring. Revocation is
//! not checked, there as here.
//!
//! # Where this differs from Go's client
//! - P-521 keys and signatures are not supported by ring. Go accepts them.
//! - RSA keys have 2048 to 8192 bits. Go accepts 1024 and more.
//! - A certificate with `CA:TRUE` is a server's only if it is itself configured as trusted. Go
//!   accepts it below any trusted authority.
//! - With `SSL_CERT_FILE` set, only the authorities in it count. Go adds those in the system's
//!   directories.

mod authorities;
mod der;
mod explain;
mod identity;
mod presented;
mod verifier;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, version};
use strongroom_core::settings::{Tls, Verification};

pub use explain::{Explanation, Peer, describe, describe_io};
pub use presented::Presented;

/// Where Linux distributions keep the authorities that they trust, most frequent first.
/// <https://github.com/golang/go/blob/master/src/crypto/x509/root_linux.go>
pub const SYSTEM_BUNDLES: &[&str] = &[
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
];

/// Sessions to resume, which saves a connection most of the handshake. One server has a handful.
const SESSIONS: usize = 8;

/// The configuration for connections to a server that is to be trusted as `tls` says.
///
/// Reads what `tls` names at once; the system's bundle only when a certificate asks for it.
///
/// # Errors
/// [`Error`] if a file cannot be read or does not hold what it should.
pub fn client_config(tls: &Tls) -> Result<Arc<ClientConfig>, Error> {
    client_config_with(tls, SYSTEM_BUNDLES)
}

/// [`client_config`], where the system's bundle is the first of `bundles` that is there.
///
/// # Errors
/// As [`client_config`].
pub fn client_config_with(
    tls: &Tls,
    bundles: &'static [&'static str],
) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    // Read in any case: what is configured wrongly is said, even if nothing is verified.
    let authorities = authorities::load(&tls.authorities, bundles)?;
    let verifier: Arc<dyn ServerCertVerifier> = match tls.verification {
        Verification::Full => Arc::new(verifier::Verifier { authorities, algorithms }),
        Verification::Skip => Arc::new(verifier::AcceptAny { algorithms }),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .expect("ring has cipher suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &tls.client_identity {
        Some(identity) => builder.with_client_cert_resolver(identity::load(identity)?),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(Arc::new(config))
}

/// What is wrong with what TLS was configured with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate and the key are no pair.
    #[error(
        "the key in {} (VAULT_CLIENT_KEY) is not that of the certificate in {} \
         (VAULT_CLIENT_CERT)", key.display(), certificate.display()
    )]
    IdentityMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// No key that can be used.
    #[error("{} (VAULT_CLIENT_KEY) {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What about it.
        problem: &'static str,
    },
    /// No certificate that can be used.
    #[error("{place} holds no certificate that can be used: {problem}")]
    NoCertificate {
        /// The variable and, if it names one, the file.
        place: Place,
        /// Why.
        problem: &'static str,
    },
    /// A file or directory.
    #[error("cannot read {place}")]
    Read {
        /// The variable and the file.
        place: Place,
        /// What went wrong.
        source: std::io::Error,
    },
}

/// Where something was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The variable.
    pub variable: &'static str,
    /// What it names, or what lies in the directory that it names.
    pub path: Option<PathBuf>,
}

impl Place {
    fn file(variable: &'static str, path: &Path) -> Self {
        Self { variable, path: Some(path.to_owned()) }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} ({})", path.display(), self.variable),
            None => f.write_str(self.variable),
        }
    }
}
