//! The local Vault API: where it listens, who may ask for what, and what it may serve again.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::Parser;
use crate::allow::Allow;
use crate::duration;
use crate::settings::{Cache, CacheApplies, Proxy, variables as v};

impl Parser<'_> {
    pub(super) fn proxy(&mut self) -> Option<Proxy> {
        let listen = self.listen();
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
        let attempts = self.attempts();
        let guards = self.choice(v::STRONGROOM_GUARD_HTTP, &[("off", false), ("on", true)]);
        let allow = self.allow();
        self.refuse_own_token();
        let cache = ttl.map(|ttl| Cache { ttl, applies, size });
        Some(Proxy { listen, cache, attempts, guards, allow })
    }

    /// Where clients connect to; `None` for the socket alone.
    fn listen(&mut self) -> Option<SocketAddr> {
        let port = self.number(v::STRONGROOM_PROXY_PORT);
        if port == Some(0) {
            self.findings.error(v::STRONGROOM_PROXY_PORT, "is no port from 1 to 65535");
        }
        let otherwise = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(DEFAULT_PORT)));
        let listen = match self.environment.trimmed(v::STRONGROOM_LISTEN) {
            None => return Some(otherwise),
            Some("off") => None,
            Some(text) => match loopback(text) {
                Some(address) => Some(address),
                None => {
                    self.findings.error(
                        v::STRONGROOM_LISTEN,
                        "is no loopback address with a port: write for example 127.0.0.1:8200, or off",
                    );
                    return Some(otherwise);
                }
            },
        };
        if port.is_some() && listen.map(|address| address.port()) != port {
            self.findings.error(
                v::STRONGROOM_LISTEN,
                "says otherwise than STRONGROOM_PROXY_PORT: unset one of them",
            );
        }
        listen
    }

    fn allow(&mut self) -> Option<Allow> {
        let text = self.environment.trimmed(v::STRONGROOM_ALLOW)?;
        match Allow::parse(text) {
            Ok(allow) => Some(allow),
            Err(pattern) => {
                self.findings.error(
                    v::STRONGROOM_ALLOW,
                    format!(
                        "has {pattern:?}, which is no pattern: write for example kv/data/app/*"
                    ),
                );
                None
            }
        }
    }

    /// A token that the function has already would not be replaced by the one that passes.
    fn refuse_own_token(&mut self) {
        if self.environment.value(v::STRONGROOM_GUARD_TOKEN).is_some() {
            self.findings.error(
                v::STRONGROOM_GUARD_TOKEN,
                "is set by the exec wrapper, for each environment anew: unset it",
            );
        }
    }

    fn cache_ttl(&mut self) -> Option<Duration> {
        let text = self.environment.trimmed(v::VAULT_DEFAULT_CACHE_TTL)?;
        let ttl = duration::above_zero(text);
        if ttl.is_none() {
            self.findings.warning(
                v::VAULT_DEFAULT_CACHE_TTL,
                "is no duration above zero, such as 60s: nothing is cached",
            );
        }
        ttl
    }
}

fn loopback(text: &str) -> Option<SocketAddr> {
    let address: SocketAddr = match text.strip_prefix("localhost:") {
        Some(port) => (Ipv4Addr::LOCALHOST, port.parse().ok()?).into(),
        None => text.parse().ok()?,
    };
    (address.ip().is_loopback() && address.port() != 0).then_some(address)
}

const DEFAULT_CACHE_SIZE: u32 = 8 * 1024 * 1024;
const DEFAULT_PORT: u16 = 8200;
const MAXIMUM_CACHE_SIZE: u32 = 256 * 1024 * 1024;
