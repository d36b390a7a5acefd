//! Whether a request is meant for Vault: one that a web page, or a server that fetches what it is told to, was talked
//! into sending cannot carry what is asked for here.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{self, HeaderName};
use http::uri::Authority;
use http::{HeaderMap, Request};
use ring::rand::{SecureRandom as _, SystemRandom};
use strongroom_core::settings::variables as v;
use strongroom_vault::aws::sigv4::hex;
use strongroom_vault::client::TOKEN;
use zeroize::Zeroizing;

use super::Way;
use crate::exit::{Category, Failure};

/// What a request must show.
pub(super) struct Guard {
    /// 256 random bits in hexadecimal digits; does not look like a token of Vault.
    token: Zeroizing<String>,
}

impl Guard {
    pub(super) fn new() -> Result<Self, Failure> {
        let mut random = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(random.as_mut_slice()).map_err(|_| {
            Failure::new(
                Category::Listener,
                "the kernel gives no random bytes for the guard's token",
            )
        })?;
        Ok(Self { token: Zeroizing::new(hex(random.as_slice())) })
    }

    /// Clients of Vault send `VAULT_TOKEN` by themselves.
    pub(super) fn variables(&self) -> Zeroizing<Vec<u8>> {
        let mut block = Zeroizing::new(Vec::with_capacity(256));
        for name in [v::STRONGROOM_GUARD_TOKEN, v::VAULT_TOKEN] {
            for part in [name, "=", self.token.as_str(), "\0"] {
                block.extend_from_slice(part.as_bytes());
            }
        }
        block
    }

    /// Lets a request pass, without our token, which is none of Vault's business; or says what is wrong with it.
    pub(super) fn admit<B>(&self, request: &mut Request<B>, way: Way) -> Result<(), &'static str> {
        let headers = request.headers();
        if FOREIGN.iter().any(|name| headers.contains_key(name)) {
            return Err("comes from a browser or through another proxy");
        }
        // On the socket there is no host; clients write there what they please.
        if way == Way::Tcp && !is_for_loopback(headers, request.uri().authority()) {
            return Err("is for another host than this one");
        }
        let has_token = headers.get_all(TOKEN).iter().any(|token| self.is_ours(token.as_bytes()));
        let says_so = headers.get(&VAULT_REQUEST).is_some_and(|value| value == "true");
        if has_token {
            request.headers_mut().remove(TOKEN);
        }
        if has_token || says_so {
            Ok(())
        } else {
            Err("has neither X-Vault-Request: true nor the token of STRONGROOM_GUARD_TOKEN")
        }
    }

    /// Takes as long whichever byte differs.
    fn is_ours(&self, token: &[u8]) -> bool {
        let ours = self.token.as_bytes();
        let differences = ours.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
        ours.len() == token.len() && std::hint::black_box(differences) == 0
    }
}

fn is_for_loopback(headers: &HeaderMap, authority: Option<&Authority>) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter().peekable();
    (hosts.peek().is_some() || authority.is_some())
        && authority.is_none_or(is_loopback)
        && hosts.all(|host| {
            Authority::try_from(host.as_bytes()).is_ok_and(|authority| is_loopback(&authority))
        })
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    !authority.as_str().contains('@')
        && (host.eq_ignore_ascii_case("localhost")
            || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || bare.and_then(|bare| bare.parse().ok()) == Some(Ipv6Addr::LOCALHOST))
}

static VAULT_REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
static FOREIGN: [HeaderName; 4] = [
    header::ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().uri("/v1/kv/data/x");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn a_request_must_show_that_it_is_meant_for_vault() {
        let guard = Guard::new().unwrap();
        let check = |headers: &[(&str, &str)], way, expect: bool| {
            let found = guard.admit(&mut request(headers), way);
            assert_eq!(found.is_ok(), expect, "{headers:?}: {found:?}");
        };
        let host = ("host", "127.0.0.1:8200");
        let says_so = ("x-vault-request", "true");
        check(&[host, says_so], Way::Tcp, true);
        check(&[host, ("x-vault-token", &guard.token)], Way::Tcp, true);
        check(&[host], Way::Tcp, false);
        check(&[host, ("x-vault-request", "false")], Way::Tcp, false);
        check(&[host, ("x-vault-token", &guard.token[1..])], Way::Tcp, false);
        check(&[host, ("x-vault-token", "")], Way::Tcp, false);
        for name in ["origin", "sec-fetch-site", "forwarded", "x-forwarded-for"] {
            check(&[host, says_so, (name, "x")], Way::Tcp, false);
            check(&[host, says_so, (name, "x")], Way::Unix, false);
        }
        for good in ["localhost", "LOCALHOST:1", "127.9.9.9", "[::1]:8200", "[::1]"] {
            check(&[("host", good), says_so], Way::Tcp, true);
        }
        for bad in [
            "evil.test",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "a@127.0.0.1",
            "[::2]",
            "10.0.0.1",
            "",
        ] {
            check(&[("host", bad), says_so], Way::Tcp, false);
            check(&[("host", bad), says_so], Way::Unix, true);
        }
        check(&[says_so], Way::Tcp, false);
        check(&[host, ("host", "evil.test"), says_so], Way::Tcp, false);
    }

    #[test]
    fn the_token_stays_here() {
        let guard = Guard::new().unwrap();
        let mut ours = request(&[("host", "localhost"), ("x-vault-token", &guard.token)]);
        guard.admit(&mut ours, Way::Tcp).unwrap();
        assert!(!ours.headers().contains_key(TOKEN));
        let own = [("host", "localhost"), ("x-vault-token", "hvs.X"), ("x-vault-request", "true")];
        let mut theirs = request(&own);
        guard.admit(&mut theirs, Way::Tcp).unwrap();
        assert!(theirs.headers().contains_key(TOKEN));
    }

    #[test]
    fn each_environment_has_a_token_of_its_own() {
        let (one, other) = (Guard::new().unwrap(), Guard::new().unwrap());
        assert_eq!(one.token.len(), 64);
        assert_ne!(*one.token, *other.token);
    }
}
