//! Ways to log in to Vault.

mod approle;
mod aws_iam;
mod certificate;
mod credential;
mod jwt;

use serde::Serialize;
use strongroom_core::settings::{Certificate, Jwt};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::clock::Deadline;
use crate::error::Error;
use crate::token::Token;

pub use approle::AppRole;
pub use aws_iam::{AwsIam, Lookup};

/// A way to log in to Vault.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process, behind an Arc")]
pub enum Login {
    /// As an AppRole.
    AppRole(AppRole),
    /// As the function's IAM role.
    AwsIam(AwsIam),
    /// With the client certificate of the connection.
    Certificate(Certificate),
    /// With a JWT.
    Jwt(Jwt),
}

impl Login {
    /// The auth method, without `auth/`, and the Vault role, where that is named.
    #[must_use]
    pub fn mount_and_role(&self) -> (&str, Option<&str>) {
        match self {
            Self::AppRole(login) => (login.mount(), None),
            Self::AwsIam(login) => (login.mount(), Some(login.role())),
            Self::Certificate(settings) => (settings.mount.as_str(), settings.role.as_deref()),
            Self::Jwt(settings) => (settings.mount.as_str(), settings.role.as_deref()),
        }
    }

    /// Mount and role, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        let (mount, role) = self.mount_and_role();
        match role {
            Some(role) => format!("auth/{mount} as role {role}"),
            None => format!("auth/{mount}"),
        }
    }

    /// Logs in.
    ///
    /// # Errors
    /// [`Error`]: of what is logged in with, of AWS on the way to Vault, or of Vault.
    pub async fn log_in(&self, client: &Client, deadline: Deadline) -> Result<Token, Error> {
        let deadline = deadline.min(client.clock().deadline_in(client.timeout()));
        match self {
            Self::AppRole(login) => login.log_in(client, deadline).await,
            Self::AwsIam(login) => login.log_in(client, deadline).await,
            Self::Certificate(settings) => certificate::log_in(settings, client, deadline).await,
            Self::Jwt(settings) => jwt::log_in(settings, client, deadline).await,
        }
    }
}

/// The body of a login, wiped when dropped. Roomy, as a buffer that grows leaves its old content behind.
fn body(document: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4 * 1024));
    serde_json::to_writer(&mut *bytes, document).expect("texts can always be written as JSON");
    bytes
}
