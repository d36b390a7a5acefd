//! Starts and seeds the real parts that `cargo xtask test` has installed, and ends them with the test.
//!
//! A test first asks [`available`] for what it needs and returns if that is not there:
//!
//! ```no_run
//! use strongroom_tests::beds::{self, Moto, Part, Vault};
//!
//! if !beds::available("the role logs in", &[Part::Moto, Part::Vault]) {
//!     return;
//! }
//! let moto = Moto::start();
//! let vault = Vault::start();
//! vault.set_up_practice(&moto);
//! ```
//!
//! Everything here panics when a part does not do what it should: there is no test without it.

mod audit;
mod authority;
mod client;
mod jwt;
mod language;
mod moto;
mod network;
mod postgres;
mod process;
mod rie;
mod vault;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use audit::Audit;
pub use authority::{Authority, Certified};
pub use client::{Answer, request};
pub use jwt::JwtIssuer;
pub use language::{Language, examples, java, node};
pub use moto::{AccessKey, EmptyAccount, Moto, shared_moto};
pub use network::in_private_network;
pub use postgres::Postgres;
pub use process::Process;
pub use rie::{Code, Launch, Rie};
pub use vault::{ROOT_TOKEN, Vault};

/// The names that the practice uses: what a function, its role and its secret are called.
pub mod practice {
    /// The account that moto plays.
    pub const ACCOUNT: &str = "123456789012";
    /// The function, and so the session name of its credentials.
    pub const FUNCTION: &str = "my-function";
    /// The region that Vault's AWS auth and the function agree on.
    pub const REGION: &str = "us-east-1";
    /// The IAM role, and the Vault role of the same name that is bound to it.
    pub const ROLE: &str = "lambda-role";
    /// An IAM role that Vault knows nothing of.
    pub const UNBOUND_ROLE: &str = "unbound-role";
    /// The path of the secret, as in `VAULT_SECRET_PATH`: a KV v2 mount at `kv/data/test`.
    pub const SECRET_PATH: &str = "kv/data/test/data/lambda";
    /// The key in the secret.
    pub const SECRET_KEY: &str = "api-key";
    /// The value in the secret.
    pub const SECRET_VALUE: &str = "ABCDEFG9876";
    /// An IAM role that the function's session may assume, with [`EXTERNAL_ID`].
    pub const ASSUMED_ROLE: &str = "secrets-role";
    /// An IAM role that Vault's own user may assume to look roles up.
    pub const LOOKUP_ROLE: &str = "vault-lookup";
    /// What must be said when [`ASSUMED_ROLE`] is assumed.
    pub const EXTERNAL_ID: &str = "of-the-practice";
    /// What `VAULT_IAM_SERVER_ID` must be.
    pub const SERVER_ID: &str = "vault.example";
}

/// What a test may need, each named to the tests by a variable or found on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The published layer for arm64: `STRONGROOM_LAYER_ARM64`.
    Arm64Layer,
    /// AWS's own command line: `STRONGROOM_AWS_CLI`.
    AwsCli,
    /// A Python with the schemas of `CycloneDX`: `STRONGROOM_CYCLONEDX`.
    CycloneDx,
    /// cfn-lint: `STRONGROOM_CFN_LINT`.
    CfnLint,
    /// The built command line: `STRONGROOM_CLI`.
    CommandLine,
    /// The built extension: `STRONGROOM_EXTENSION`.
    Extension,
    /// The built example in Go: `STRONGROOM_GO_EXAMPLE`.
    GoExample,
    /// Java with AWS's runtime interface client: `STRONGROOM_JAVA`.
    Java,
    /// The built example in Java: `STRONGROOM_JAVA_EXAMPLE`.
    JavaExample,
    /// The published layer for this machine's processor: `STRONGROOM_LAYER`.
    Layer,
    /// `moto_server`: `STRONGROOM_MOTO`.
    Moto,
    /// Node with AWS's runtime interface client and node-vault: `STRONGROOM_NODE`.
    Node,
    /// PostgreSQL, as Debian installs it, and root to run it as its own user.
    Postgres,
    /// The right and the tools to make a network of one's own, for [`in_private_network`].
    PrivateNetwork,
    /// A static program that prints its variable `DATABASE_PASSWORD`: `STRONGROOM_PROGRAM`.
    Program,
    /// A Python with awslambdaric and hvac: `STRONGROOM_PYTHON`.
    Python,
    /// qemu, which runs programs for arm64 on other processors: `STRONGROOM_QEMU`.
    Qemu,
    /// AWS's Lambda runtime interface emulator: `STRONGROOM_RIE`.
    Rie,
    /// The built example in Rust: `STRONGROOM_RUST_EXAMPLE`.
    RustExample,
    /// What Terraform's providers say of their resources: `STRONGROOM_TERRAFORM_SCHEMAS`.
    TerraformSchemas,
    /// The real Vault of `beds/vault`: `STRONGROOM_VAULT`.
    Vault,
    /// The built exec wrapper: `STRONGROOM_EXEC`.
    Wrapper,
}

impl Part {
    /// Why this part cannot take part, if it cannot.
    fn missing(self) -> Option<String> {
        let variable = match self {
            Self::Postgres => return postgres::missing(),
            Self::PrivateNetwork => return network::missing(),
            Self::Arm64Layer => "STRONGROOM_LAYER_ARM64",
            Self::AwsCli => "STRONGROOM_AWS_CLI",
            Self::CfnLint => "STRONGROOM_CFN_LINT",
            Self::CommandLine => "STRONGROOM_CLI",
            Self::CycloneDx => "STRONGROOM_CYCLONEDX",
            Self::Extension => "STRONGROOM_EXTENSION",
            Self::GoExample => "STRONGROOM_GO_EXAMPLE",
            Self::Java => "STRONGROOM_JAVA",
            Self::JavaExample => "STRONGROOM_JAVA_EXAMPLE",
            Self::Layer => "STRONGROOM_LAYER",
            Self::Moto => "STRONGROOM_MOTO",
            Self::Node => "STRONGROOM_NODE",
            Self::Program => "STRONGROOM_PROGRAM",
            Self::Python => "STRONGROOM_PYTHON",
            Self::Qemu => "STRONGROOM_QEMU",
            Self::Rie => "STRONGROOM_RIE",
            Self::RustExample => "STRONGROOM_RUST_EXAMPLE",
            Self::TerraformSchemas => "STRONGROOM_TERRAFORM_SCHEMAS",
            Self::Vault => "STRONGROOM_VAULT",
            Self::Wrapper => "STRONGROOM_EXEC",
        };
        std::env::var_os(variable).is_none().then(|| format!("{variable} is not set"))
    }
}

/// Whether all of these parts can take part.
/// If not, says why on standard error and in the file that `STRONGROOM_SKIPPED` names;
/// `test` is what the test is called there.
#[must_use]
pub fn available(test: &str, parts: &[Part]) -> bool {
    let missing: Vec<String> = parts.iter().filter_map(|part| part.missing()).collect();
    if missing.is_empty() {
        return true;
    }
    let line = format!("{test}: {}", missing.join(", "));
    #[expect(clippy::print_stderr, reason = "for who runs cargo test by hand")]
    {
        eprintln!("SKIPPED: {line}");
    }
    note("STRONGROOM_SKIPPED", &line);
    false
}

/// The path of AWS's own command line.
///
/// # Panics
/// If `STRONGROOM_AWS_CLI` is not set.
#[must_use]
pub fn aws_cli() -> PathBuf {
    let program = path("STRONGROOM_AWS_CLI");
    took_part(&format!("AWS CLI {}", distribution(&program.with_file_name("python3"), "awscli")));
    program
}

/// The path of cfn-lint's program.
///
/// # Panics
/// If `STRONGROOM_CFN_LINT` is not set.
#[must_use]
pub fn cfn_lint() -> PathBuf {
    let program = path("STRONGROOM_CFN_LINT");
    let python = program.with_file_name("python3");
    took_part(&format!("cfn-lint {}", distribution(&python, "cfn-lint")));
    program
}

/// The path of the built command line.
///
/// # Panics
/// If `STRONGROOM_CLI` is not set.
#[must_use]
pub fn command_line() -> PathBuf {
    path("STRONGROOM_CLI")
}

/// The path of the built extension.
///
/// # Panics
/// If `STRONGROOM_EXTENSION` is not set.
#[must_use]
pub fn extension() -> PathBuf {
    path("STRONGROOM_EXTENSION")
}

/// The path of the built exec wrapper.
///
/// # Panics
/// If `STRONGROOM_EXEC` is not set.
#[must_use]
pub fn exec() -> PathBuf {
    path("STRONGROOM_EXEC")
}

/// The zip of the layer for this machine's processor.
///
/// # Panics
/// If `STRONGROOM_LAYER` is not set.
#[must_use]
pub fn layer() -> PathBuf {
    path("STRONGROOM_LAYER")
}

/// The zip of the layer for arm64.
///
/// # Panics
/// If `STRONGROOM_LAYER_ARM64` is not set.
#[must_use]
pub fn arm64_layer() -> PathBuf {
    path("STRONGROOM_LAYER_ARM64")
}

/// The path of a static program that prints its variable `DATABASE_PASSWORD`.
///
/// # Panics
/// If `STRONGROOM_PROGRAM` is not set.
#[must_use]
pub fn program() -> PathBuf {
    path("STRONGROOM_PROGRAM")
}

/// The path of qemu, which runs programs for arm64 here.
///
/// # Panics
/// If `STRONGROOM_QEMU` is not set, or it does not say its version.
#[must_use]
pub fn qemu() -> PathBuf {
    let qemu = path("STRONGROOM_QEMU");
    let version = Command::new(&qemu).arg("--version").output().expect("qemu starts");
    let version = String::from_utf8_lossy(&version.stdout);
    let number = version.split_whitespace().nth(2).expect("qemu says its version");
    took_part(&format!("qemu {number}"));
    qemu
}

/// The path of a Python that has the schemas of `CycloneDX`.
///
/// # Panics
/// If `STRONGROOM_CYCLONEDX` is not set, or the package is not in it.
#[must_use]
pub fn cyclonedx() -> PathBuf {
    let python = path("STRONGROOM_CYCLONEDX");
    let version = distribution(&python, "cyclonedx-python-lib");
    took_part(&format!("cyclonedx-python-lib {version}"));
    python
}

/// The path of a Python that has awslambdaric and hvac.
///
/// # Panics
/// If `STRONGROOM_PYTHON` is not set, or hvac is not in it.
#[must_use]
pub fn python() -> PathBuf {
    let python = path("STRONGROOM_PYTHON");
    took_part(&format!("hvac {}", distribution(&python, "hvac")));
    python
}

/// What Terraform's providers say of the resources that we write: of each its attributes, which of them may be left out,
/// and the same of its blocks.
///
/// # Panics
/// If `STRONGROOM_TERRAFORM_SCHEMAS` is not set.
#[must_use]
pub fn terraform_schemas() -> serde_json::Value {
    let file = path("STRONGROOM_TERRAFORM_SCHEMAS");
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    took_part("the schemas of Terraform's providers aws 6.25 and vault 5.6");
    serde_json::from_str(&text).expect("JSON")
}

/// Notes that a real part took part in the run, with its version, for the report of `cargo xtask test`.
pub fn took_part(what: &str) {
    note("STRONGROOM_TOOK_PART", what);
}

/// Appends a line to the file that the variable names, if it is set.
fn note(variable: &str, line: &str) {
    let Some(path) = std::env::var_os(variable) else { return };
    let file = File::options().create(true).append(true).open(&path);
    // One write, so that lines of tests that run side by side do not mix.
    file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        .unwrap_or_else(|error| panic!("cannot append to {}: {error}", path.display()));
}

fn path(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set")).into()
}

/// The version of a package that this Python has.
fn distribution(python: &Path, name: &str) -> String {
    let script = format!("import importlib.metadata as m; print(m.version('{name}'), end='')");
    let output = Command::new(python).args(["-c", &script]).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    assert!(output.status.success(), "{} has no {name}", python.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}
