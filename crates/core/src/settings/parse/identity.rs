//! Who the extension is to Vault.

use std::path::PathBuf;

use super::Parser;
use crate::settings::{
    AppRole, AppRoleSecretId, AssumedRole, AwsIam, Certificate, Credential, CredentialSource,
    Identity, Jwt, Vault, variables as v,
};

/// How the extension logs in.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Method {
    AppRole,
    Aws,
    Certificate,
    Jwt,
}

impl Method {
    /// What `STRONGROOM_AUTH_METHOD` calls it, which is also where Vault mounts it unless told otherwise.
    fn word(self) -> &'static str {
        match self {
            Self::AppRole => "approle",
            Self::Aws => "aws",
            Self::Certificate => "cert",
            Self::Jwt => "jwt",
        }
    }
}

impl Parser<'_> {
    /// `vault` is how Vault is reached, as far as that is known.
    pub(super) fn identity(&mut self, vault: Option<&Vault>) -> Option<Identity> {
        let methods = [Method::Aws, Method::AppRole, Method::Jwt, Method::Certificate]
            .map(|method| (method.word(), method));
        let method = self.choice(v::STRONGROOM_AUTH_METHOD, &methods);
        self.refuse_settings_of_other_methods(method);
        if method != Method::Aws {
            self.warn_of_ignored_token("STRONGROOM_AUTH_METHOD is set");
        }
        match method {
            Method::AppRole => self.app_role().map(Identity::AppRole),
            Method::Aws => self.aws_iam_or_token(),
            Method::Certificate => self.certificate(vault).map(Identity::Certificate),
            Method::Jwt => self.jwt().map(Identity::Jwt),
        }
    }

    fn aws_iam_or_token(&mut self) -> Option<Identity> {
        let mount = self.environment.trimmed(v::VAULT_AUTH_PROVIDER);
        let role = self.environment.trimmed(v::VAULT_AUTH_ROLE);
        let token = self.environment.client(v::VAULT_TOKEN);
        let (mount, role) = match (mount, role, token) {
            (None, None, Some(token)) => return Some(Identity::Token(token.into())),
            (Some(mount), Some(role), _) => (mount, role),
            (mount, role, _) => {
                if mount.is_none() {
                    self.findings.error(
                        v::VAULT_AUTH_PROVIDER,
                        "is unset: set it to the path of the AWS auth method, such as aws",
                    );
                }
                if role.is_none() {
                    self.findings.error(
                        v::VAULT_AUTH_ROLE,
                        "is unset: set it to the Vault role of this function",
                    );
                }
                return None;
            }
        };
        self.warn_of_ignored_token("VAULT_AUTH_PROVIDER and VAULT_AUTH_ROLE are set");
        let text = |name| self.environment.trimmed(name).map(str::to_owned);
        let external_id = text(v::STRONGROOM_EXTERNAL_ID);
        let assumed_role = text(v::VAULT_ASSUMED_ROLE_ARN)
            .map(|arn| AssumedRole { arn, external_id: external_id.clone() });
        if external_id.is_some() && assumed_role.is_none() {
            self.findings.error(
                v::STRONGROOM_EXTERNAL_ID,
                "is of no use without VAULT_ASSUMED_ROLE_ARN: set both or neither",
            );
        }
        let server_id = text(v::VAULT_IAM_SERVER_ID);
        if server_id
            .as_deref()
            .is_some_and(|id| id.contains(|c: char| c.is_control() || !c.is_ascii()))
        {
            self.findings
                .error(v::VAULT_IAM_SERVER_ID, "contains characters that no HTTP header can carry");
        }
        Some(Identity::AwsIam(AwsIam {
            mount: mount.trim_matches('/').to_owned(),
            role: role.to_owned(),
            server_id,
            assumed_role,
            sts_region: text(v::VAULT_STS_ENDPOINT_REGION),
        }))
    }

    fn app_role(&mut self) -> Option<AppRole> {
        if self.environment.trimmed(v::VAULT_AUTH_ROLE).is_some() {
            self.findings.warning(
                v::VAULT_AUTH_ROLE,
                "is ignored: with AppRole, STRONGROOM_APPROLE_ROLE_ID says which role",
            );
        }
        let role_id = self.environment.trimmed(v::STRONGROOM_APPROLE_ROLE_ID);
        if role_id.is_none() {
            self.findings.error(
                v::STRONGROOM_APPROLE_ROLE_ID,
                "is unset: set it to what auth/<mount>/role/<name>/role-id says",
            );
        }
        let credential =
            self.credential(v::STRONGROOM_APPROLE_SECRET_ID, v::STRONGROOM_APPROLE_SECRET_ID_FILE);
        let is_wrapped =
            self.choice(v::STRONGROOM_APPROLE_SECRET_ID_WRAPPED, &[("off", false), ("on", true)]);
        if is_wrapped && credential.is_none() {
            self.findings.error(
                v::STRONGROOM_APPROLE_SECRET_ID_WRAPPED,
                "is on without a wrapping token: set STRONGROOM_APPROLE_SECRET_ID or \
                 STRONGROOM_APPROLE_SECRET_ID_FILE",
            );
        }
        if is_wrapped && self.is_snap_start() {
            self.findings.error(
                v::STRONGROOM_APPROLE_SECRET_ID_WRAPPED,
                "is on under SnapStart: a wrapping token gives its secret id once, and the environments of a \
                 snapshot are many; use STRONGROOM_AUTH_METHOD=aws",
            );
        }
        Some(AppRole {
            mount: self.mount(Method::AppRole),
            role_id: role_id?.into(),
            secret_id: credential.map(|credential| AppRoleSecretId { credential, is_wrapped }),
        })
    }

    fn jwt(&mut self) -> Option<Jwt> {
        let jwt = self.credential(v::STRONGROOM_JWT, v::STRONGROOM_JWT_FILE);
        if jwt.is_none() {
            self.findings.error(
                v::STRONGROOM_JWT,
                "is unset: set it to the JWT to log in with, or STRONGROOM_JWT_FILE to its file",
            );
        }
        Some(Jwt { mount: self.mount(Method::Jwt), role: self.role(), jwt: jwt? })
    }

    fn certificate(&mut self, vault: Option<&Vault>) -> Option<Certificate> {
        let is_unset = |name| self.environment.client(name).is_none();
        if is_unset(v::VAULT_CLIENT_CERT) && is_unset(v::VAULT_CLIENT_KEY) {
            self.findings.error(
                v::VAULT_CLIENT_CERT,
                "is unset: set it and VAULT_CLIENT_KEY to the certificate to log in with and its key",
            );
        }
        if vault.is_some_and(|vault| !vault.address.is_https()) {
            self.findings.error(
                v::STRONGROOM_AUTH_METHOD,
                "is cert, and a certificate is shown by TLS only: give Vault an address with https://",
            );
        }
        Some(Certificate { mount: self.mount(Method::Certificate), role: self.role() })
    }

    fn mount(&self, method: Method) -> String {
        let mount =
            self.environment.trimmed(v::VAULT_AUTH_PROVIDER).unwrap_or_else(|| method.word());
        mount.trim_matches('/').to_owned()
    }

    fn role(&self) -> Option<String> {
        self.environment.trimmed(v::VAULT_AUTH_ROLE).map(str::to_owned)
    }

    /// What one of two variables gives: itself, or the path of a file.
    fn credential(
        &mut self,
        variable: &'static str,
        file_variable: &'static str,
    ) -> Option<Credential> {
        let value = self.environment.trimmed(variable);
        let file = self.environment.trimmed(file_variable).map(PathBuf::from);
        match (value, file) {
            (None, None) => None,
            (Some(value), None) => {
                Some(Credential { variable, source: CredentialSource::Value(value.into()) })
            }
            (value, Some(file)) => {
                if value.is_some() {
                    self.findings.error(
                        file_variable,
                        format!("is set beside {variable}: unset one of them"),
                    );
                } else if !file.is_absolute() {
                    self.findings.error(file_variable, "is no absolute path");
                }
                Some(Credential { variable: file_variable, source: CredentialSource::File(file) })
            }
        }
    }

    fn warn_of_ignored_token(&mut self, because: &str) {
        if self.environment.client(v::VAULT_TOKEN).is_some() {
            self.findings.warning(
                v::VAULT_TOKEN,
                format!("is ignored: {because}, so the extension logs in"),
            );
        }
    }

    /// What says how to log in otherwise is a mistake, in whichever of the two.
    fn refuse_settings_of_other_methods(&mut self, method: Method) {
        for (owner, name) in OF_ONE_METHOD {
            if *owner == method || self.environment.trimmed(name).is_none() {
                continue;
            }
            if name.starts_with("VAULT_") {
                let chosen = method.word();
                self.findings
                    .warning(*name, format!("is ignored: STRONGROOM_AUTH_METHOD is {chosen}"));
            } else {
                let needed = owner.word();
                self.findings.error(
                    *name,
                    format!("is of no use unless STRONGROOM_AUTH_METHOD is {needed}: set that, or unset this"),
                );
            }
        }
    }
}

const OF_ONE_METHOD: &[(Method, &str)] = &[
    (Method::Aws, v::VAULT_IAM_SERVER_ID),
    (Method::Aws, v::VAULT_ASSUMED_ROLE_ARN),
    (Method::Aws, v::STRONGROOM_EXTERNAL_ID),
    (Method::Aws, v::VAULT_STS_ENDPOINT_REGION),
    (Method::AppRole, v::STRONGROOM_APPROLE_ROLE_ID),
    (Method::AppRole, v::STRONGROOM_APPROLE_SECRET_ID),
    (Method::AppRole, v::STRONGROOM_APPROLE_SECRET_ID_FILE),
    (Method::AppRole, v::STRONGROOM_APPROLE_SECRET_ID_WRAPPED),
    (Method::Jwt, v::STRONGROOM_JWT),
    (Method::Jwt, v::STRONGROOM_JWT_FILE),
];
