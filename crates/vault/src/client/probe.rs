//! What is asked without a token to find out what answers: whether it is a Vault that can be asked, and whether an auth
//! method is there. <https://developer.hashicorp.com/vault/api-docs/system/health>

use http::header::{DATE, LOCATION};
use http::{HeaderMap, HeaderName, Method};
use serde_json::Value;
use strongroom_core::lease::UnixMilliseconds;
use zeroize::Zeroizing;

use super::answer::collected;
use super::request::OwnRequest;
use super::{Client, Namespace};
use crate::clock::Deadline;
use crate::error::Error;
use crate::refusal;

/// What answered.
#[derive(Clone, Debug)]
pub struct Health {
    /// HTTP status, which says how Vault is.
    pub status: u16,
    /// What Vault says of itself; `None` if it is no Vault that answers.
    pub vault: Option<Node>,
    /// The time there.
    pub date: Option<UnixMilliseconds>,
    /// Where a redirect leads, without path and user.
    pub redirect: Option<String>,
    /// Whether it says that it is to be spoken to by TLS.
    pub wants_tls: bool,
}

/// A node of Vault.
#[derive(Clone, Debug)]
pub struct Node {
    /// Whether it is sealed.
    pub sealed: bool,
    /// Its version.
    pub version: String,
}

impl Node {
    /// Out of the answer about its health.
    fn found(health: &Value) -> Option<Self> {
        let version = health["version"].as_str().unwrap_or_default();
        Some(Self { sealed: health["sealed"].as_bool()?, version: version.to_owned() })
    }
}

impl Client {
    /// Status and errors of the answer to a login at `auth/{mount}` in which nobody says who he is: only an auth method
    /// that is there says what is missing.
    ///
    /// # Errors
    /// [`Error`], if there is no answer.
    pub async fn empty_login(
        &self,
        mount: &str,
        namespace: Namespace,
        deadline: Deadline,
    ) -> Result<(u16, String), Error> {
        let path = format!("auth/{mount}/login");
        let mut own = OwnRequest::new(Method::PUT, &path);
        own.is_of_root = namespace == Namespace::Root;
        own.body = Zeroizing::new(b"{}".to_vec());
        match self.exchange(&own, 0, deadline).await {
            Ok(answer) => Ok((answer.status, refusal::errors_of(&answer.body))),
            Err(Error::Refused { status, errors, .. }) => Ok((status, errors)),
            Err(error) => Err(error),
        }
    }

    /// Asks once, in no namespace, as health is a matter of the whole server.
    ///
    /// # Errors
    /// [`Error`], if there is no answer.
    pub async fn health(&self, deadline: Deadline) -> Result<Health, Error> {
        let mut own = OwnRequest::new(Method::GET, "sys/health");
        own.is_of_root = true;
        let stage = crate::http::Stage::Answer(own.describe(&self.settings.address));
        self.connector.progress().enter(stage);
        let answer = self.send(&mut own.build(&self.settings, &self.headers), deadline).await?;
        let (head, body) = answer.into_parts();
        let body = collected(body, &own.name()).await?;
        let redirect = text(&head.headers, LOCATION).filter(|_| head.status.is_redirection());
        Ok(Health {
            status: head.status.as_u16(),
            vault: serde_json::from_slice(&body).ok().and_then(|health| Node::found(&health)),
            date: text(&head.headers, DATE).and_then(|date| {
                let time = httpdate::parse_http_date(date).ok()?;
                let time = time.duration_since(std::time::UNIX_EPOCH).ok()?;
                u64::try_from(time.as_millis()).ok()
            }),
            redirect: redirect.and_then(|location| {
                let origin = strongroom_core::address::Origin::parse(location).ok()?;
                Some(format!("{}://{}", origin.scheme, origin.authority()))
            }),
            // Go's words and nginx's: "... to an HTTPS server", "... sent to HTTPS port".
            wants_tls: head.status == 400 && body.windows(5).any(|word| word == b"HTTPS"),
        })
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
