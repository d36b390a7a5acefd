//! What the extension was told by its environment: parsed once, every mistake found together.

mod environment;
mod file;
mod identity;
mod parse;
mod secret_files;
mod spelling;
#[cfg(test)]
mod tests;
pub mod variables;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::address::{Address, Origin};
use crate::allow::Allow;
use crate::duration::SignedMilliseconds;
use crate::reference::Template;

pub use environment::{Environment, Finding, Findings, Place};
pub use file::SettingsFile;
pub use identity::{
    AppRole, AppRoleSecretId, AssumedRole, AwsIam, Certificate, Credential, CredentialSource,
    Identity, Jwt,
};
pub use secret_files::SecretFile;

/// Everything the extension was told.
#[derive(Debug)]
pub struct Settings {
    /// How requests reach Vault.
    pub vault: Vault,
    /// What happens while it cannot be reached.
    pub on_outage: OnOutage,
    /// Who the extension is to Vault.
    pub identity: Identity,
    /// How long before its end a token counts as expired.
    pub token_grace: SignedMilliseconds,
    /// Whether the token is revoked at the end.
    pub revoke: Revoke,
    /// Secrets to write to files; empty in proxy mode.
    pub files: Vec<SecretFile>,
    /// What happens to a secret that is not there.
    pub missing_secret: MissingSecret,
    /// How old a secret without a lease may become in a file; `None` for as old as may be.
    pub refresh: Option<Duration>,
    /// The function's variables that refer to secrets.
    pub references: Vec<ReferringVariable>,
    /// Where the exec wrapper asks for them; `None` where nobody is expected to ask.
    pub socket: Option<Socket>,
    /// Who waits for secrets.
    pub waits: Waits,
    /// The local Vault API; `None` in file mode.
    pub proxy: Option<Proxy>,
    /// How long login and secrets may take; `None` for the default of the initialization type.
    pub init_timeout: Option<Duration>,
}

/// How requests reach Vault.
#[derive(Debug)]
pub struct Vault {
    /// Where it is.
    pub address: Address,
    /// What is trusted and shown in the TLS handshake.
    pub tls: Tls,
    /// `VAULT_PROXY_ADDR` or `VAULT_HTTP_PROXY`: a forward proxy whatever the address is.
    pub forward_proxy: Option<Origin>,
    /// Namespace of the extension's own requests.
    pub namespace: Option<String>,
    /// Headers of the extension's own requests.
    pub headers: Vec<(String, String)>,
    /// `X-Vault-Wrap-TTL` of the extension's own requests.
    pub wrap_ttl: Option<String>,
    /// Time for one of the extension's own requests, retries included.
    pub timeout: Duration,
    /// Retries of the extension's own requests; `None` for what is best for each.
    pub max_retries: Option<u32>,
    /// Pace of the extension's own requests.
    pub rate_limit: Option<RateLimit>,
    /// Whether one redirect is followed.
    pub redirects: Redirects,
    /// Whether an SRV record names host and port.
    pub srv_lookup: SrvLookup,
}

/// What is trusted and shown in the TLS handshake.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Who may have signed Vault's certificate.
    pub authorities: Authorities,
    /// Certificate that Vault may ask for.
    pub client_identity: Option<ClientIdentity>,
    /// Name to verify instead of the address's host.
    pub server_name: Option<String>,
    /// Whether the certificate is verified at all.
    pub verification: Verification,
}

/// Who may have signed a server's certificate.
#[derive(Clone, Debug)]
pub enum Authorities {
    /// Those of `SSL_CERT_FILE` and `SSL_CERT_DIR` if set, else the public ones.
    Default {
        /// `SSL_CERT_FILE`
        ssl_cert_file: Option<PathBuf>,
        /// `SSL_CERT_DIR`
        ssl_cert_dir: Option<PathBuf>,
    },
    /// `VAULT_CAPATH`: those in this directory only.
    Directory(PathBuf),
    /// `VAULT_CACERT`: those in this file only.
    File(PathBuf),
    /// `VAULT_CACERT_BYTES`: those in this text only.
    Pem(String),
}

impl Default for Authorities {
    fn default() -> Self {
        Self::Default { ssl_cert_file: None, ssl_cert_dir: None }
    }
}

/// A client certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// `VAULT_CLIENT_CERT`
    pub certificate: PathBuf,
    /// `VAULT_CLIENT_KEY`
    pub key: PathBuf,
}

/// Whether a server's certificate is verified.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Verification {
    /// It is.
    #[default]
    Full,
    /// `VAULT_SKIP_VERIFY`: any is taken.
    Skip,
}

/// A pace for requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests a second.
    pub per_second: f64,
    /// Requests at once.
    pub burst: u32,
}

/// What happens while Vault cannot be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnOutage {
    /// Init fails, and what is too old is an error.
    Fail,
    /// The environment starts without Vault, and whoever needs a secret waits for it.
    Lazy,
    /// What is held is served past its time, for this long.
    Stale(Duration),
}

/// Whether one redirect is followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Redirects {
    /// One is.
    FollowOne,
    /// None is.
    Refuse,
}

/// Whether an SRV record names host and port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SrvLookup {
    /// It does, unless the address has a port.
    Ask,
    /// It does not.
    Off,
}

/// Whether the token is revoked when the environment ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revoke {
    /// Always.
    Always,
    /// Unless a lease or a child token hangs on it.
    Auto,
    /// Never.
    Never,
}

/// What happens to a secret that is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MissingSecret {
    /// Init fails.
    Fail,
    /// Its file holds `null`.
    Null,
}

/// A variable of the function that refers to secrets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferringVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub template: Template,
}

/// The Unix socket on which resolved variables are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Socket {
    /// Its path.
    pub path: PathBuf,
    /// How long they are given.
    pub given: Given,
}

/// How long resolved variables are given to who asks on the socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Given {
    /// For ever.
    Always,
    /// Until the first invocation; on Managed Instances, where none is seen, once to each process.
    UntilFirstInvocation,
}

/// Who holds the function back until its secrets are there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waits {
    /// The extension, as it registers late.
    Registration,
    /// The exec wrapper.
    Wrapper,
    /// The exec wrapper, if the runtime heeds `AWS_LAMBDA_EXEC_WRAPPER`, which names ours.
    WrapperIfHeeded,
}

/// The local Vault API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proxy {
    /// Loopback address; `None` for the Unix socket alone.
    pub listen: Option<SocketAddr>,
    /// What may be served again; `None` if nothing may.
    pub cache: Option<Cache>,
    /// How often Vault is asked in all for one read; at least once.
    pub attempts: NonZeroU32,
    /// Whether a request must show that it is meant for Vault.
    pub guards: bool,
    /// What clients may ask for; `None` for everything.
    pub allow: Option<Allow>,
}

/// What the proxy may serve again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cache {
    /// For how long.
    pub ttl: Duration,
    /// Which requests.
    pub applies: CacheApplies,
    /// Bytes in all.
    pub size: u32,
}

/// Which requests the cache serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheApplies {
    /// Every GET that does not say otherwise.
    ToEveryGet,
    /// Those that ask for it.
    WhereAsked,
}

/// How log lines look and which are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Log {
    /// The least level that is written; `None` for none at all.
    pub level: Option<Level>,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Weight of a log line.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something will fail or surprise.
    Warn,
    /// What happens once in a life.
    Info,
    /// What happens once in a request.
    Debug,
    /// More.
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object a line, as Lambda's own.
    Json,
    /// Text.
    Text,
}

/// How to log, which is needed before anything can be reported.
pub fn log(environment: &Environment) -> (Log, Findings) {
    let (log, mut findings) = parse::log(environment);
    environment.locate(&mut findings);
    (log, findings)
}

/// Whether the extension is to say first what is wrong, whatever else it is told.
pub fn is_doctor_called(environment: &Environment) -> bool {
    environment.trimmed(variables::STRONGROOM_DOCTOR) == Some("1")
}

/// Everything else; with errors in the findings there is no `Settings`.
pub fn parse(environment: &Environment) -> (Option<Settings>, Findings) {
    let (settings, findings) = parse::settings(environment);
    let findings = environment.with_errors_of_file(findings);
    (settings.filter(|_| findings.errors.is_empty()), findings)
}
