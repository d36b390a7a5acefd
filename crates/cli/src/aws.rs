//! AWS through its own SDK for Rust: profiles, SSO, regions and endpoints as its users know them, over the one TLS stack
//! that we have.

pub(crate) mod credentials;

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};

/// Whoever the credentials at hand are.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Twelve digits.
    pub(crate) account: String,
    pub(crate) arn: String,
    /// Such as `aws`, `aws-cn` or `aws-us-gov`.
    pub(crate) partition: String,
}

#[cfg(test)]
impl Caller {
    /// A user of this account.
    pub(crate) fn user(account: &str, partition: &str) -> Self {
        let arn = format!("arn:{partition}:iam::{account}:user/administrator");
        Self { account: account.to_owned(), arn, partition: partition.to_owned() }
    }
}

/// The configuration of `profile` and `region`, or of whichever the shell is set to.
///
/// # Errors
/// `AWS_CA_BUNDLE` names no certificates.
pub(crate) async fn config(profile: Option<&str>, region: Option<&str>) -> Result<SdkConfig> {
    let tls = tls_context()?;
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    });
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client.clone())
        .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build());
    if let Some(profile) = profile {
        // A profile that is named wins over keys in the shell, as with AWS's own command line.
        let region = region.map(|region| Region::new(region.to_owned()));
        let how = ProviderConfig::default().with_http_client(client).with_region(region);
        let credentials =
            ProfileFileCredentialsProvider::builder().configure(&how).profile_name(profile);
        loader = loader.profile_name(profile).credentials_provider(credentials.build());
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    Ok(loader.load().await)
}

/// Asks STS whose credentials they are.
///
/// # Errors
/// There are none, or STS refuses them.
pub(crate) async fn caller(config: &SdkConfig) -> Result<Caller> {
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| told(&error)).context(
        "AWS does not say whose credentials these are; hint: log in, for example by aws sso login, or name a profile by \
         --profile or AWS_PROFILE",
    )?;
    let arn = answer.arn().context("STS names nobody")?;
    let mut parts = arn.split(':').skip(1);
    let partition = parts.next().context("STS names somebody whose ARN has no partition")?;
    Ok(Caller {
        account: answer.account().context("STS names no account")?.to_owned(),
        arn: arn.to_owned(),
        partition: partition.to_owned(),
    })
}

/// An error of the SDK as AWS says it, which its own text leaves out.
pub(crate) fn told<E>(error: &SdkError<E, HttpResponse>) -> anyhow::Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let answer = error.raw_response();
    match (error.code(), error.message(), answer) {
        (Some(code), Some(message), _) => anyhow!("{code}: {message}"),
        (Some(code), None, _) => anyhow!("{code}"),
        // What stands in for AWS may not speak as it does.
        (None, _, Some(answer)) => {
            let body = answer.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
            let body: String = body.split_whitespace().collect::<Vec<_>>().join(" ");
            let body: String = body.chars().take(LONGEST_BODY).collect();
            anyhow!("HTTP status {}: {body}", answer.status().as_u16())
        }
        (None, _, None) => anyhow!("{}", strongroom_vault::error::chain(error)),
    }
}

/// The machine's certificates, and those of `AWS_CA_BUNDLE`, which AWS's other tools read, too.
fn tls_context() -> Result<TlsContext> {
    let mut trusted = TrustStore::default();
    if let Some(path) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        let pem = std::fs::read(&path);
        let pem = pem.with_context(|| {
            format!("cannot read AWS_CA_BUNDLE, which is {}", path.to_string_lossy())
        })?;
        trusted = trusted.with_pem_certificate(pem);
    }
    TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .context("AWS_CA_BUNDLE cannot be used for TLS")
}

/// For a call with all its retries.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of an answer that is not understood, in characters.
const LONGEST_BODY: usize = 400;
