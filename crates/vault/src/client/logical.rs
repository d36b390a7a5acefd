//! Requests of who sets Vault up or looks into it: any method, any path, JSON both ways. The layer makes none of these
//! but where it is to find out what is wrong.

use http::Method;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Client;
use super::request::OwnRequest;
use crate::clock::Deadline;
use crate::error::Error;
use crate::token::Token;

/// What an operator asks.
#[derive(Debug)]
pub struct Request<'a> {
    /// `LIST` is one of Vault's own.
    pub method: Method,
    /// What follows `/v1/`.
    pub path: &'a str,
    /// A JSON document, which may hold secrets.
    pub body: Zeroizing<Vec<u8>>,
    /// Where it is asked.
    pub namespace: Namespace,
}

impl<'a> Request<'a> {
    /// A read of `path`, in the namespace of the settings.
    #[must_use]
    pub fn read(path: &'a str) -> Self {
        let body = Zeroizing::default();
        Self { method: Method::GET, path, body, namespace: Namespace::Settings }
    }
}

/// Where something is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Namespace {
    /// In none: what only the server as a whole answers.
    Root,
    /// In that of the settings, if there is one.
    Settings,
}

/// What Vault answered.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status: any below 400, or 404.
    pub status: u16,
    /// The answer's document; `null` if there is none.
    pub body: Value,
}

impl Client {
    /// Sends it, with a token if there is one; retried as reads are if it only reads.
    ///
    /// # Errors
    /// [`Error`]; that something is not there (404) is none.
    pub async fn request(
        &self,
        request: Request<'_>,
        token: Option<&Token>,
        deadline: Deadline,
    ) -> Result<Reply, Error> {
        let is_read = request.method == Method::GET || request.method.as_str() == "LIST";
        let mut own = OwnRequest::new(request.method, request.path);
        own.is_of_root = request.namespace == Namespace::Root;
        own.token = token;
        own.body = request.body;
        let answer =
            self.exchange(&own, if is_read { self.retries() } else { 0 }, deadline).await?;
        if answer.status >= 400 && answer.status != 404 {
            return Err(answer.refused());
        }
        let body = match answer.body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&answer.body)
                .map_err(|_| answer.problem("is no JSON: is something else at this address?"))?,
        };
        Ok(Reply { status: answer.status, body })
    }
}
