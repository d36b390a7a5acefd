//! An in-memory Vault for development, with the STS and IAM calls that AWS auth makes.
//! Everything it holds is gone when it stops. It knows nothing of Lambda, prints nothing,
//! listens on loopback only and calls nothing outside it.
//!
//! What it is not: a Vault. The users that its database engine leases exist in no database.
//! There is no response wrapping, no identity or cubbyhole engine, no tuning of mounts, no PATCH,
//! no audit devices; a namespace header is ignored, as by Vault's community edition. Whatever
//! else it does not do, it refuses.

mod aws;
mod clock;
mod listener;
mod outbound;
mod random;
mod recorded;
mod tls;
mod vault;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use rustls::ServerConfig;
use secrecy::SecretString;

pub use self::aws::{AwsConfig, AwsRequest, Credentials, DevAws, SeedError};
pub use self::clock::Clock;
use self::listener::Listener;
pub use self::recorded::{Caller, Recorded};
pub use self::tls::{TlsError, server_config};
pub use self::vault::Release;
use self::vault::Vault;

/// What a [`DevVault`] is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Of the account whose STS and IAM stand beside it.
    pub aws: AwsConfig,
    /// Where to listen, on loopback; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whose manners to have.
    pub release: Release,
    /// The token that may do everything.
    pub root_token: SecretString,
    /// HTTPS instead of HTTP; see [`server_config`].
    pub tls: Option<Arc<ServerConfig>>,
}

impl Config {
    /// Plain HTTP on a free port of loopback, with the defaults of [`AwsConfig`].
    pub fn new(root_token: SecretString) -> Self {
        Self {
            aws: AwsConfig::default(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            release: Release::default(),
            root_token,
            tls: None,
        }
    }
}

/// A running server and, on another port, the STS and IAM that its AWS auth can be pointed at.
/// Both ports close when it is dropped.
#[derive(Debug)]
pub struct DevVault {
    aws: DevAws,
    has_tls: bool,
    listener: Listener,
    root_token: SecretString,
    vault: Arc<Vault>,
}

impl DevVault {
    /// Starts both servers.
    ///
    /// # Errors
    /// An address cannot be bound, or is not of loopback.
    pub async fn start(config: Config) -> io::Result<Self> {
        let aws = DevAws::start(config.aws).await?;
        let vault = Arc::new(Vault::new(config.root_token.clone(), config.release));
        let serving = Arc::clone(&vault);
        let handler = Arc::new(move |request: Request<Bytes>| {
            let vault = Arc::clone(&serving);
            Box::pin(async move { vault.handle(request).await })
                as Pin<Box<dyn Future<Output = _> + Send>>
        });
        let has_tls = config.tls.is_some();
        let listener = Listener::start(config.listen, config.tls, handler).await?;
        Ok(Self { aws, has_tls, listener, root_token: config.root_token, vault })
    }

    /// What whoever starts this should tell the user.
    pub fn notice(&self) -> String {
        format!(
            "embedded development Vault at {}: everything is in memory and gone when it stops",
            self.url()
        )
    }

    /// The address to be `VAULT_ADDR`.
    pub fn url(&self) -> String {
        let scheme = if self.has_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.listener.address())
    }

    /// The port that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The version that it says it is, in `sys/health`.
    pub fn version(&self) -> String {
        self.vault.release().version().to_owned()
    }

    /// The token that may do everything.
    pub fn root_token(&self) -> &SecretString {
        &self.root_token
    }

    /// The STS and IAM beside it.
    pub fn aws(&self) -> &DevAws {
        &self.aws
    }

    /// Moves the time by which tokens, leases and versions expire; that of [`DevVault::aws`] is its own.
    pub fn clock(&self) -> &Clock {
        &self.vault.clock
    }

    /// Everything that reached it so far, in the order in which it was answered.
    pub fn requests(&self) -> Vec<Recorded> {
        self.vault.requests()
    }

    /// The accessors of the service tokens that are alive, that of root among them.
    pub fn token_accessors(&self) -> Vec<String> {
        self.vault.accessors()
    }

    /// The identifiers of the leases that are alive, such as `database/creds/app/Xyz…`.
    pub fn leases(&self) -> Vec<String> {
        self.vault.leases()
    }

    /// Seals it: until [`DevVault::unseal`], 503 for everything but `sys/health` and `sys/seal-status`.
    pub fn seal(&self) {
        self.vault.set_sealed(true);
    }

    /// Undoes [`DevVault::seal`] and `sys/seal`.
    pub fn unseal(&self) {
        self.vault.set_sealed(false);
    }

    /// Closes both ports and returns when they are closed.
    pub async fn stop(self) {
        self.listener.stop().await;
        self.aws.stop().await;
    }
}
