//! The extension on its stand-ins: `devvault` behind a `faults` proxy, under the local Lambda of `host`, beside a
//! function that reads what it is told to.
//!
//! Everything is set up as the practice is, with one secret in a KV v2 engine. A test changes what it needs, starts
//! the environment, and waits for what it wants to see; nothing here sleeps to order events.

pub mod client;
mod environment;
pub mod names;
pub mod practice;
pub mod site;
pub mod socket;
pub mod stub;
pub mod tap;
mod wrapper;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use strongroom_devvault::{DevVault, Release};
use strongroom_faults::Faults;
use strongroom_host::{Config, Credentials, Function, Host, Layer, Runtime};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::beds::{self, Answer};

pub use environment::{Environment, within};

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The path of the secret, as in `VAULT_SECRET_PATH`.
pub const SECRET_PATH: &str = "kv/data/app";
/// Where clients of the local Vault API read it.
pub const SECRET_URL: &str = "/v1/kv/data/app";
/// What it holds until a test writes another.
pub const SECRET_VALUE: &str = "ABCDEFG9876";
/// Where [`Stage::deliver_file`] has it written.
pub const SECRET_FILE: &str = "/tmp/secrets/app.json";
/// The IAM role, and the Vault role that is bound to it.
pub const ROLE: &str = "lambda-role";
const ROOT: &str = "root-of-the-stage";
const MAY_LOOK_UP: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetRole","iam:GetUser"],"Resource":"*"}]}"#;
const LAMBDA_MAY_ASSUME: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str = r#"
path "kv/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "kv/data/forbidden" { capabilities = ["deny"] }
path "database/*" { capabilities = ["read"] }
"#;

/// What is there before the environment starts.
#[derive(Debug)]
pub struct Stage {
    /// What Lambda is told: the function, its layer and variables.
    pub config: Config,
    /// What the extension believes to be Vault.
    pub faults: Faults,
    /// Vault, and AWS beside it.
    pub vault: DevVault,
    extension: String,
    port: u16,
    _directories: [TempDir; 2],
}

impl Stage {
    /// Sets everything up; `function` is the program to be the function's `bootstrap`.
    ///
    /// # Panics
    /// If something cannot be set up.
    pub async fn new(function: &Path) -> Self {
        Self::of_release(function, Release::default()).await
    }

    /// The same with a Vault of that release's manners.
    ///
    /// # Panics
    /// As [`Stage::new`].
    pub async fn of_release(function: &Path, release: Release) -> Self {
        let mut vault = strongroom_devvault::Config::new(ROOT.into());
        vault.release = release;
        let vault = DevVault::start(vault).await.expect("the embedded Vault starts");
        let credentials = prepare(&vault).await;
        let faults = Faults::start(vault.address()).await.expect("the faulty proxy starts");

        let port = free_port();
        // The name of its file is how an extension is told from others, here by its process too.
        let extension = format!("strongroom-{port}");
        let code = TempDir::new().expect("a temporary directory");
        install(function, &code.path().join("bootstrap"));
        let layer = TempDir::new().expect("a temporary directory");
        fs::create_dir(layer.path().join("extensions")).expect("a directory of the layer");
        install(&beds::extension(), &layer.path().join("extensions").join(&extension));

        let runtime = Runtime::Provided;
        let handler = "handler".to_owned();
        let function = Function { code: code.path().to_owned(), handler, runtime };
        let mut config = Config::new(function, credentials);
        config.layers.push(Layer::Directory(layer.path().to_owned()));
        config.timeout = Duration::from_secs(20);
        let mut stage =
            Self { config, extension, faults, port, vault, _directories: [code, layer] };
        let address = stage.faults.url();
        stage.set("VAULT_ADDR", &address);
        stage.set("VAULT_AUTH_PROVIDER", "aws");
        stage.set("VAULT_AUTH_ROLE", ROLE);
        stage.set("VAULT_IAM_SERVER_ID", "vault.example");
        stage.set("VAULT_LOG_LEVEL", "TRACE");
        stage.set("STRONGROOM_PROXY_PORT", &port.to_string());
        stage
    }

    /// Sets a variable of the function.
    pub fn set(&mut self, name: &str, value: &str) {
        self.config.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Has the extension talk to another server, with this token and without a login.
    pub fn talk_to(&mut self, server: SocketAddr, token: &str) {
        for variable in ["VAULT_AUTH_PROVIDER", "VAULT_AUTH_ROLE", "VAULT_IAM_SERVER_ID"] {
            self.config.variables.remove(variable);
        }
        self.set("VAULT_ADDR", &format!("http://{server}"));
        self.set("VAULT_TOKEN", token);
    }

    /// Has the secret written to [`SECRET_FILE`] before the function starts.
    pub fn deliver_file(&mut self) {
        self.set("VAULT_SECRET_PATH", SECRET_PATH);
        self.set("VAULT_SECRET_FILE", SECRET_FILE);
    }

    /// Makes the environment; on demand, init begins when it is asked for.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn start(&self) -> Environment {
        let host = Host::start(self.config.clone()).await.expect("an environment can be made");
        Environment { extension: self.extension.clone(), host, port: self.port }
    }

    /// Makes the environment and has it initialised.
    ///
    /// # Panics
    /// If init fails; the message holds the log.
    pub async fn ready(&self) -> Environment {
        let environment = self.start().await;
        environment.initialize().await;
        environment
    }

    /// One request to Vault with the root token, past the faults.
    ///
    /// # Panics
    /// If Vault refuses it.
    pub async fn write(&self, path: &str, body: Value) {
        write(&self.vault, path, &body).await;
    }

    /// Writes a new version of the secret.
    pub async fn write_secret(&self, value: &str) {
        self.write(SECRET_PATH, json!({ "data": { "api-key": value } })).await;
    }

    /// Has leased credentials under `database/creds/app`, made anew for each read.
    pub async fn add_database(&self, ttl: &str) {
        self.write("sys/mounts/database", json!({ "type": "database" })).await;
        let config = json!({
            "plugin_name": "postgresql-database-plugin",
            "connection_url": "postgresql://localhost/app",
            "allowed_roles": ["*"],
        });
        self.write("database/config/app", config).await;
        let role = json!({ "db_name": "app", "default_ttl": ttl, "max_ttl": "24h" });
        self.write("database/roles/app", role).await;
    }

    /// How often this path was read in Vault.
    pub fn reads_of(&self, path: &str) -> usize {
        self.requests("GET", path)
    }

    /// How often this was asked of Vault.
    pub fn requests(&self, method: &str, path: &str) -> usize {
        let path = format!("/v1/{path}");
        let requests = self.vault.requests();
        requests.iter().filter(|request| request.method == method && request.path == path).count()
    }

    /// How often a login was carried out or refused.
    pub fn logins(&self) -> usize {
        self.vault.requests().iter().filter(|request| request.path.ends_with("/login")).count()
    }

    /// Revokes the token of each login, as an operator would.
    pub async fn revoke_logins(&self) {
        for accessor in self.login_accessors().await {
            self.write("auth/token/revoke-accessor", json!({ "accessor": accessor })).await;
        }
    }

    /// The accessors of the tokens that came of logins and live.
    pub async fn login_accessors(&self) -> Vec<String> {
        let mut found = Vec::new();
        for accessor in self.vault.token_accessors() {
            let body = json!({ "accessor": accessor }).to_string();
            let path = "/v1/auth/token/lookup-accessor";
            let answer = as_root(&self.vault, "POST", path, body).await;
            if answer.json()["data"]["path"] == "auth/aws/login" {
                found.push(accessor);
            }
        }
        found
    }

    /// Credentials of another session of the function's role.
    ///
    /// # Panics
    /// If the account does not open one.
    pub fn new_session(&self) -> Credentials {
        session(&self.vault)
    }

    /// Has Vault refuse connections and lose those that are open, as while it restarts.
    pub async fn take_vault_away(&mut self) {
        // A process that another test starts holds the listener, too, until it executes its program.
        drop(self.faults.refuse().await);
        self.faults.reset_open_connections();
        let address = self.faults.address();
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        within("the refusal of connections", refused).await;
    }

    /// The port of the local Vault API.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A port of loopback that nobody holds, outside the range from which the kernel gives ports away.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that started one after the other, and run at once, begin far from each other.
    let first = std::process::id().wrapping_mul(997) % 10_000;
    let first = 20_000 + u16::try_from(first).unwrap_or_default();
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn install(program: &Path, target: &Path) {
    let directory = target.parent().expect("a program lies in a directory");
    fs::create_dir_all(directory).expect("a directory can be made");
    fs::copy(program, target)
        .unwrap_or_else(|error| panic!("cannot copy {}: {error}", program.display()));
    fs::set_permissions(target, fs::Permissions::from_mode(0o755)).expect("a mode can be set");
}

/// Seeds the account, sets AWS auth up and writes policy, role and secret.
async fn prepare(vault: &DevVault) -> Credentials {
    let aws = vault.aws();
    aws.create_user("vault");
    aws.put_user_policy("vault", "look-up", MAY_LOOK_UP).expect("a policy");
    let key = aws.create_access_key("vault").expect("a key");
    let role = aws.create_role(ROLE, LAMBDA_MAY_ASSUME).expect("a role");
    let client = json!({
        "access_key": key.access_key_id,
        "secret_key": key.secret_access_key.expose_secret(),
        "iam_endpoint": aws.url(),
        "iam_server_id_header_value": "vault.example",
        "sts_endpoint": aws.url(),
        "sts_region": "us-east-1",
    });
    let bound = json!({
        "auth_type": "iam",
        "bound_iam_principal_arn": [role],
        "token_policies": ["app"],
        "token_ttl": "1h",
    });
    for (path, body) in [
        ("sys/auth/aws", json!({ "type": "aws" })),
        ("auth/aws/config/client", client),
        ("sys/policies/acl/app", json!({ "policy": POLICY })),
        ("auth/aws/role/lambda-role", bound),
        ("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "2" } })),
        (SECRET_PATH, json!({ "data": { "api-key": SECRET_VALUE } })),
    ] {
        write(vault, path, &body).await;
    }
    session(vault)
}

fn session(vault: &DevVault) -> Credentials {
    let session = vault.aws().lambda_session(ROLE, "function").expect("a session");
    Credentials {
        access_key_id: session.access_key_id,
        expiration: "2099-01-01T00:00:00Z".to_owned(),
        secret_access_key: session.secret_access_key,
        session_token: session.session_token.unwrap_or_else(|| SecretString::from("")),
    }
}

async fn write(vault: &DevVault, path: &str, body: &Value) {
    let answer = as_root(vault, "POST", &format!("/v1/{path}"), body.to_string()).await;
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
}

async fn as_root(vault: &DevVault, method: &str, path: &str, body: String) -> Answer {
    let headers = [("x-vault-token", ROOT)];
    let asked = client::ask(vault.address(), method, path, &headers, body);
    within("an answer of the embedded Vault", asked).await.expect("the embedded Vault answers")
}
