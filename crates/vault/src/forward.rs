//! Which forward proxy, if any, stands between us and a server.
//!
//! `VAULT_PROXY_ADDR` and `VAULT_HTTP_PROXY` are for Vault whatever else is said, and are not seen
//! here. The rest decides as Go's does, for `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`:
//! <https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config>. Not here: SOCKS, CGI, and names
//! that are not ASCII.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use strongroom_core::address::{Origin, Scheme};
use zeroize::Zeroizing;

use crate::percent;

/// What the environment says about forward proxies.
#[derive(Debug, Clone, Default)]
pub struct Forward {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exempt: Vec<Exempt>,
}

impl Forward {
    /// Reads the variables through `lookup`, each in capitals before small letters.
    ///
    /// As with Go, an address that makes no sense is passed over, here with a warning.
    #[must_use]
    pub fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let proxy = |names: [&'static str; 2]| {
            let (variable, value) = set(lookup, names)?;
            let proxy = Proxy::parse(variable, &value);
            if proxy.is_none() {
                tracing::warn!("{variable} is no address of a proxy and so not used");
            }
            proxy
        };
        let (http, https) =
            (proxy(["HTTP_PROXY", "http_proxy"]), proxy(["HTTPS_PROXY", "https_proxy"]));
        let exempt = match set(lookup, ["NO_PROXY", "no_proxy"]) {
            Some((_, list)) if http.is_some() || https.is_some() => {
                list.split(',').filter_map(Exempt::parse).collect()
            }
            _ => Vec::new(),
        };
        Self { http, https, exempt }
    }

    /// The proxy for requests to `origin`, if there is one. This machine itself needs none.
    ///
    /// To an `http` origin it is sent requests in absolute form, to an `https` one it is asked for
    /// a tunnel by CONNECT.
    #[must_use]
    pub fn proxy_for(&self, origin: &Origin) -> Option<Result<Origin, Error>> {
        let proxy = match origin.scheme {
            Scheme::Http => self.http.as_ref()?,
            Scheme::Https => self.https.as_ref()?,
        };
        let host = origin.host.trim().to_ascii_lowercase();
        let address = host.parse().ok().map(|address: IpAddr| address.to_canonical());
        let here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let exempt =
            || self.exempt.iter().any(|exempt| exempt.covers(&host, address, origin.port()));
        if here || exempt() {
            return None;
        }
        Some(match proxy {
            Proxy::Http(origin) => Ok(origin.clone()),
            Proxy::Unsupported { variable } => Err(Error::Scheme { variable }),
        })
    }
}

/// Why the forward proxy that was configured cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It speaks another protocol.
    #[error("{variable} names a proxy of a kind not supported; hint: use an http or https one")]
    Scheme {
        /// The variable.
        variable: &'static str,
    },
}

/// The value of `Proxy-Authorization` for a proxy whose address holds a user.
#[must_use]
pub fn authorization(proxy: &Origin) -> Option<HeaderValue> {
    let user = proxy.expose_user_information()?;
    let mut plain = Zeroizing::new(percent::decode(user));
    if !user.contains(':') {
        plain.push(b':');
    }
    let encoded = Zeroizing::new(format!("Basic {}", BASE64.encode(&*plain)));
    let mut value = HeaderValue::from_str(&encoded).expect("base64 is printable");
    value.set_sensitive(true);
    Some(value)
}

#[derive(Debug, Clone)]
enum Proxy {
    Http(Origin),
    Unsupported { variable: &'static str },
}

impl Proxy {
    fn parse(variable: &'static str, text: &str) -> Option<Self> {
        match text.split_once("://") {
            None => Origin::parse(&format!("http://{text}")).ok().map(Self::Http),
            Some((scheme, _))
                if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
            {
                Origin::parse(text).ok().map(Self::Http)
            }
            Some((scheme, host)) if !scheme.is_empty() && !host.is_empty() => {
                Some(Self::Unsupported { variable })
            }
            Some(_) => None,
        }
    }
}

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exempt {
    /// One address, perhaps on one port only.
    Address { address: IpAddr, port: Option<u16> },
    /// `*`
    Everything,
    /// A name, the names below it, or both.
    Name { name: String, itself: bool, port: Option<u16> },
    /// `10.0.0.0/8`
    Network { address: IpAddr, prefix: u32 },
    /// An entry with a port that is none, which fits no request.
    Nothing,
}

impl Exempt {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some(network) = parse_network(&entry) {
            return Some(network);
        }
        let (host, port) = match split_port(&entry) {
            (host, Some(port)) => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) if port.is_empty() => (host, None),
                Err(_) => return Some(Self::Nothing),
            },
            (host, None) => (host, None),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address { address: address.to_canonical(), port });
        }
        // `*.example.com` is the same as `.example.com`: what is below it, but not itself.
        let host = host.strip_prefix("*.").map_or(host, |_| &host[1..]);
        let name = host.strip_prefix('.');
        match name.unwrap_or(host) {
            "" => None,
            bare => Some(Self::Name { name: bare.to_owned(), itself: name.is_none(), port }),
        }
    }

    /// `host` is in small letters, `address` is what it is if it is one.
    fn covers(&self, host: &str, address: Option<IpAddr>, actual_port: u16) -> bool {
        let fits = |port: &Option<u16>| port.is_none_or(|port| port == actual_port);
        match self {
            Self::Address { address: exempt, port } => address == Some(*exempt) && fits(port),
            Self::Everything => true,
            Self::Name { name, itself, port } => {
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| {
                    if rest.is_empty() { *itself } else { rest.ends_with('.') }
                });
                address.is_none() && below && fits(port)
            }
            Self::Network { address: network, prefix } => {
                address.is_some_and(|address| same_prefix(address, *network, *prefix))
            }
            Self::Nothing => false,
        }
    }
}

fn parse_network(entry: &str) -> Option<Exempt> {
    let (address, prefix) = entry.split_once('/')?;
    let (address, prefix): (IpAddr, u32) = (address.parse().ok()?, prefix.parse().ok()?);
    let bits = if address.is_ipv4() { 32 } else { 128 };
    (prefix <= bits).then_some(Exempt::Network { address, prefix })
}

fn same_prefix(a: IpAddr, b: IpAddr, prefix: u32) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - prefix).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - prefix).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Splits `host:port` and `[address]:port`; anything else is a host.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((host, port)) = entry.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return (host, Some(port));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

fn set(
    lookup: &dyn Fn(&str) -> Option<String>,
    names: [&'static str; 2],
) -> Option<(&'static str, String)> {
    names
        .into_iter()
        .find_map(|name| lookup(name).filter(|value| !value.is_empty()).map(|value| (name, value)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forward(pairs: &[(&str, &str)]) -> Forward {
        Forward::from_environment(&|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    /// The proxy for `url`: its address, `direct`, or the error.
    fn decided(pairs: &[(&str, &str)], url: &str) -> String {
        match forward(pairs).proxy_for(&Origin::parse(url).unwrap()) {
            None => "direct".to_owned(),
            Some(Ok(proxy)) => proxy.to_string(),
            Some(Err(error)) => error.to_string(),
        }
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let check = |pairs: &[(&str, &str)], url: &str, expected: &str| {
            assert_eq!(decided(pairs, url), expected, "{pairs:?} {url}");
        };
        let both =
            [("HTTP_PROXY", "http.proxy.test"), ("HTTPS_PROXY", "https://secure.proxy.test")];
        check(&[], "http://vault.test:8200", "direct");
        check(&both, "http://vault.test:8200", "http://http.proxy.test");
        check(&both, "https://vault.test:8200", "https://secure.proxy.test");
        check(&both[..1], "https://vault.test", "direct");
        check(&both[1..], "http://vault.test", "direct");
        check(&[("http_proxy", "a:1")], "http://vault.test", "http://a:1");
        check(&[("https_proxy", "a:1")], "https://vault.test", "http://a:1");
        check(&[("HTTP_PROXY", "a:1"), ("http_proxy", "b:2")], "http://vault.test", "http://a:1");
        check(&[("HTTP_PROXY", ""), ("http_proxy", "b:2")], "http://vault.test", "http://b:2");
    }

    #[test]
    fn addresses_of_proxies_are_read_as_go_reads_them() {
        let check = |value: &str, expected: &str| {
            assert_eq!(decided(&[("HTTP_PROXY", value)], "http://vault.test"), expected);
        };
        check("127.0.0.1:8080", "http://127.0.0.1:8080");
        check("cache.corp.test", "http://cache.corp.test");
        check("http://user:password@127.0.0.1:8080", "http://127.0.0.1:8080");
        check("HTTPS://127.0.0.1:8080", "https://127.0.0.1:8080");
        check("://x", "direct");
        check(
            "socks5://127.0.0.1",
            "HTTP_PROXY names a proxy of a kind not supported; hint: use an http or https one",
        );
    }

    #[test]
    fn this_machine_needs_no_proxy() {
        let check = |url: &str| assert_eq!(decided(&[("HTTP_PROXY", "proxy")], url), "direct");
        for url in
            ["http://localhost:8200", "http://127.0.0.1:8200", "http://127.9.9.9", "http://[::1]"]
        {
            check(url);
        }
    }

    #[test]
    fn no_proxy_exempts() {
        let check = |no_proxy: &str, url: &str, expected: &str| {
            let pairs = [("HTTP_PROXY", "proxy"), ("NO_PROXY", no_proxy)];
            let decided = decided(&pairs, url);
            assert_eq!(decided == "direct", expected == "direct", "{no_proxy} {url}: {decided}");
        };
        let (direct, proxied) = ("direct", "proxied");
        check("example.com", "http://example.com/", direct);
        check("example.com", "http://EXAMPLE.com/", direct);
        check("Example.COM ", "http://example.com/", direct);
        check("example.com", "http://foo.example.com/", direct);
        check("ample.com", "http://example.com/", proxied);
        check(".example.com", "http://example.com/", proxied);
        check(".example.com", "http://foo.example.com/", direct);
        check("*.example.com", "http://example.com/", proxied);
        check("*.example.com", "http://foo.example.com/", direct);
        check("*", "http://example.com/", direct);
        check("a.test,*", "http://1.2.3.4/", direct);
        check("a.test, b.test", "http://b.test/", direct);
        check("example.com:80", "http://example.com/", direct);
        check("example.com:8200", "http://example.com/", proxied);
        check("example.com:8200", "http://example.com:8200/", direct);
        check("example.com:http", "http://example.com/", proxied);
        check("192.0.2.1", "http://192.0.2.1:8200/", direct);
        check("192.0.2.1:8200", "http://192.0.2.1/", proxied);
        check("192.0.2.1:8200", "http://192.0.2.1:8200/", direct);
        check("192.0.2.0/24", "http://192.0.2.200/", direct);
        check("192.0.2.0/24", "http://192.0.3.1/", proxied);
        check("192.0.2.77/24", "http://192.0.2.1/", direct);
        check("0.0.0.0/0", "http://192.0.2.1/", direct);
        check("192.0.2.1/32", "http://192.0.2.1/", direct);
        check("192.0.2.1/33", "http://192.0.2.1/", proxied);
        check("192.0.2.0/24", "http://example.com/", proxied);
        check("2001:db8::1", "http://[2001:db8::1]:8200/", direct);
        check("[2001:db8::1]:8200", "http://[2001:db8::1]:8200/", direct);
        check("[2001:db8::1]:8200", "http://[2001:db8::1]/", proxied);
        check("2001:db8::/32", "http://[2001:db8:1::1]/", direct);
        check("2001:db8::/32", "http://[2001:db9::1]/", proxied);
        check("", "http://example.com/", proxied);
        check(", ,:80,", "http://example.com/", proxied);
        check("2.1", "http://192.0.2.1/", proxied);
    }

    #[test]
    fn proxies_with_a_user_are_told_who_asks() {
        let check = |proxy: &str, expected: Option<&str>| {
            let value = authorization(&Origin::parse(proxy).unwrap());
            assert!(value.iter().all(HeaderValue::is_sensitive));
            let decoded = value.map(|value| {
                let value = value.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
                String::from_utf8(BASE64.decode(value).unwrap()).unwrap()
            });
            assert_eq!(decoded.as_deref(), expected);
        };
        check("http://proxy.test", None);
        check("http://user:pass@proxy.test", Some("user:pass"));
        check("http://user:p%40ss%3A@proxy.test", Some("user:p@ss:"));
        check("http://user@proxy.test", Some("user:"));
        check("http://user:100%@proxy.test", Some("user:100%"));
    }

    proptest! {
        #[test]
        fn no_variables_make_it_panic(
            proxy in "\\PC{0,20}",
            no_proxy in "([a-z0-9.:/*,\\[\\] -]|\\PC){0,30}",
        ) {
            let forward = forward(&[("HTTP_PROXY", &proxy), ("NO_PROXY", &no_proxy)]);
            for url in ["http://vault.test", "http://192.0.2.1:8200", "http://[2001:db8::1]"] {
                let _ = forward.proxy_for(&Origin::parse(url).unwrap());
            }
        }
    }
}
