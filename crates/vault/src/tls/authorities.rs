//! The authorities that may have signed a server's certificate, from where they were configured.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use strongroom_core::settings;

use super::{Error, Place};

/// Directories below `VAULT_CAPATH` are read this deep, which ends a circle of mounts.
const DEEPEST: usize = 8;

/// Whom to trust.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) roots: RootCertStore,
    /// The certificates themselves, where the user chose them: a server may show one of them.
    pub(super) configured: Vec<CertificateDer<'static>>,
    system: Option<SystemBundle>,
}

impl Authorities {
    /// Those in the system's bundle, read at the first call; `None` where the user chose others.
    pub(super) fn system(&self) -> Option<&RootCertStore> {
        let system = self.system.as_ref()?;
        Some(system.roots.get_or_init(|| read_bundle(system.paths)))
    }

    fn configured() -> Self {
        Self { roots: RootCertStore::empty(), configured: Vec::new(), system: None }
    }

    fn public(bundles: &'static [&'static str]) -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let system = SystemBundle { paths: bundles, roots: OnceLock::new() };
        Self { roots, configured: Vec::new(), system: Some(system) }
    }

    /// Adds each certificate in `pem`. Those that cannot be used are passed over, if one can.
    fn add(&mut self, pem: &[u8], place: impl Fn() -> Place) -> Result<(), Error> {
        let mut problem = "there is no PEM block CERTIFICATE in it";
        let mut unusable = 0_usize;
        let before = self.configured.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            match certificate.map(|certificate| (self.roots.add(certificate.clone()), certificate))
            {
                Ok((Ok(()), certificate)) => self.configured.push(certificate),
                Ok((Err(_), _)) => {
                    unusable += 1;
                    problem = "its certificates are malformed or of a kind not supported";
                }
                Err(_) => {
                    unusable += 1;
                    problem = "a PEM block in it is damaged";
                }
            }
        }
        if self.configured.len() == before {
            return Err(Error::NoCertificate { place: place(), problem });
        }
        if unusable > 0 {
            tracing::warn!("{}: {unusable} certificates cannot be used: {problem}", place());
        }
        Ok(())
    }

    fn add_file(&mut self, variable: &'static str, path: &Path) -> Result<(), Error> {
        let place = || Place::file(variable, path);
        let pem = std::fs::read(path).map_err(|source| Error::Read { place: place(), source })?;
        self.add(&pem, place)
    }
}

/// The system's bundle of authorities: 200 KB of PEM that most functions never need.
#[derive(Debug)]
struct SystemBundle {
    paths: &'static [&'static str],
    roots: OnceLock<RootCertStore>,
}

/// Reads what was configured.
pub(super) fn load(
    authorities: &settings::Authorities,
    bundles: &'static [&'static str],
) -> Result<Authorities, Error> {
    let mut loaded = Authorities::configured();
    match authorities {
        settings::Authorities::Default { ssl_cert_file: None, ssl_cert_dir: None } => {
            return Ok(Authorities::public(bundles));
        }
        settings::Authorities::Default { ssl_cert_file, ssl_cert_dir } => {
            add_openssl(&mut loaded, ssl_cert_file.as_deref(), ssl_cert_dir.as_deref());
            if loaded.configured.is_empty() {
                tracing::warn!(
                    "SSL_CERT_FILE and SSL_CERT_DIR name no certificate, so the public \
                     authorities are trusted"
                );
                return Ok(Authorities::public(bundles));
            }
        }
        settings::Authorities::Directory(path) => {
            add_directory(&mut loaded, "VAULT_CAPATH", path, DEEPEST)?;
            if loaded.configured.is_empty() {
                let place = Place::file("VAULT_CAPATH", path);
                return Err(Error::NoCertificate { place, problem: "there is no file in it" });
            }
        }
        settings::Authorities::File(path) => loaded.add_file("VAULT_CACERT", path)?,
        settings::Authorities::Pem(pem) => {
            let place = || Place { variable: "VAULT_CACERT_BYTES", path: None };
            loaded.add(pem.as_bytes(), place)?;
        }
    }
    Ok(loaded)
}

/// What OpenSSL's variables name. As with Go, what cannot be read there is passed over.
fn add_openssl(loaded: &mut Authorities, file: Option<&Path>, directories: Option<&Path>) {
    if let Some(file) = file
        && let Err(error) = loaded.add_file("SSL_CERT_FILE", file)
    {
        tracing::warn!("{error}");
    }
    for directory in directories.into_iter().flat_map(std::env::split_paths) {
        let variable = "SSL_CERT_DIR";
        match entries(variable, &directory) {
            Ok(entries) => {
                for path in entries.iter().filter(|path| !is_alias(path)) {
                    // Such a directory holds revocation lists and read-me files as well.
                    let _ = loaded.add_file(variable, path);
                }
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

/// Whether this links to a neighbour, as the names by hash in OpenSSL's directories do.
fn is_alias(path: &Path) -> bool {
    std::fs::read_link(path).is_ok_and(|target| target.components().count() == 1)
}

/// Every file below `directory`; as with Vault's own client, one without a certificate is an
/// error.
fn add_directory(
    loaded: &mut Authorities,
    variable: &'static str,
    directory: &Path,
    depth: usize,
) -> Result<(), Error> {
    for path in entries(variable, directory)? {
        if !path.is_dir() {
            loaded.add_file(variable, &path)?;
        } else if !path.is_symlink() && depth > 1 {
            // A linked directory is passed over: Kubernetes links to the files in it besides.
            add_directory(loaded, variable, &path, depth - 1)?;
        }
    }
    Ok(())
}

/// What lies in a directory, in the order of names.
fn entries(variable: &'static str, directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { place: Place::file(variable, directory), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // A sort of the library would be 5 KB of the layer.
        let at = paths.partition_point(|before| *before < path);
        paths.insert(at, path);
    }
    Ok(paths)
}

/// The first bundle that is there; without one, nobody is trusted beyond the public authorities.
fn read_bundle(paths: &[&str]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = paths.iter().find_map(|path| std::fs::read(path).ok()) {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    }
    roots
}
