//! Vault set up as a person would, over its HTTP API, with the root token; afterwards nobody in
//! the practice holds that token any more.

use anyhow::{Context as _, Result};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::aws;
use super::vault::Server;
use super::vault::api::Client;
use crate::steps::Steps;

/// Where the secrets engine is mounted; the word `data` in it is a mount's good right.
pub(crate) const MOUNT: &str = "kv/data/test";
/// Where the secret is read and written, in API form.
pub(crate) const SECRET: &str = "kv/data/test/data/lambda";
/// The Vault role of the function.
pub(crate) const ROLE: &str = "strongroom-lab";
/// What logins must name in a signed header.
pub(crate) const SERVER_ID: &str = "vault.lab.example";
const FIRST_VALUE: &str = "ABCDEFG9876";
const FUNCTION_POLICY: &str = r#"path "kv/data/test/data/lambda" { capabilities = ["read"] }"#;
const OPERATOR_POLICY: &str =
    r#"path "kv/data/test/data/lambda" { capabilities = ["read", "create", "update"] }"#;

/// Who reads and writes the secret after set-up.
pub(crate) struct Operator(Client);

impl Operator {
    /// The name that Vault shows begins so, for a token that was created.
    pub(crate) const DISPLAY_NAME: &'static str = "token";

    /// What Vault holds.
    pub(crate) async fn value(&self) -> Result<SecretString> {
        let document = self.0.read(SECRET).await?;
        let value = document["data"]["data"]["api-key"].as_str();
        Ok(value.context("the secret has no api-key")?.to_owned().into())
    }

    /// Replaces the value by another.
    pub(crate) async fn rotate(&self) -> Result<()> {
        let value = uuid::Uuid::new_v4().simple().to_string()[..FIRST_VALUE.len()].to_uppercase();
        self.0.write(SECRET, json!({ "data": { "api-key": value } })).await?;
        Ok(())
    }
}

/// Sets everything up, step by step.
///
/// # Errors
/// A step is refused.
pub(crate) async fn prepare(server: &Server, steps: &mut Steps) -> Result<Operator> {
    let root = server.root();
    if let Some(file) = server.audit_file() {
        let device = json!({ "type": "file", "options": { "file_path": file } });
        let how = [format!("vault audit enable -path=lab file file_path={}", file.display())];
        steps.take("audit device enabled", &how, root.write("sys/audit/lab", device)).await?;
    }
    let account = steps
        .take("IAM policy, user with access key, and role created", &iam_commands(), async {
            aws::seed(server.aws())
        })
        .await?;
    enable_auth(server, &root, &account, steps).await?;
    store_secret(&root, steps).await?;
    let how = [
        format!("vault policy write {ROLE} - <<< '{FUNCTION_POLICY}'"),
        format!(
            "vault write auth/aws/role/{ROLE} auth_type=iam bound_iam_principal_arn={} \
             token_policies={ROLE} token_ttl=1h",
            account.role_arn
        ),
    ];
    let role = json!({
        "auth_type": "iam",
        "bound_iam_principal_arn": [account.role_arn],
        "token_policies": [ROLE],
        "token_ttl": "1h",
    });
    steps
        .take("Vault policy and role written", &how, async {
            root.write(&format!("sys/policies/acl/{ROLE}"), json!({ "policy": FUNCTION_POLICY }))
                .await?;
            root.write(&format!("auth/aws/role/{ROLE}"), role).await
        })
        .await?;
    let how = ["vault token create -policy=strongroom-lab-operator -ttl=1h".to_owned()];
    let operator = operator(server, &root);
    steps.take("operator's token created, root's put away", &how, operator).await
}

async fn enable_auth(
    server: &Server,
    root: &Client,
    account: &aws::Account,
    steps: &mut Steps,
) -> Result<()> {
    let mut method = json!({ "type": "aws" });
    if server.audit_file().is_some() {
        // Why a login fails is to stand in the audit file in words, not as a hash.
        method["config"] = json!({ "audit_non_hmac_response_keys": ["error"] });
    }
    let how = ["vault auth enable aws".to_owned()];
    steps.take("AWS auth enabled", &how, root.write("sys/auth/aws", method)).await?;
    let endpoint = server.aws().url();
    let how = [format!(
        "vault write auth/aws/config/client access_key={} secret_key=... sts_endpoint={endpoint} \
         sts_region={} iam_endpoint={endpoint} iam_server_id_header_value={SERVER_ID}",
        account.vault_key.access_key_id,
        aws::REGION,
    )];
    let client = json!({
        "access_key": account.vault_key.access_key_id,
        // Listed: this is how Vault is given its key.
        "secret_key": account.vault_key.secret_access_key.expose_secret(),
        "iam_endpoint": endpoint,
        "iam_server_id_header_value": SERVER_ID,
        "sts_endpoint": endpoint,
        "sts_region": aws::REGION,
    });
    let write = root.write("auth/aws/config/client", client);
    steps.take("AWS auth's client and STS set for ap-northeast-2", &how, write).await?;
    Ok(())
}

async fn store_secret(root: &Client, steps: &mut Steps) -> Result<()> {
    let mount = json!({ "type": "kv", "options": { "version": "2" } });
    let how = [format!("vault secrets enable -path={MOUNT} kv-v2")];
    let path = format!("sys/mounts/{MOUNT}");
    let write = root.write(&path, mount);
    steps.take("kv-v2 mounted at kv/data/test", &how, write).await?;
    let how = [format!("vault kv put -mount={MOUNT} lambda api-key=...")];
    let secret = json!({ "data": { "api-key": FIRST_VALUE } });
    steps.take("secret lambda stored", &how, root.write(SECRET, secret)).await?;
    Ok(())
}

async fn operator(server: &Server, root: &Client) -> Result<Operator> {
    let policy = json!({ "policy": OPERATOR_POLICY });
    root.write("sys/policies/acl/strongroom-lab-operator", policy).await?;
    let wish = json!({ "policies": ["strongroom-lab-operator"], "ttl": "1h" });
    let created = root.write("auth/token/create", wish).await?;
    let token = created["auth"]["client_token"].as_str().context("Vault created no token")?;
    Ok(Operator(Client::new(server.api(), token.to_owned().into())))
}

fn iam_commands() -> [String; 4] {
    [
        format!("aws iam create-user --user-name {}", aws::USER),
        format!("aws iam put-user-policy --user-name {} --policy-name look-up ...", aws::USER),
        format!("aws iam create-access-key --user-name {}", aws::USER),
        format!("aws iam create-role --role-name {} ...", aws::ROLE),
    ]
}
