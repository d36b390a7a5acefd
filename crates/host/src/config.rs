//! What the caller of the host says: the function, its layers, variables and limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use secrecy::SecretString;
pub use strongroom_lambda_api::initialization::InitializationType;

/// A function with its layers and everything its environment is made of.
///
/// Start from [`Config::new`] and set what differs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The account that stands in the function's ARN.
    pub account_id: String,
    /// Milliseconds by which Lambda's clock, and so every deadline that it names, differs from the
    /// machine's; it may change at any time. For functions whose time is simulated.
    pub clock_offset: Arc<AtomicI64>,
    /// What the function's role gives: in the environment, or over HTTP with SnapStart.
    pub credentials: Credentials,
    /// The code and what runs it.
    pub function: Function,
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub function_name: String,
    /// The user that processes run as; only root can change it.
    pub identity: Identity,
    /// How Lambda prepares the environment.
    pub initialization: InitializationType,
    /// How long init may last. Lambda: 10 s on demand, up to 15 minutes for the other types.
    pub init_timeout: Duration,
    /// The layers, later ones over earlier ones.
    pub layers: Vec<Layer>,
    /// How many invocations Managed Instances run at once.
    pub max_concurrency: u16,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in MB; not enforced: see `address_space`.
    pub memory_mb: u32,
    /// Where processes find `/opt`, `/var/task` and `/tmp`.
    pub paths: Paths,
    /// The network that processes see.
    pub network: Network,
    /// `RLIMIT_AS` of every process, in bytes; `None` leaves the caller's. Lambda limits what all of them use
    /// together, which is less of a limit for each.
    pub address_space: Option<u64>,
    /// `RLIMIT_NOFILE` of every process; `None` leaves the caller's. Lambda: 1,024.
    pub open_files: Option<u64>,
    /// `AWS_REGION`.
    pub region: String,
    /// What a shutdown may take.
    pub shutdown: ShutdownBudgets,
    /// The function's own time-out.
    pub timeout: Duration,
    /// The size of `/tmp`, in bytes; `None` is the machine's. It needs root, and makes
    /// processes find Lambda's paths.
    pub tmp_bytes: Option<u64>,
    /// The customer's variables.
    pub variables: BTreeMap<String, String>,
}

impl Config {
    /// A configuration with Lambda's defaults, no layers and no variables.
    pub fn new(function: Function, credentials: Credentials) -> Self {
        Self {
            account_id: "123456789012".to_owned(),
            clock_offset: Arc::default(),
            credentials,
            function,
            function_name: "function".to_owned(),
            identity: Identity::Caller,
            initialization: InitializationType::OnDemand,
            init_timeout: Duration::from_secs(10),
            layers: Vec::new(),
            max_concurrency: 8,
            memory_mb: 128,
            paths: Paths::LambdaIfAllowed,
            network: Network::Shared,
            address_space: None,
            open_files: None,
            region: "us-east-1".to_owned(),
            shutdown: ShutdownBudgets::default(),
            timeout: Duration::from_secs(3),
            tmp_bytes: None,
            variables: BTreeMap::new(),
        }
    }

    /// The function's ARN.
    pub fn function_arn(&self) -> String {
        format!(
            "arn:aws:lambda:{}:{}:function:{}",
            self.region, self.account_id, self.function_name
        )
    }
}

/// The code of a function and what runs it.
#[derive(Clone, Debug)]
pub struct Function {
    /// The directory that becomes `/var/task`.
    pub code: PathBuf,
    /// `_HANDLER`.
    pub handler: String,
    /// What runs the code.
    pub runtime: Runtime,
}

/// What runs a function's code.
#[derive(Clone, Debug)]
pub enum Runtime {
    /// A managed runtime of Lambda's, such as Node or Java, by one of AWS's runtime interface clients.
    Managed {
        /// What the client starts with, in Lambda's paths: `/var/lang/bin/node` and so on. The
        /// handler is added as its last argument.
        command: Vec<String>,
        /// The directory that becomes `/var/lang`, with the interpreter in its `bin`.
        language: PathBuf,
        /// Lambda's name for it, such as `nodejs22.x`, for `AWS_EXECUTION_ENV`.
        name: String,
    },
    /// The executable `bootstrap` of the code, or else of a layer, as with `provided.al2023`.
    Provided,
    /// AWS's Python runtime interface client.
    Python {
        /// `bin/python` of a virtual environment that holds `awslambdaric`. With a mount
        /// namespace the environment becomes `/var/lang`.
        interpreter: PathBuf,
    },
}

impl Runtime {
    /// Whether Lambda brings it, at `/var/lang` and `/var/runtime`.
    pub(crate) fn is_managed(&self) -> bool {
        !matches!(self, Self::Provided)
    }
}

/// Something that is unpacked to `/opt`.
#[derive(Clone, Debug)]
pub enum Layer {
    /// A directory that holds what `/opt` shall hold.
    Directory(PathBuf),
    /// An archive, as `publish-layer-version` takes it.
    Zip(PathBuf),
}

/// The credentials of the function's role. What is empty is left out of the environment.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// When they end, RFC 3339; told by the container endpoint only.
    pub expiration: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: SecretString,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: SecretString,
}

/// The user that a function's processes run as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Identity {
    /// The one that runs the host.
    Caller,
    /// Lambda's own, 993:990, or another.
    User {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Identity {
    /// The user and group of Lambda's sandbox.
    pub const LAMBDA: Self = Self::User { uid: 993, gid: 990 };
}

/// The network that a function's processes see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Network {
    /// Loopback of their own and nothing else, with the Runtime API on it; needs root, and
    /// makes processes find Lambda's paths.
    Isolated,
    /// The machine's.
    Shared,
}

/// Where a function's processes find its directories.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paths {
    /// Where Lambda has them, in a mount namespace; translated where that is not allowed.
    LambdaIfAllowed,
    /// In directories of this machine; variables that begin with Lambda's paths are translated.
    Translated,
}

/// How long each part of a shutdown may take.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
#[derive(Clone, Copy, Debug)]
pub struct ShutdownBudgets {
    /// From SIGTERM to SIGKILL of the runtime, where only external extensions are registered.
    pub runtime: Duration,
    /// The same, where an internal extension is registered.
    pub runtime_with_internal: Duration,
    /// From the start to SIGKILL of the extensions.
    pub total: Duration,
}

impl Default for ShutdownBudgets {
    fn default() -> Self {
        Self {
            runtime: Duration::from_millis(300),
            runtime_with_internal: Duration::from_millis(500),
            total: Duration::from_secs(2),
        }
    }
}
