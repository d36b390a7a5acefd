//! Answers to our own requests: collected, and read into types.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::RETRY_AFTER;
use serde_json::Value;
use strongroom_core::lease::Lease;
use zeroize::Zeroizing;

use super::request::OwnRequest;
use crate::clock::Clock;
use crate::error::Error;
use crate::http::{CollectError, ResponseBody};
use crate::{pace, refusal};

/// An answer to one of our own requests, whole.
pub(super) struct Answer {
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) async fn collect(
        own: &OwnRequest<'_>,
        response: Response<ResponseBody>,
    ) -> Result<Self, Error> {
        let (head, body) = response.into_parts();
        let request = own.name();
        let body = collected(body, &request).await?;
        Ok(Self {
            request,
            status: head.status.as_u16(),
            retry_after: head.headers.get(RETRY_AFTER).and_then(pace::retry_after),
            body,
        })
    }

    pub(super) fn refused(&self) -> Error {
        let errors = refusal::errors_of(&self.body);
        Error::Refused {
            status: self.status,
            request: self.request.clone(),
            errors,
            retry_after: self.retry_after,
        }
    }

    pub(super) fn problem(&self, problem: &str) -> Error {
        Error::Answer { request: self.request.clone(), problem: problem.to_owned() }
    }

    pub(super) fn auth(&self, clock: &Clock) -> Result<Auth, Error> {
        let answer: AuthAnswer = serde_json::from_slice(&self.body).map_err(|_| {
            self.problem("is not what Vault answers: is something else at this address?")
        })?;
        let auth = answer.auth.filter(|auth| !auth.client_token.is_empty());
        let auth = auth.ok_or_else(|| self.problem("holds no token"))?;
        Ok(Auth {
            lease: Lease::new(clock.now(), auth.lease_duration, auth.renewable),
            is_batch: auth.token_type == "batch",
            uses: auth.num_uses,
            client_token: auth.client_token,
        })
    }
}

/// The whole body of the answer to `request`.
pub(super) async fn collected(body: ResponseBody, request: &str) -> Result<Bytes, Error> {
    body.collect(LARGEST_ANSWER).await.map_err(|error| match error {
        CollectError::Broken(error) => error,
        CollectError::TooLarge => {
            Error::Answer { request: request.to_owned(), problem: "is larger than 32 MiB".into() }
        }
    })
}

/// What login and renewal answer.
pub(super) struct Auth {
    pub(super) client_token: Zeroizing<String>,
    pub(super) lease: Lease,
    pub(super) is_batch: bool,
    pub(super) uses: u64,
}

#[derive(serde::Deserialize)]
struct AuthAnswer {
    auth: Option<AuthFields>,
}

#[derive(serde::Deserialize)]
struct AuthFields {
    client_token: Zeroizing<String>,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    num_uses: u64,
}

/// What the renewal of a lease is answered.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub struct LeaseRenewal {
    /// Seconds from now to its end.
    #[serde(default)]
    pub lease_duration: u64,
    /// Whether it can be renewed again.
    #[serde(default)]
    pub renewable: bool,
}

/// The secrets engine that a path leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Engine {
    /// Where it is mounted, with a slash at the end.
    pub path: String,
    /// Its type, such as `kv`.
    pub kind: String,
    /// Whether it is KV v2.
    pub is_versioned: bool,
}

impl Engine {
    /// Out of the answer to a look-up of a mount.
    pub(super) fn found(answer: &Value) -> Option<Self> {
        let mount = &answer["data"];
        Some(Self {
            path: mount["path"].as_str()?.to_owned(),
            kind: mount["type"].as_str().unwrap_or_default().to_owned(),
            is_versioned: mount["options"]["version"] == "2",
        })
    }

    /// The path with `data/` behind the mount, if this is KV v2 and `path` has not that form.
    pub(super) fn versioned(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(self.path.as_str())?;
        let is_versioned_already = rest == "data" || rest.starts_with("data/");
        (self.is_versioned && !is_versioned_already).then(|| format!("{}data/{rest}", self.path))
    }
}

/// Vault's own limit for requests; no answer to a read is larger than what was written.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
