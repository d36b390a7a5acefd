//! AWS credentials and the two places where Lambda puts them.
//!
//! Not here: profiles, web identity, instance metadata. A function has none of them.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use http::Uri;
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Where containers find their agent, for `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.
const CONTAINER_AGENT: &str = "http://169.254.170.2";

/// Where EKS's agent is, beside its link-local address.
const EKS_AGENT: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23);

/// A set of AWS credentials.
#[derive(Clone)]
pub struct Credentials {
    /// Names the key; not secret in itself.
    pub access_key_id: String,
    /// What requests are signed with.
    pub secret_access_key: SecretString,
    /// Proves that the key is temporary; long-lived keys have none.
    pub session_token: Option<SecretString>,
}

impl Credentials {
    /// Reads the variables that Lambda sets, through `lookup`; an empty value is unset.
    ///
    /// # Errors
    /// [`Error::Missing`] if the key's id or the key itself is not there.
    pub fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let lookup = |names: [&str; 2]| names.into_iter().find_map(|name| set(lookup, name));
        // The second of each pair is what the AWS SDK for Go reads besides.
        let access_key_id = lookup(["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"])
            .ok_or(Error::Missing { variable: "AWS_ACCESS_KEY_ID" })?;
        let secret_access_key = lookup(["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"])
            .ok_or(Error::Missing { variable: "AWS_SECRET_ACCESS_KEY" })?;
        let session_token = lookup(["AWS_SESSION_TOKEN"; 2]);
        Ok(Self {
            access_key_id,
            secret_access_key: secret_access_key.into(),
            session_token: session_token.map(Into::into),
        })
    }

    /// Reads the answer of a container-credentials endpoint.
    ///
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
    ///
    /// # Errors
    /// [`Error::Refused`] if the answer is an error document, [`Error::Answer`] if it is no
    /// document of this kind. Neither repeats what the answer said beyond code and message.
    pub fn from_container_answer(body: &[u8]) -> Result<Self, Error> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| Error::Answer { line: error.line(), column: error.column() })?;
        match answer {
            Answer {
                access_key_id: Some(access_key_id),
                secret_access_key: Some(mut secret_access_key),
                token,
                ..
            } if !access_key_id.is_empty() && !secret_access_key.is_empty() => Ok(Self {
                access_key_id,
                secret_access_key: std::mem::take(&mut *secret_access_key).into(),
                session_token: token
                    .filter(|token| !token.is_empty())
                    .map(|mut token| std::mem::take(&mut *token).into()),
            }),
            Answer { code, message, .. } => Err(Error::Refused {
                code: printable(&code.unwrap_or_default()),
                message: printable(&message.unwrap_or_default()),
            }),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Where credentials come from. Decided once; the credentials themselves are read anew for each
/// login, as those of a container endpoint are replaced every few hours.
#[derive(Debug, Clone)]
pub enum Source {
    /// An HTTP endpoint on this machine, as under SnapStart.
    Container {
        /// What to get.
        url: Uri,
        /// What to send as `Authorization`.
        authorization: Authorization,
    },
    /// `AWS_ACCESS_KEY_ID` and its companions: [`Credentials::from_environment`].
    Environment,
}

impl Source {
    /// Decides from the environment, in the order of the AWS SDKs.
    ///
    /// # Errors
    /// [`Error::Missing`] if nothing names a source, [`Error::Url`] or
    /// [`Error::NotOnThisMachine`] if the endpoint named is none to send a token to.
    pub fn decide(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let incomplete = match Credentials::from_environment(lookup) {
            Ok(_) => return Ok(Self::Environment),
            Err(error) => error,
        };
        let relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
        let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
        let (variable, url) = if let Some(path) = set(lookup, relative) {
            (relative, format!("{CONTAINER_AGENT}/{}", path.trim_start_matches('/')))
        } else if let Some(url) = set(lookup, full) {
            (full, url)
        } else {
            return Err(incomplete);
        };
        let url = container_url(variable, &url)?;
        Ok(Self::Container { url, authorization: Authorization::from_environment(lookup) })
    }
}

/// How a container-credentials endpoint knows us.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// A file that holds the token; it is replaced from time to time.
    File(PathBuf),
    /// It does not ask.
    None,
    /// The token itself.
    Token(SecretString),
}

impl Authorization {
    fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        if let Some(path) = set(lookup, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Self::File(path.into())
        } else if let Some(token) = set(lookup, "AWS_CONTAINER_AUTHORIZATION_TOKEN") {
            Self::Token(token.into())
        } else {
            Self::None
        }
    }

    /// The value of the `Authorization` header to send now; reads the file, if it is one.
    ///
    /// # Errors
    /// [`Error::TokenFile`] if the file cannot be read, [`Error::Token`] if the token is no
    /// header value.
    pub fn value(&self) -> Result<Option<http::HeaderValue>, Error> {
        let file;
        let token = match self {
            Self::File(path) => {
                file = std::fs::read_to_string(path)
                    .map(Zeroizing::new)
                    .map_err(|source| Error::TokenFile { path: path.clone(), source })?;
                file.as_str()
            }
            Self::None => return Ok(None),
            Self::Token(token) => secrecy::ExposeSecret::expose_secret(token),
        };
        let mut value = http::HeaderValue::from_str(token).map_err(|_| Error::Token)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint's answer is not JSON of the right shape.
    #[error(
        "the container credentials endpoint sent no credentials document \
         (line {line}, column {column} of its answer)"
    )]
    Answer {
        /// Where in the answer, from 1.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Neither variables nor an endpoint.
    #[error(
        "no AWS credentials: {variable} is not set, nor is AWS_CONTAINER_CREDENTIALS_FULL_URI; \
         hint: Lambda sets them from the function's execution role, \
         elsewhere set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Missing {
        /// The first variable that was not there.
        variable: &'static str,
    },
    /// Sending the token there could give it away.
    #[error("{variable} names host {host}, which is neither on this machine nor reached by https")]
    NotOnThisMachine {
        /// The variable.
        variable: &'static str,
        /// The host in it.
        host: String,
    },
    /// The endpoint answered with an error document, or without a key.
    #[error("the container credentials endpoint gave no key: {code} {message}")]
    Refused {
        /// Its error code, if it sent one.
        code: String,
        /// Its message, if it sent one.
        message: String,
    },
    /// The token holds a line break or another character that no header may hold.
    #[error("the container authorization token cannot be sent: it holds a control character")]
    Token,
    /// The file with the token.
    #[error("cannot read {path}, named by AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// It is no URL.
    #[error("{variable} is no http or https URL")]
    Url {
        /// The variable.
        variable: &'static str,
    },
}

/// Accepts https anywhere, http on this machine only, as the AWS SDKs do.
fn container_url(variable: &'static str, url: &str) -> Result<Uri, Error> {
    let url: Uri = url.parse().map_err(|_| Error::Url { variable })?;
    let host = url.host().ok_or(Error::Url { variable })?;
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if is_on_this_machine(host) => Ok(url),
        Some("http") => Err(Error::NotOnThisMachine { variable, host: host.to_owned() }),
        _ => Err(Error::Url { variable }),
    }
}

/// Link-local addresses do not leave the machine either: the agents of ECS and EKS have one, and
/// Lambda serves credentials where its Runtime API is, in the service at 169.254.100.1.
fn is_on_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || match host.parse() {
            Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
            Ok(IpAddr::V6(address)) => address.is_loopback() || address == EKS_AGENT,
            Err(_) => false,
        }
}

/// The document of a container-credentials endpoint. Its `Expiration` is not read: the next
/// login asks again.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "AccessKeyId")]
    access_key_id: Option<String>,
    #[serde(rename = "SecretAccessKey", default, deserialize_with = "zeroizing")]
    secret_access_key: Option<Zeroizing<String>>,
    #[serde(rename = "Token", default, deserialize_with = "zeroizing")]
    token: Option<Zeroizing<String>>,
    #[serde(rename = "Code", alias = "code")]
    code: Option<String>,
    #[serde(rename = "Message", alias = "message")]
    message: Option<String>,
}

fn zeroizing<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Zeroizing::new))
}

fn set(lookup: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    lookup(name).filter(|value| !value.is_empty())
}

/// At most 300 characters of the first line, without control characters.
pub(super) fn printable(text: &str) -> String {
    // STS may go on, after the first line, with the canonical request that it computed; that
    // holds the session token.
    let line = text.trim_start().lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests;
