//! The login by AppRole: a role id, and the secret id that goes with it, which may come wrapped.
//! <https://developer.hashicorp.com/vault/docs/auth/approle>

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use strongroom_core::settings::{self, AppRoleSecretId};

use super::{body, credential};
use crate::client::Client;
use crate::clock::{Deadline, Pause};
use crate::error::Error;
use crate::token::Token;

/// Logs in as an AppRole.
#[derive(Debug)]
pub struct AppRole {
    settings: settings::AppRole,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// A wrapping token gives what is in it once, and every later login needs it, too.
    unwrapped: Option<Unwrapped>,
    /// Vault locks a role out after five wrong secret ids, for everybody: one environment with an old one must not.
    /// <https://developer.hashicorp.com/vault/docs/concepts/user-lockout>
    refused: Option<(SecretString, Pause)>,
}

/// A secret id, and the wrapping token that it came in.
#[derive(Clone, Debug)]
struct Unwrapped {
    wrapping_token: SecretString,
    secret_id: SecretString,
}

impl AppRole {
    /// A login with `settings`.
    #[must_use]
    pub fn new(settings: settings::AppRole) -> Self {
        Self { settings, state: Mutex::default() }
    }

    pub(super) fn mount(&self) -> &str {
        &self.settings.mount
    }

    pub(super) async fn log_in(&self, client: &Client, deadline: Deadline) -> Result<Token, Error> {
        let Some(id) = &self.settings.secret_id else {
            return self.log_in_with(None, client, deadline).await;
        };
        let secret_id = self.secret_id(id, client, deadline).await?;
        if self.was_refused(&secret_id, client) {
            return Err(Error::Credential {
                variable: id.credential.variable,
                problem: "gives a secret id that Vault refused less than 15 minutes ago; as Vault would lock the role \
                          out after five such logins, it is not tried again before: give a new one"
                    .into(),
            });
        }
        let outcome = self.log_in_with(Some(&secret_id), client, deadline).await;
        if let Err(Error::Refused { errors, .. }) = &outcome
            && errors.to_ascii_lowercase().contains("secret id")
        {
            self.lock().refused = Some((secret_id, client.clock().pause(LOCKOUT)));
        }
        outcome
    }

    async fn log_in_with(
        &self,
        secret_id: Option<&SecretString>,
        client: &Client,
        deadline: Deadline,
    ) -> Result<Token, Error> {
        let document = Document {
            role_id: self.settings.role_id.expose_secret(),
            secret_id: secret_id.map(|id| id.expose_secret()),
        };
        client.login(&self.settings.mount, body(&document), deadline).await
    }

    fn was_refused(&self, secret_id: &SecretString, client: &Client) -> bool {
        self.lock().refused.as_ref().is_some_and(|(refused, pause)| {
            refused.expose_secret() == secret_id.expose_secret() && pause.lasts(client.clock())
        })
    }

    async fn secret_id(
        &self,
        id: &AppRoleSecretId,
        client: &Client,
        deadline: Deadline,
    ) -> Result<SecretString, Error> {
        let given = credential::read(&id.credential)?;
        if !id.is_wrapped {
            return Ok(given);
        }
        let held = self.lock().unwrapped.clone();
        match held {
            Some(held) if held.wrapping_token.expose_secret() == given.expose_secret() => {
                Ok(held.secret_id)
            }
            _ => {
                let secret_id = self.unwrap(&given, id, client, deadline).await?;
                let unwrapped = Unwrapped { wrapping_token: given, secret_id: secret_id.clone() };
                self.lock().unwrapped = Some(unwrapped);
                Ok(secret_id)
            }
        }
    }

    /// Takes the secret id out of its wrapping, if it was this auth method that put it there: who steals a wrapping
    /// token can take out what is in it and pass on a token of his own, but not one that was made there.
    /// <https://developer.hashicorp.com/vault/docs/concepts/response-wrapping#response-wrapping-token-validation>
    async fn unwrap(
        &self,
        given: &SecretString,
        id: &AppRoleSecretId,
        client: &Client,
        deadline: Deadline,
    ) -> Result<SecretString, Error> {
        let variable = id.credential.variable;
        let wrapping_token = Token::given(given.clone()).ok_or_else(|| Error::Credential {
            variable,
            problem: "holds characters that no token has".into(),
        })?;
        let path = client.creation_path(given, deadline).await?;
        if !is_secret_id_path(&path, client.namespace(), &self.settings.mount) {
            return Err(Error::Credential {
                variable,
                problem: format!(
                    "holds a wrapping token that was not made for a secret id of auth/{}, but by {path}",
                    self.settings.mount
                ),
            });
        }
        client.unwrap_secret_id(&wrapping_token, deadline).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long Vault counts wrong logins, unless it is told otherwise (`lockout_counter_reset`).
const LOCKOUT: Duration = Duration::from_mins(15);

/// Whether `path` is one at which the auth method at `mount` gives secret ids; Vault may put the namespace first.
/// <https://developer.hashicorp.com/vault/api-docs/auth/approle#generate-new-secret-id>
fn is_secret_id_path(path: &str, namespace: Option<&str>, mount: &str) -> bool {
    let within_namespace = namespace
        .and_then(|namespace| path.strip_prefix(namespace.trim_matches('/'))?.strip_prefix('/'));
    let role_and_kind = [Some(path), within_namespace]
        .into_iter()
        .flatten()
        .find_map(|path| path.strip_prefix("auth/")?.strip_prefix(mount)?.strip_prefix("/role/"));
    role_and_kind.and_then(|rest| rest.split_once('/')).is_some_and(|(role, kind)| {
        !role.is_empty() && matches!(kind, "secret-id" | "custom-secret-id")
    })
}

#[derive(Serialize)]
struct Document<'a> {
    role_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapping_token_must_come_from_the_auth_method() {
        let check = |path: &str, namespace: Option<&str>, expect: bool| {
            let found = is_secret_id_path(path, namespace, "approle");
            assert_eq!(found, expect, "{path} in {namespace:?}");
        };
        check("auth/approle/role/app/secret-id", None, true);
        check("auth/approle/role/app/custom-secret-id", None, true);
        check("auth/approle/role/app/secret-id", Some("team"), true);
        check("team/a/auth/approle/role/app/secret-id", Some("team/a/"), true);
        check("other/auth/approle/role/app/secret-id", Some("team"), false);
        check("team/auth/approle/role/app/secret-id", None, false);
        check("teamauth/approle/role/app/secret-id", Some("team"), false);
        check("auth/approle2/role/app/secret-id", None, false);
        check("auth/approle/role/app/role-id", None, false);
        check("auth/approle/role//secret-id", None, false);
        check("auth/approle/role/app/x/secret-id", None, false);
        check("sys/wrapping/wrap", None, false);
        check("cubbyhole/auth/approle/role/app/secret-id", None, false);
        check("", None, false);
    }
}
