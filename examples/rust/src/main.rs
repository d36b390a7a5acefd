//! Reads one secret in three ways and answers with a fingerprint of what each saw.
//! A real function uses its secret; it never answers with it.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}

async fn handle(_event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(json!({
        "variable": fingerprint(&env::var("API_KEY")?),
        "file": fingerprint(&tokio::fs::read_to_string("/tmp/vault/api-key").await?),
        "proxy": fingerprint(&through_proxy().await?),
    }))
}

/// Asks the local Vault API, which needs no token.
async fn through_proxy() -> Result<String, Error> {
    let url = format!("{}/v1/{}", env::var("VAULT_ADDR")?, env::var("VAULT_SECRET_PATH_API")?);
    let answer: Value = reqwest::get(url).await?.error_for_status()?.json().await?;
    let secret = answer["data"]["data"]["api-key"].as_str();
    Ok(secret.ok_or("the secret has no api-key")?.to_owned())
}

fn fingerprint(secret: &str) -> String {
    let digest = Sha256::digest(secret);
    digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
