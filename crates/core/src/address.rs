//! The address of a server: scheme, authority and path prefix, parsed once.

use std::fmt;

/// How to reach a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// Over TCP, with or without TLS.
    Tcp(Origin),
    /// Through a Unix socket at this path, plain HTTP.
    Unix(String),
}

/// An `http` or `https` address.
#[derive(Clone, Eq, PartialEq)]
pub struct Origin {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// A host name, or an address; IPv6 without brackets.
    pub host: String,
    /// The port that was written, if one was.
    pub explicit_port: Option<u16>,
    /// What stands before `/v1`, without a slash at the end; empty for most.
    pub path_prefix: String,
    /// User and password as they stand in the address, still percent-encoded.
    user_information: Option<String>,
}

/// Plain or TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// Why a text is no address. The text itself is left out: it may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// Neither `http://`, `https://` nor `unix://` begins it.
    #[error("does not begin with http://, https:// or unix://")]
    Scheme,
    /// Blanks or control characters stand in it.
    #[error("contains blanks or control characters")]
    Blank,
    /// No host stands in it.
    #[error("names no host")]
    Host,
    /// Its port is no number from 1 to 65535.
    #[error("has a port that is no number from 1 to 65535")]
    Port,
}

impl Address {
    /// Parses an address as Vault's clients write it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(AddressError::Blank);
        }
        if let Some(path) = text.strip_prefix("unix://") {
            return if path.is_empty() {
                Err(AddressError::Host)
            } else {
                Ok(Self::Unix(path.to_owned()))
            };
        }
        Origin::parse(text).map(Self::Tcp)
    }

    /// Whether it is reached by TLS.
    pub fn is_https(&self) -> bool {
        matches!(self, Self::Tcp(origin) if origin.scheme == Scheme::Https)
    }

    /// What stands before `/v1`, without a slash at the end.
    pub fn path_prefix(&self) -> &str {
        match self {
            Self::Tcp(origin) => &origin.path_prefix,
            Self::Unix(_) => "",
        }
    }
}

impl Origin {
    /// Parses an `http` or `https` address; query and fragment are dropped.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            _ => return Err(AddressError::Scheme),
        };
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_end);
        let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
        let (user_information, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user.to_owned()), authority),
            None => (None, authority),
        };
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err(AddressError::Host);
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            explicit_port: port,
            path_prefix: path.trim_end_matches('/').to_owned(),
            user_information,
        })
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.explicit_port.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// Host and port as they stand in a `Host` header.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.explicit_port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// User and password, percent-encoded, where the address holds them: a secret.
    pub fn expose_user_information(&self) -> Option<&str> {
        self.user_information.as_deref()
    }

    /// Whether the host is this machine itself.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Never prints user and password.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.path_prefix)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(origin) => origin.fmt(f),
            Self::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), AddressError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        // Only an IPv6 address stands in brackets.
        let (host, rest) = rest
            .split_once(']')
            .filter(|(host, _)| host.contains(':'))
            .ok_or(AddressError::Host)?;
        let port =
            if rest.is_empty() { "" } else { rest.strip_prefix(':').ok_or(AddressError::Host)? };
        (host, port)
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    if host.contains(['[', ']']) {
        return Err(AddressError::Host);
    }
    if port.is_empty() {
        return Ok((host, None));
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(AddressError::Port),
        Ok(port) => Ok((host, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_and_nonsense_is_refused() {
        let check = |text: &str, expect: Result<(&str, u16, &str, &str), AddressError>| {
            let found = Origin::parse(text);
            let found = found.as_ref().map(|o| (o.host.as_str(), o.port(), o.path_prefix.as_str()));
            let expect_parts = expect.map(|(host, port, prefix, _)| (host, port, prefix));
            assert_eq!(found.map_err(|e| *e), expect_parts, "{text}");
            if let Ok((.., printed)) = expect {
                assert_eq!(Origin::parse(text).unwrap().to_string(), printed);
            }
        };
        check("http://127.0.0.1:8200", Ok(("127.0.0.1", 8200, "", "http://127.0.0.1:8200")));
        check("https://vault.test", Ok(("vault.test", 443, "", "https://vault.test")));
        check("https://vault.test/", Ok(("vault.test", 443, "", "https://vault.test")));
        check(
            "https://vault.test/pre/fix/",
            Ok(("vault.test", 443, "/pre/fix", "https://vault.test/pre/fix")),
        );
        check("https://[::1]:8200/x?y#z", Ok(("::1", 8200, "/x", "https://[::1]:8200/x")));
        check("http://user:pw@vault.test:1", Ok(("vault.test", 1, "", "http://vault.test:1")));
        check("127.0.0.1:9200", Err(AddressError::Scheme));
        check("://bad", Err(AddressError::Scheme));
        check("http://", Err(AddressError::Host));
        check("http://:80", Err(AddressError::Host));
        for nonsense in ["[[]", "[a]", "[::1", "[::1]x", "[]", "a[", "a]", "[:[]", "[[::1]]"] {
            check(&format!("http://{nonsense}"), Err(AddressError::Host));
        }
        check("http://a:b", Err(AddressError::Port));
        check("http://[::1]:b", Err(AddressError::Port));
        check("http://a:0", Err(AddressError::Port));
        assert_eq!(Address::parse(" http://a"), Err(AddressError::Blank));
        assert_eq!(Address::parse("unix:///tmp/s"), Ok(Address::Unix("/tmp/s".into())));
    }

    #[test]
    fn a_password_in_an_address_is_never_printed() {
        let origin = Origin::parse("http://user:canary@vault.test").unwrap();
        assert!(!format!("{origin} {origin:?}").contains("canary"));
        assert_eq!(origin.expose_user_information(), Some("user:canary"));
    }
}
