//! The AWS auth method, of type `iam`: a caller proves who it is with a signed
//! `GetCallerIdentity` request that this server sends to STS.
//! <https://developer.hashicorp.com/vault/api-docs/auth/aws>
//! Not here: type `ec2`, wildcards in bound ARNs, `config/sts` and `use_sts_region_from_client`.

pub(super) mod arn;
pub(super) mod login;
pub(super) mod role;

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use self::role::Role;
use super::answer::{Answer, Outcome, Refusal};
use super::request::{ApiRequest, Operation, Params};

#[derive(Default)]
pub(in crate::vault) struct AwsAuth {
    pub(super) client: Option<Client>,
    pub(super) roles: BTreeMap<String, Role>,
}

/// `config/client`.
#[derive(Clone)]
pub(in crate::vault) struct Client {
    pub(super) access_key: String,
    pub(super) allowed_headers: Option<Vec<String>>,
    pub(super) iam_endpoint: String,
    max_retries: i64,
    pub(super) secret_key: SecretString,
    pub(super) server_id: String,
    pub(super) sts_endpoint: String,
    pub(super) sts_region: String,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            access_key: String::new(),
            allowed_headers: None,
            iam_endpoint: String::new(),
            max_retries: -1,
            secret_key: SecretString::default(),
            server_id: String::new(),
            sts_endpoint: String::new(),
            sts_region: String::new(),
        }
    }
}

impl AwsAuth {
    /// Answers what needs no call to AWS: `login` and the writing of roles are elsewhere.
    pub(in crate::vault) fn answer(&mut self, path: &str, request: &ApiRequest) -> Outcome {
        match (path, request.operation) {
            ("config/client", operation) => self.configure(operation, &request.params),
            ("role/" | "roles/", Operation::List) => {
                Answer::keys("aws", self.roles.keys().cloned().collect())
            }
            ("login", _) => {
                Err(Refusal::new(http::StatusCode::METHOD_NOT_ALLOWED, "unsupported operation"))
            }
            _ => match path.strip_prefix("role/").filter(|name| !name.is_empty()) {
                Some(name) => self.role(&name.to_lowercase(), request.operation),
                None => Err(Refusal::unsupported_path()),
            },
        }
    }

    fn configure(&mut self, operation: Operation, params: &Params) -> Outcome {
        match operation {
            Operation::Read => {
                let client = self.client.as_ref().ok_or_else(Refusal::not_found)?;
                Ok(Answer::data("aws", client.document()))
            }
            Operation::Write => {
                let mut client = self.client.clone().unwrap_or_default();
                client.update(params)?;
                self.client = Some(client);
                Ok(Answer::NoContent)
            }
            Operation::Delete => {
                self.client = None;
                Ok(Answer::NoContent)
            }
            Operation::List | Operation::Patch => Err(Refusal::unsupported_operation()),
        }
    }

    fn role(&mut self, name: &str, operation: Operation) -> Outcome {
        match operation {
            Operation::Read => {
                let role = self.roles.get(name).ok_or_else(Refusal::not_found)?;
                Ok(Answer::data("aws", role.document()))
            }
            Operation::Delete => {
                self.roles.remove(name);
                Ok(Answer::NoContent)
            }
            _ => Err(Refusal::unsupported_operation()),
        }
    }
}

impl Client {
    fn update(&mut self, params: &Params) -> Result<(), Refusal> {
        if params.flag("use_sts_region_from_client")?.unwrap_or(false) {
            return Err(Refusal::invalid(
                "devvault does not implement use_sts_region_from_client: it calls no address outside loopback",
            ));
        }
        let text = |name, field: &mut String| {
            params.text(name).map(|given| given.into_iter().for_each(|given| *field = given))
        };
        text("access_key", &mut self.access_key)?;
        text("iam_endpoint", &mut self.iam_endpoint)?;
        text("iam_server_id_header_value", &mut self.server_id)?;
        text("sts_endpoint", &mut self.sts_endpoint)?;
        text("sts_region", &mut self.sts_region)?;
        if let Some(secret) = params.text("secret_key")? {
            self.secret_key = secret.into();
        }
        if let Some(allowed) = params.list("allowed_sts_header_values")? {
            self.allowed_headers = Some(allowed);
        }
        if let Some(retries) = params.integer("max_retries")? {
            self.max_retries = retries;
        }
        Ok(())
    }

    fn document(&self) -> Value {
        json!({
            "access_key": self.access_key,
            "allowed_sts_header_values": self.allowed_headers,
            "endpoint": "",
            "iam_endpoint": self.iam_endpoint,
            "iam_server_id_header_value": self.server_id,
            "max_retries": self.max_retries,
            "sts_endpoint": self.sts_endpoint,
            "sts_region": self.sts_region,
        })
    }

    /// The keys for calls of the server's own.
    pub(super) fn credentials(&self) -> Result<crate::aws::sigv4::Credentials, Refusal> {
        if self.access_key.is_empty() || self.secret_key.expose_secret().is_empty() {
            return Err(Refusal::invalid(
                "error creating client: config/client has no access_key and secret_key",
            ));
        }
        Ok(crate::aws::sigv4::Credentials {
            access_key_id: self.access_key.clone(),
            secret_access_key: self.secret_key.clone(),
            session_token: None,
        })
    }
}
