//! The certificate that we show, if the server asks for one.

use std::path::Path;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use strongroom_core::settings::ClientIdentity;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Error, Place};

/// Reads certificate and key.
pub(super) fn load(identity: &ClientIdentity) -> Result<Arc<dyn ResolvesClientCert>, Error> {
    let chain = read_chain(&identity.certificate)?;
    let key = read_key(&identity.key)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(Arc::new(SingleCertAndKey::from(certified))),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Error::IdentityMismatch {
            certificate: identity.certificate.clone(),
            key: identity.key.clone(),
        }),
        Err(_) => Err(Error::NoCertificate {
            place: Place::file("VAULT_CLIENT_CERT", &identity.certificate),
            problem: "its first certificate is malformed",
        }),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let place = || Place::file("VAULT_CLIENT_CERT", path);
    let pem = std::fs::read(path).map_err(|source| Error::Read { place: place(), source })?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let problem = match chain {
        Ok(chain) if !chain.is_empty() => return Ok(chain),
        Ok(_) => "there is no PEM block CERTIFICATE in it",
        Err(_) => "a PEM block in it is damaged",
    };
    Err(Error::NoCertificate { place: place(), problem })
}

/// PKCS#1, PKCS#8 or SEC1, without a passphrase. What was read is wiped; ring keeps its own form.
fn read_key(path: &Path) -> Result<Arc<dyn SigningKey>, Error> {
    let text = std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|source| Error::Read { place: Place::file("VAULT_CLIENT_KEY", path), source })?;
    let error = |problem| Error::Key { path: path.to_owned(), problem };
    let mut key = PrivateKeyDer::from_pem_slice(&text).map_err(|cause| {
        let encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
        error(match cause {
            _ if encrypted => {
                "is encrypted; hint: there is nobody to ask for the passphrase, remove it with \
                 openssl pkey"
            }
            pem::Error::NoItemsFound => {
                "holds no private key; hint: it should hold a PEM block PRIVATE KEY, \
                 RSA PRIVATE KEY or EC PRIVATE KEY"
            }
            _ => "holds a damaged PEM block",
        })
    })?;
    let loaded = rustls::crypto::ring::sign::any_supported_type(&key);
    key.zeroize();
    loaded.map_err(|_| {
        error(
            "holds a key of a kind not supported; hint: use P-256, P-384, Ed25519, or RSA of 2048 \
             to 4096 bits (P-521 is not supported)",
        )
    })
}
