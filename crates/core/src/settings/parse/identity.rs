//! Who the extension is to Vault.

use super::Parser;
use crate::settings::{AssumedRole, AwsIam, Identity, variables as v};

impl Parser<'_> {
    pub(super) fn identity(&mut self) -> Option<Identity> {
        let mount = self.environment.trimmed(v::VAULT_AUTH_PROVIDER);
        let role = self.environment.trimmed(v::VAULT_AUTH_ROLE);
        let token = self.environment.client(v::VAULT_TOKEN);
        let (mount, role) = match (mount, role, token) {
            (None, None, Some(token)) => return Some(Identity::Token(token.into())),
            (Some(mount), Some(role), token) => {
                if token.is_some() {
                    self.findings.warning(
                        v::VAULT_TOKEN,
                        "is ignored: VAULT_AUTH_PROVIDER and VAULT_AUTH_ROLE are set, so the extension logs in",
                    );
                }
                (mount, role)
            }
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
}
