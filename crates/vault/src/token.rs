//! A Vault token and its life.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use strongroom_core::lease::Lease;

/// A token to send to Vault.
pub struct Token {
    secret: SecretString,
    /// The same for all renewals of one token.
    identity: Arc<()>,
    /// How long it lives.
    pub lease: Lease,
    /// Whether Vault keeps it.
    pub kind: TokenKind,
    /// Where we have it from.
    pub origin: TokenOrigin,
    /// Requests that it was given for; zero for any number.
    pub uses: u64,
}

/// Whether Vault keeps a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenKind {
    /// It is an encrypted blob: never renewed, never revoked.
    Batch,
    /// It is kept, and can be renewed and revoked.
    Service,
}

/// Where we have a token from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenOrigin {
    /// From the environment: it is not ours to revoke.
    Given,
    /// From a login of this process.
    Login,
}

impl Token {
    /// A token; `None` if it cannot be sent in a header.
    pub fn new(
        secret: SecretString,
        lease: Lease,
        kind: TokenKind,
        origin: TokenOrigin,
    ) -> Option<Self> {
        HeaderValue::from_str(secret.expose_secret()).ok()?;
        Some(Self { secret, identity: Arc::new(()), lease, kind, origin, uses: 0 })
    }

    /// A token of which nothing is known but that somebody gave it; `None` if it cannot be sent in a header.
    #[must_use]
    pub fn given(secret: SecretString) -> Option<Self> {
        let lease = Lease { granted: 0, milliseconds: None, renewable: false };
        Self::new(secret, lease, TokenKind::Service, TokenOrigin::Given)
    }

    /// The same token, good for so many requests; zero for any number.
    #[must_use]
    pub(crate) fn with_uses(self, uses: u64) -> Self {
        Self { uses, ..self }
    }

    /// The same token with a new lease.
    #[must_use]
    pub fn renewed(&self, lease: Lease) -> Self {
        Self {
            secret: self.secret.clone(),
            identity: Arc::clone(&self.identity),
            lease,
            kind: self.kind,
            origin: self.origin,
            uses: self.uses,
        }
    }

    /// Whether both are one token, perhaps renewed meanwhile.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.identity, &other.identity)
    }

    /// The value of `X-Vault-Token`.
    pub fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(self.secret.expose_secret())
            .expect("checked when the token was made");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("lease", &self.lease)
            .field("kind", &self.kind)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
