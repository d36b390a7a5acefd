//! Wrapping tokens: where they come from, and what is in them.
//! <https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>

use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Client;
use super::answer::Answer;
use super::request::OwnRequest;
use crate::clock::Deadline;
use crate::error::Error;
use crate::token::Token;

impl Client {
    /// The path of the request whose answer a wrapping token holds.
    /// <https://developer.hashicorp.com/vault/api-docs/system/wrapping-lookup>
    ///
    /// # Errors
    /// [`Error`], of an unwrapped or expired token too.
    pub(crate) async fn creation_path(
        &self,
        wrapping_token: &SecretString,
        deadline: Deadline,
    ) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Lookup<'a> {
            token: &'a str,
        }
        let mut request = OwnRequest::new(Method::PUT, "sys/wrapping/lookup");
        let lookup = Lookup { token: wrapping_token.expose_secret() };
        request.body = Zeroizing::new(
            serde_json::to_vec(&lookup).expect("a text can always be written as JSON"),
        );
        let answer = self.exchange(&request, self.retries(), deadline).await?;
        let found: Value = read(&answer)?;
        let path = found["data"]["creation_path"].as_str();
        path.map(str::to_owned).ok_or_else(|| not_expected(&answer))
    }

    /// The secret id in a wrapping token, which is used up by that.
    /// <https://developer.hashicorp.com/vault/api-docs/system/wrapping-unwrap>
    ///
    /// # Errors
    /// [`Error`]; one try only, as a second one would find nothing.
    pub(crate) async fn unwrap_secret_id(
        &self,
        wrapping_token: &Token,
        deadline: Deadline,
    ) -> Result<SecretString, Error> {
        let request =
            OwnRequest::new(Method::PUT, "sys/wrapping/unwrap").with_token(wrapping_token);
        let answer = self.exchange(&request, 0, deadline).await?;
        let mut wrapped: Unwrapped = read(&answer)?;
        Ok(std::mem::take(&mut *wrapped.data.secret_id).into())
    }
}

fn read<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Error> {
    if answer.status >= 300 {
        return Err(answer.refused());
    }
    serde_json::from_slice(&answer.body).map_err(|_| not_expected(answer))
}

fn not_expected(answer: &Answer) -> Error {
    answer.problem("is not what Vault answers about the wrapping of a secret id")
}

#[derive(Deserialize)]
struct Unwrapped {
    data: Wrapped,
}

#[derive(Deserialize)]
struct Wrapped {
    secret_id: Zeroizing<String>,
}
