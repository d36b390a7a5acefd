//! One of our own requests, to be built for each try.

use bytes::Bytes;
use http::header::HeaderValue;
use http::{HeaderMap, Method};
use strongroom_core::address::Address;
use strongroom_core::settings;
use zeroize::Zeroizing;

use super::{NAMESPACE, TOKEN, WRAP_TTL};
use crate::http::{Outgoing, RequestBody};
use crate::percent;
use crate::token::Token;

/// One of our own requests.
pub(super) struct OwnRequest<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// Of a KV v2 secret.
    pub(super) version: Option<u32>,
    pub(super) token: Option<&'a Token>,
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) is_wrapped: bool,
    /// Whether it is sent without the namespace of the settings.
    pub(super) is_of_root: bool,
}

impl<'a> OwnRequest<'a> {
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            version: None,
            token: None,
            body: Zeroizing::default(),
            is_wrapped: false,
            is_of_root: false,
        }
    }

    pub(super) fn with_token(mut self, token: &'a Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Subject to `VAULT_WRAP_TTL`.
    pub(super) fn wrapped(mut self) -> Self {
        self.is_wrapped = true;
        self
    }

    pub(super) fn name(&self) -> String {
        let mut name = format!("{} /v1/{}", self.method, self.path);
        self.push_query(&mut name);
        name
    }

    fn push_query(&self, target: &mut String) {
        if let Some(version) = self.version {
            target.push_str(&format!("?version={version}"));
        }
    }

    pub(super) fn describe(&self, address: &Address) -> String {
        format!("{} at {address}", self.name())
    }

    pub(super) fn build(&self, settings: &settings::Vault, headers: &HeaderMap) -> Outgoing {
        let mut path = format!("{}/v1/", settings.address.path_prefix());
        percent::encode(&mut path, self.path, PATH_CHARACTERS);
        self.push_query(&mut path);
        let mut own = headers.clone();
        if let Some(token) = self.token {
            own.insert(TOKEN, token.header());
        }
        if self.is_wrapped
            && let Some(ttl) =
                settings.wrap_ttl.as_deref().and_then(|ttl| HeaderValue::from_str(ttl).ok())
        {
            own.insert(WRAP_TTL, ttl);
        }
        if self.is_of_root {
            own.remove(NAMESPACE);
        }
        let body = if self.body.is_empty() {
            RequestBody::Empty
        } else {
            RequestBody::Full(Bytes::copy_from_slice(&self.body))
        };
        Outgoing {
            method: self.method.clone(),
            uri: path.parse().unwrap_or_default(),
            headers: own,
            body,
        }
    }
}

/// What a path may hold as it is, beside letters, digits and `-._~`; a percent sign has been
/// written by somebody who encoded the path already.
const PATH_CHARACTERS: &[u8] = b"/!$&'()*+,;=:@%";
