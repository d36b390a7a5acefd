//! How requests reach Vault: the variables of Vault's own clients.

use std::path::PathBuf;
use std::time::Duration;

use super::Parser;
use crate::address::{Address, AddressError, Origin};
use crate::duration;
use crate::settings::{
    Authorities, ClientIdentity, RateLimit, Redirects, SrvLookup, Tls, Vault, Verification,
    variables as v,
};

impl Parser<'_> {
    pub(super) fn vault(&mut self) -> Option<Vault> {
        let address = self.address();
        let vault = Vault {
            address: Address::Unix(String::new()),
            tls: self.tls(),
            forward_proxy: self.forward_proxy(),
            namespace: self.environment.client(v::VAULT_NAMESPACE).map(str::to_owned),
            headers: self.headers(),
            wrap_ttl: self.environment.client(v::VAULT_WRAP_TTL).map(str::to_owned),
            timeout: self.client_timeout(),
            max_retries: self.number(v::VAULT_MAX_RETRIES),
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
}

const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";
const DEFAULT_CLIENT_TIMEOUT: Duration = Duration::from_secs(60);
