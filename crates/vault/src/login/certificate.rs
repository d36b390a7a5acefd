//! The login by the certificate that the connection shows. <https://developer.hashicorp.com/vault/docs/auth/cert>

use serde::Serialize;
use strongroom_core::settings::Certificate;

use super::body;
use crate::client::Client;
use crate::clock::Deadline;
use crate::error::Error;
use crate::token::Token;

pub(super) async fn log_in(
    settings: &Certificate,
    client: &Client,
    deadline: Deadline,
) -> Result<Token, Error> {
    let document = Document { name: settings.role.as_deref() };
    client.login(&settings.mount, body(&document), deadline).await
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}
