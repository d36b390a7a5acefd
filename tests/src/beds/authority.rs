//! A certificate authority of one test.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

/// A certificate authority that nobody knows who is not told of it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

/// A certificate and its key, in PEM.
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If the machine gives no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A server's certificate for `host`.
    ///
    /// # Panics
    /// As [`Authority::new`], or if `host` is no name or address.
    #[must_use]
    pub fn server(&self, host: &str) -> Certified {
        self.server_of_many(&[host])
    }

    /// The same for all of these.
    ///
    /// # Panics
    /// As [`Authority::server`].
    #[must_use]
    pub fn server_of_many(&self, hosts: &[&str]) -> Certified {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        self.certify(CertificateParams::new(hosts).expect("hosts' names"))
    }

    /// The same, but it is valid only from the beginning of one year to that of another.
    ///
    /// # Panics
    /// As [`Authority::server`].
    #[must_use]
    pub fn server_between(&self, host: &str, years: (i32, i32)) -> Certified {
        let mut params = CertificateParams::new([host.to_owned()]).expect("a host's name");
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        self.certify(params)
    }

    /// The same, but it expires at this time, in seconds since the Unix epoch.
    ///
    /// # Panics
    /// As [`Authority::server`], or if there is no such time.
    #[must_use]
    pub fn server_until(&self, host: &str, end: i64) -> Certified {
        let mut params = CertificateParams::new([host.to_owned()]).expect("a host's name");
        let since = end - date_time_ymd(2026, 1, 1).unix_timestamp();
        let since = std::time::Duration::from_secs(u64::try_from(since).expect("a time to come"));
        params.not_after = date_time_ymd(2026, 1, 1) + since;
        self.certify(params)
    }

    /// A client's certificate for `name`.
    ///
    /// # Panics
    /// As [`Authority::new`].
    #[must_use]
    pub fn client(&self, name: &str) -> Certified {
        self.certify(of_client(name))
    }

    /// The same, but it has expired.
    ///
    /// # Panics
    /// As [`Authority::new`].
    #[must_use]
    pub fn expired_client(&self, name: &str) -> Certified {
        let mut params = of_client(name);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.certify(params)
    }

    fn certify(&self, params: CertificateParams) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certified").finish_non_exhaustive()
    }
}

fn of_client(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    params
}
