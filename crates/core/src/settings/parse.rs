//! From variables to settings. For a variable that vault-lambda-extension reads, what it refuses
//! is an error, and what it tolerates is a warning with its effect; `STRONGROOM_*` is strict.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::environment::{Environment, Findings};
use super::{
    Address, AssumedRole, Authorities, AwsIam, Cache, CacheApplies, ClientIdentity, Identity,
    Level, Log, LogFormat, MissingSecret, Proxy, RateLimit, Redirects, Revoke, Settings, SrvLookup,
    Tls, Vault, Verification, secret_files, variables as v,
};
use crate::address::{AddressError, Origin, Scheme};
use crate::duration::{self, SignedMilliseconds};

pub(super) fn log(environment: &Environment) -> (Log, Findings) {
    let mut findings = Findings::default();
    let level = match environment.value(v::VAULT_LOG_LEVEL).map(str::to_ascii_uppercase).as_deref()
    {
        None | Some("INFO") => Some(Level::Info),
        Some("TRACE") => Some(Level::Trace),
        Some("DEBUG") => Some(Level::Debug),
        Some("WARN") => Some(Level::Warn),
        Some("ERROR") => Some(Level::Error),
        Some("OFF") => None,
        Some(_) => {
            findings.warning(
                v::VAULT_LOG_LEVEL,
                "is none of TRACE, DEBUG, INFO, WARN, ERROR, OFF: INFO is used",
            );
            Some(Level::Info)
        }
    };
    let json = environment
        .value(v::AWS_LAMBDA_LOG_FORMAT)
        .is_some_and(|format| format.eq_ignore_ascii_case("json"));
    (Log { level, format: if json { LogFormat::Json } else { LogFormat::Text } }, findings)
}

pub(super) fn settings(environment: &Environment) -> (Option<Settings>, Findings) {
    let mut parser = Parser { environment, findings: Findings::default() };
    let settings = parser.settings();
    parser.refuse_unknown_of_our_own();
    let findings = parser.findings;
    (settings.filter(|_| findings.errors.is_empty()), findings)
}

struct Parser<'a> {
    environment: &'a Environment,
    findings: Findings,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum RunMode {
    Both,
    File,
    Proxy,
}

impl Parser<'_> {
    fn settings(&mut self) -> Option<Settings> {
        let mode = self.run_mode();
        let proxy = self.proxy();
        let files = match mode {
            RunMode::Both | RunMode::File => {
                secret_files::parse(self.environment, &mut self.findings)
            }
            RunMode::Proxy => {
                secret_files::warn_of_unused(self.environment, &mut self.findings);
                Vec::new()
            }
        };
        let vault = self.vault();
        let identity = self.identity();
        if let (Some(vault), Some(_)) = (&vault, &proxy) {
            self.refuse_own_address(&vault.address, proxy.as_ref().map_or(0, |proxy| proxy.port));
        }
        let token_grace = self.token_grace();
        let revoke = self.choice(
            v::STRONGROOM_REVOKE,
            &[("auto", Revoke::Auto), ("always", Revoke::Always), ("never", Revoke::Never)],
        );
        let missing_secret = self.choice(
            v::STRONGROOM_MISSING_SECRET,
            &[("fail", MissingSecret::Fail), ("null", MissingSecret::Null)],
        );
        let init_timeout = self.init_timeout();
        Some(Settings {
            vault: vault?,
            identity: identity?,
            token_grace,
            revoke,
            files,
            missing_secret,
            proxy: proxy.filter(|_| mode != RunMode::File),
            init_timeout,
        })
    }

    fn run_mode(&mut self) -> RunMode {
        match self.environment.trimmed(v::VAULT_RUN_MODE).map(str::to_ascii_lowercase).as_deref() {
            None | Some("default") => RunMode::Both,
            Some("file") => RunMode::File,
            Some("proxy") => RunMode::Proxy,
            Some(_) => {
                self.findings
                    .warning(v::VAULT_RUN_MODE, "is none of default, file, proxy: default is used");
                RunMode::Both
            }
        }
    }

    fn vault(&mut self) -> Option<Vault> {
        let address = self.address();
        let vault = Vault {
            address: Address::Unix(String::new()),
            tls: self.tls(),
            forward_proxy: self.forward_proxy(),
            namespace: self.environment.client(v::VAULT_NAMESPACE).map(str::to_owned),
            headers: self.headers(),
            wrap_ttl: self.environment.client(v::VAULT_WRAP_TTL).map(str::to_owned),
            timeout: self.client_timeout(),
            max_retries: self.number(v::VAULT_MAX_RETRIES).unwrap_or(2),
            rate_limit: self.rate_limit(),
            redirects: if self.boolean(v::VAULT_DISABLE_REDIRECTS) {
                Redirects::Refuse
            } else {
                Redirects::FollowOne
            },
            srv_lookup: if self.boolean(v::VAULT_SRV_LOOKUP) {
                SrvLookup::Ask
            } else {
                SrvLookup::Off
            },
        };
        Some(Vault { address: address?, ..vault })
    }

    fn address(&mut self) -> Option<Address> {
        let vle =
            self.environment.trimmed(v::VLE_VAULT_ADDR).map(|value| (v::VLE_VAULT_ADDR, value));
        let client = |name| self.environment.client(name).map(|value| (name, value));
        let (name, text) = client(v::VAULT_AGENT_ADDR)
            .or(vle)
            .or_else(|| client(v::VAULT_ADDR))
            .unwrap_or((v::VAULT_ADDR, DEFAULT_ADDRESS));
        match Address::parse(text) {
            Ok(address) => Some(address),
            Err(error) => {
                self.findings.error(
                    name,
                    format!("{error}: write an address such as https://vault.example.com:8200"),
                );
                None
            }
        }
    }

    /// The proxy's own port as Vault's address would have the extension call itself for ever.
    fn refuse_own_address(&mut self, address: &Address, proxy_port: u16) {
        let Address::Tcp(origin) = address else { return };
        let is_default = self.environment.client(v::VAULT_ADDR).is_none();
        if origin.is_loopback() && origin.port() == proxy_port && origin.scheme == Scheme::Http {
            self.findings.error(
                v::VLE_VAULT_ADDR,
                "is unset and VAULT_ADDR is the extension's own proxy: set VLE_VAULT_ADDR to the address of Vault",
            );
        } else if is_default && origin.is_loopback() && origin.port() == proxy_port {
            self.findings.error(v::VAULT_ADDR, "is unset: set it to the address of Vault");
        }
    }

    fn identity(&mut self) -> Option<Identity> {
        let mount = self.environment.trimmed(v::VAULT_AUTH_PROVIDER);
        let role = self.environment.trimmed(v::VAULT_AUTH_ROLE);
        let token = self.environment.client(v::VAULT_TOKEN);
        let (mount, role) = match (mount, role, token) {
            (None, None, Some(token)) => return Some(Identity::Token(token.into())),
            (Some(mount), Some(role), token) => {
                if token.is_some() {
                    self.findings.warning(
                        v::VAULT_TOKEN,
                        "is ignored: VAULT_AUTH_PROVIDER and VAULT_AUTH_ROLE are set, so the extension logs in",
                    );
                }
                (mount, role)
            }
            (mount, role, _) => {
                if mount.is_none() {
                    self.findings.error(
                        v::VAULT_AUTH_PROVIDER,
                        "is unset: set it to the path of the AWS auth method, such as aws",
                    );
                }
                if role.is_none() {
                    self.findings.error(
                        v::VAULT_AUTH_ROLE,
                        "is unset: set it to the Vault role of this function",
                    );
                }
                return None;
            }
        };
        let text = |name| self.environment.trimmed(name).map(str::to_owned);
        let external_id = text(v::STRONGROOM_EXTERNAL_ID);
        let assumed_role = text(v::VAULT_ASSUMED_ROLE_ARN)
            .map(|arn| AssumedRole { arn, external_id: external_id.clone() });
        if external_id.is_some() && assumed_role.is_none() {
            self.findings.error(
                v::STRONGROOM_EXTERNAL_ID,
                "is of no use without VAULT_ASSUMED_ROLE_ARN: set both or neither",
            );
        }
        let server_id = text(v::VAULT_IAM_SERVER_ID);
        if server_id
            .as_deref()
            .is_some_and(|id| id.contains(|c: char| c.is_control() || !c.is_ascii()))
        {
            self.findings
                .error(v::VAULT_IAM_SERVER_ID, "contains characters that no HTTP header can carry");
        }
        Some(Identity::AwsIam(AwsIam {
            mount: mount.trim_matches('/').to_owned(),
            role: role.to_owned(),
            server_id,
            assumed_role,
            sts_region: text(v::VAULT_STS_ENDPOINT_REGION),
        }))
    }

    fn tls(&mut self) -> Tls {
        let client = |name| self.environment.client(name);
        let path = |name| self.environment.value(name).map(PathBuf::from);
        let authorities = client(v::VAULT_CACERT)
            .map(|file| Authorities::File(file.into()))
            .or_else(|| client(v::VAULT_CACERT_BYTES).map(|pem| Authorities::Pem(pem.to_owned())))
            .or_else(|| {
                client(v::VAULT_CAPATH).map(|directory| Authorities::Directory(directory.into()))
            })
            .unwrap_or_else(|| Authorities::Default {
                ssl_cert_file: path(v::SSL_CERT_FILE),
                ssl_cert_dir: path(v::SSL_CERT_DIR),
            });
        let client_identity = match (client(v::VAULT_CLIENT_CERT), client(v::VAULT_CLIENT_KEY)) {
            (Some(certificate), Some(key)) => {
                Some(ClientIdentity { certificate: certificate.into(), key: key.into() })
            }
            (None, None) => None,
            (Some(_), None) => {
                self.findings.error(
                    v::VAULT_CLIENT_KEY,
                    "is unset beside VAULT_CLIENT_CERT: set both or neither",
                );
                None
            }
            (None, Some(_)) => {
                self.findings.error(
                    v::VAULT_CLIENT_CERT,
                    "is unset beside VAULT_CLIENT_KEY: set both or neither",
                );
                None
            }
        };
        let server_name = client(v::VAULT_TLS_SERVER_NAME).map(str::to_owned);
        let verification = if self.boolean(v::VAULT_SKIP_VERIFY) {
            Verification::Skip
        } else {
            Verification::Full
        };
        if verification == Verification::Skip {
            self.findings.warning(
                v::VAULT_SKIP_VERIFY,
                "is on: anyone between the function and Vault can read its secrets; set VAULT_CACERT instead",
            );
        }
        Tls { authorities, client_identity, server_name, verification }
    }

    fn forward_proxy(&mut self) -> Option<Origin> {
        let name = [v::VAULT_PROXY_ADDR, v::VAULT_HTTP_PROXY]
            .into_iter()
            .find(|name| self.environment.client(name).is_some())?;
        match Origin::parse(self.environment.client(name).unwrap_or_default()) {
            Ok(origin) => Some(origin),
            Err(error) => {
                let error = if error == AddressError::Scheme {
                    "does not begin with http:// or https://"
                } else {
                    "is no address"
                };
                self.findings.error(
                    name,
                    format!("{error}: write an address such as http://proxy.example.com:3128"),
                );
                None
            }
        }
    }

    fn headers(&mut self) -> Vec<(String, String)> {
        let Some(text) = self.environment.client(v::VAULT_HEADERS) else { return Vec::new() };
        let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(text) else {
            self.findings
                .error(v::VAULT_HEADERS, "is no JSON object of texts: write {\"name\": \"value\"}");
            return Vec::new();
        };
        let mut headers = Vec::new();
        for (name, value) in fields {
            let is_reserved =
                name.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("x-vault-"));
            let is_token = !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
            match value.as_str() {
                Some(value) if is_token && !is_reserved && !value.contains(char::is_control) => {
                    headers.push((name, value.to_owned()));
                }
                _ if is_reserved => self
                    .findings
                    .error(v::VAULT_HEADERS, "names an X-Vault- header: those are Vault's own"),
                _ => self.findings.error(v::VAULT_HEADERS, "has an entry that is no HTTP header"),
            }
        }
        headers
    }

    fn client_timeout(&mut self) -> Duration {
        match self
            .environment
            .client(v::VAULT_CLIENT_TIMEOUT)
            .map(duration::parse_seconds_or_duration)
        {
            None => DEFAULT_CLIENT_TIMEOUT,
            Some(Some(timeout)) if timeout.is_zero() => DEFAULT_CLIENT_TIMEOUT,
            Some(Some(timeout)) => timeout,
            Some(None) => {
                self.findings.error(
                    v::VAULT_CLIENT_TIMEOUT,
                    "is neither a number of seconds nor a duration such as 5s",
                );
                DEFAULT_CLIENT_TIMEOUT
            }
        }
    }

    fn rate_limit(&mut self) -> Option<RateLimit> {
        let text = self.environment.client(v::VAULT_RATE_LIMIT)?;
        let (rate, burst) =
            text.split_once(':').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let per_second =
            duration::billionths(rate).filter(|rate| *rate > 0).map(|rate| rate as f64 / 1e9);
        let burst = burst.map_or_else(
            || per_second.map(|rate| (rate as u32).max(1)),
            |burst| burst.parse().ok().filter(|n| *n > 0),
        );
        let limit =
            per_second.zip(burst).map(|(per_second, burst)| RateLimit { per_second, burst });
        if limit.is_none() {
            self.findings.error(
                v::VAULT_RATE_LIMIT,
                "is no rate above zero: write requests a second, such as 10 or 10:20",
            );
        }
        limit
    }

    fn token_grace(&mut self) -> SignedMilliseconds {
        match self.environment.trimmed(v::VAULT_TOKEN_EXPIRY_GRACE_PERIOD).map(duration::parse) {
            None => DEFAULT_GRACE,
            Some(Some(grace)) => grace,
            Some(None) => {
                self.findings.error(
                    v::VAULT_TOKEN_EXPIRY_GRACE_PERIOD,
                    "is no duration with a unit: write for example 10s",
                );
                DEFAULT_GRACE
            }
        }
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let port = self.number(v::STRONGROOM_PROXY_PORT).unwrap_or(DEFAULT_PROXY_PORT);
        if port == 0 {
            self.findings.error(v::STRONGROOM_PROXY_PORT, "is no port from 1 to 65535");
        }
        let size = self.number(v::STRONGROOM_CACHE_SIZE).unwrap_or(DEFAULT_CACHE_SIZE);
        if size > MAXIMUM_CACHE_SIZE {
            self.findings
                .error(v::STRONGROOM_CACHE_SIZE, format!("is above {MAXIMUM_CACHE_SIZE} bytes"));
        }
        let ttl = self.cache_ttl();
        let applies = if self.tolerant_boolean(v::VAULT_DEFAULT_CACHE_ENABLED) {
            CacheApplies::ToEveryGet
        } else {
            CacheApplies::WhereAsked
        };
        if ttl.is_none() && applies == CacheApplies::ToEveryGet {
            self.findings.warning(
                v::VAULT_DEFAULT_CACHE_ENABLED,
                "has no effect without VAULT_DEFAULT_CACHE_TTL",
            );
        }
        Some(Proxy { port, cache: ttl.map(|ttl| Cache { ttl, applies, size }) })
    }

    fn cache_ttl(&mut self) -> Option<Duration> {
        let text = self.environment.trimmed(v::VAULT_DEFAULT_CACHE_TTL)?;
        let ttl = duration::parse(text)
            .and_then(SignedMilliseconds::as_duration)
            .filter(|ttl| !ttl.is_zero());
        if ttl.is_none() {
            self.findings.warning(
                v::VAULT_DEFAULT_CACHE_TTL,
                "is no duration above zero, such as 60s: nothing is cached",
            );
        }
        ttl
    }

    fn init_timeout(&mut self) -> Option<Duration> {
        let text = self.environment.trimmed(v::STRONGROOM_INIT_TIMEOUT)?;
        let timeout = duration::parse(text)
            .and_then(SignedMilliseconds::as_duration)
            .filter(|timeout| !timeout.is_zero());
        if timeout.is_none() {
            self.findings.error(
                v::STRONGROOM_INIT_TIMEOUT,
                "is no duration above zero: write for example 8s",
            );
        }
        timeout
    }

    fn number<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let parsed = self.environment.client(name)?.parse().ok();
        if parsed.is_none() {
            self.findings.error(name, "is no whole number in range");
        }
        parsed
    }

    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let Some(value) = self.environment.trimmed(name) else { return choices[0].1 };
        match choices.iter().find(|(word, _)| *word == value) {
            Some((_, choice)) => *choice,
            None => {
                let words = choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
                self.findings.error(name, format!("is none of {words}"));
                choices[0].1
            }
        }
    }

    /// A boolean whose wrong values the Vault client refuses.
    fn boolean(&mut self, name: &str) -> bool {
        match self.environment.client(name).map(parse_bool) {
            None => false,
            Some(Some(value)) => value,
            Some(None) => {
                self.findings.error(name, "is no boolean: write true or false");
                false
            }
        }
    }

    /// A boolean whose wrong values the incumbent takes for false.
    fn tolerant_boolean(&mut self, name: &str) -> bool {
        match self.environment.trimmed(name).map(parse_bool) {
            None => false,
            Some(Some(value)) => value,
            Some(None) => {
                self.findings.warning(name, "is no boolean, such as true: false is used");
                false
            }
        }
    }

    /// A mistyped name would otherwise be a setting that silently does nothing.
    fn refuse_unknown_of_our_own(&mut self) {
        let unknown: Vec<_> = self
            .environment
            .names_with_prefix("STRONGROOM_")
            .filter(|name| v::ALL.iter().all(|variable| variable.name != *name))
            .map(str::to_owned)
            .collect();
        for name in unknown {
            self.findings.error(
                name,
                "is no setting of this version: check its spelling in docs/variables.md",
            );
        }
    }
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";
const DEFAULT_CACHE_SIZE: u32 = 8 * 1024 * 1024;
const DEFAULT_CLIENT_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_GRACE: SignedMilliseconds = SignedMilliseconds(10_000);
const DEFAULT_PROXY_PORT: u16 = 8200;
const MAXIMUM_CACHE_SIZE: u32 = 256 * 1024 * 1024;
