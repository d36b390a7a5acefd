//! Certificates, made by the `openssl` command line when a test wants them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a key is.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyKind {
    Ed25519,
    P256,
    P384,
    P521,
    Rsa(u32),
}

/// What a certificate says.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) common_name: &'static str,
    pub(super) key: KeyKind,
    /// Lines of an extension section of OpenSSL's configuration.
    pub(super) extensions: &'static str,
    pub(super) digest: &'static str,
    /// `YYYYMMDDHHMMSSZ`
    pub(super) not_before: &'static str,
    pub(super) not_after: &'static str,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            common_name: "server",
            key: KeyKind::P256,
            extensions: "subjectAltName=DNS:vault.test\nbasicConstraints=critical,CA:FALSE",
            digest: "sha256",
            not_before: "20200101000000Z",
            not_after: "20991231235959Z",
        }
    }
}

impl Profile {
    pub(super) fn authority(common_name: &'static str) -> Self {
        let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign";
        Self { common_name, extensions, ..Self::default() }
    }
}

/// A certificate and its key, in a directory of their own.
#[derive(Debug)]
pub(super) struct Certificate {
    directory: TempDir,
}

impl Certificate {
    pub(super) fn self_signed(profile: &Profile) -> Self {
        Self::issue(profile, None)
    }

    pub(super) fn signed_by(issuer: &Self, profile: &Profile) -> Self {
        Self::issue(profile, Some(issuer))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.file("certificate.pem")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.file("key.pem")
    }

    pub(super) fn pem(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    /// The path of a file beside the certificate.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file beside the certificate.
    pub(super) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name);
        write(&path, content);
        path
    }

    /// Writes the key in another form: the arguments are those of an `openssl` command, which ends
    /// in the name of the file to write.
    pub(super) fn convert_key(&self, arguments: &[&str]) -> PathBuf {
        openssl(self.directory.path(), arguments);
        self.file(arguments.last().unwrap())
    }

    fn issue(profile: &Profile, issuer: Option<&Self>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        write(&at.join("openssl.cnf"), &configuration(profile));
        write(&at.join("index.txt"), "");
        write_key(at, profile.key);
        let subject = format!("/CN={}", profile.common_name);
        let request = ["req", "-new", "-config", "openssl.cnf", "-key", "key.pem", "-subj"];
        openssl(at, &[&request[..], &[&subject, "-out", "request.pem"]].concat());
        let (issuer_key, issuer_path) = match issuer {
            Some(issuer) => (issuer.key(), issuer.path()),
            None => (at.join("key.pem"), PathBuf::new()),
        };
        let mut arguments = vec!["ca", "-batch", "-notext", "-config", "openssl.cnf"];
        arguments.extend(["-in", "request.pem", "-out", "certificate.pem"]);
        arguments.extend(["-keyfile", issuer_key.to_str().unwrap()]);
        match issuer {
            Some(_) => arguments.extend(["-cert", issuer_path.to_str().unwrap()]),
            None => arguments.push("-selfsign"),
        }
        openssl(at, &arguments);
        Self { directory }
    }
}

fn configuration(profile: &Profile) -> String {
    let Profile { extensions, digest, not_before, not_after, .. } = profile;
    // Ed25519 has a digest of its own.
    format!(
        "[req]\ndistinguished_name=name\n[name]\n\
         [ca]\ndefault_ca=own\n\
         [own]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\nunique_subject=no\n\
         email_in_dn=no\ndefault_md={digest}\npolicy=any\nx509_extensions=extensions\n\
         default_startdate={not_before}\ndefault_enddate={not_after}\n\
         [any]\ncommonName=supplied\n\
         [extensions]\nsubjectKeyIdentifier=hash\n{extensions}\n"
    )
}

fn write_key(directory: &Path, kind: KeyKind) {
    let bits;
    let option = match kind {
        KeyKind::Ed25519 => &["-algorithm", "ED25519"][..],
        KeyKind::P256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        KeyKind::P384 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        KeyKind::P521 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
        KeyKind::Rsa(size) => {
            bits = format!("rsa_keygen_bits:{size}");
            &["-algorithm", "RSA", "-pkeyopt", &bits]
        }
    };
    openssl(directory, &[&["genpkey"], option, &["-out", "key.pem"]].concat());
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .expect("these tests need the openssl command");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {message}");
}

#[expect(clippy::disallowed_methods, reason = "test files hold no secret")]
pub(super) fn write(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
}
