//! The login by JWT. <https://developer.hashicorp.com/vault/docs/auth/jwt>

use secrecy::ExposeSecret as _;
use serde::Serialize;
use strongroom_core::settings::Jwt;

use super::{body, credential};
use crate::client::Client;
use crate::clock::Deadline;
use crate::error::Error;
use crate::token::Token;

pub(super) async fn log_in(
    settings: &Jwt,
    client: &Client,
    deadline: Deadline,
) -> Result<Token, Error> {
    let jwt = credential::read(&settings.jwt)?;
    let document = Document { role: settings.role.as_deref(), jwt: jwt.expose_secret() };
    client.login(&settings.mount, body(&document), deadline).await
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    jwt: &'a str,
}
