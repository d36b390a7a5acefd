//! The functions of `examples/`, each with what runs it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use strongroom_host::{Function, Runtime};

use super::Part;

/// A language that there is an example for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With `aws-lambda-go`, on `provided.al2023`.
    Go,
    /// With AWS's client for Java.
    Java,
    /// With AWS's client for Node.
    Node,
    /// With AWS's client for Python.
    Python,
    /// With `lambda_runtime`, on `provided.al2023`.
    Rust,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Go, Self::Java, Self::Node, Self::Python, Self::Rust];

    /// The folder of its example, below `examples`.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Java => "java",
            Self::Node => "node",
            Self::Python => "python",
            Self::Rust => "rust",
        }
    }

    /// What must be there to run its example.
    #[must_use]
    pub fn parts(self) -> &'static [Part] {
        match self {
            Self::Go => &[Part::GoExample],
            Self::Java => &[Part::Java, Part::JavaExample],
            Self::Node => &[Part::Node],
            Self::Python => &[Part::Python],
            Self::Rust => &[Part::RustExample],
        }
    }

    /// The example, as Lambda has it unpacked at `/var/task`, and what runs it.
    ///
    /// # Panics
    /// If one of its [parts](Self::parts) is missing.
    #[must_use]
    pub fn function(self) -> Function {
        let (code, handler, runtime) = match self {
            Self::Go => (super::path("STRONGROOM_GO_EXAMPLE"), "bootstrap", Runtime::Provided),
            Self::Java => {
                (super::path("STRONGROOM_JAVA_EXAMPLE"), "example.App::handle", java_runtime())
            }
            Self::Node => (examples().join("node/src"), "app.handler", node_runtime()),
            Self::Python => {
                let runtime = Runtime::Python { interpreter: super::path("STRONGROOM_PYTHON") };
                (examples().join("python/src"), "app.handler", runtime)
            }
            Self::Rust => (super::path("STRONGROOM_RUST_EXAMPLE"), "bootstrap", Runtime::Provided),
        };
        Function { code, handler: handler.to_owned(), runtime }
    }
}

/// Where the examples lie.
#[must_use]
pub fn examples() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    workspace.expect("this crate lies in the workspace").join("examples")
}

/// Node with AWS's client, as `beds/node` installs them.
///
/// # Panics
/// If `STRONGROOM_NODE` is not set.
#[must_use]
pub fn node() -> PathBuf {
    super::path("STRONGROOM_NODE")
}

/// Java with AWS's client, as `beds/java` installs them.
///
/// # Panics
/// If `STRONGROOM_JAVA` is not set.
#[must_use]
pub fn java() -> PathBuf {
    super::path("STRONGROOM_JAVA")
}

fn node_runtime() -> Runtime {
    let client = "/var/lang/node_modules/aws-lambda-ric/index.mjs";
    let runtime = managed("nodejs22.x", &node(), &["/var/lang/bin/node", client]);
    let package = language_of(&node()).join("node_modules/aws-lambda-ric/package.json");
    let package = fs::read_to_string(package).expect("AWS's client is beside Node");
    let package: Value = serde_json::from_str(&package).expect("a package says what it is");
    super::took_part(&format!("aws-lambda-ric {}", package["version"].as_str().unwrap_or("?")));
    runtime
}

/// The path of classes is Lambda's: code, then its `lib`. The options make it start faster, as Lambda's do.
/// <https://docs.aws.amazon.com/lambda/latest/dg/java-package.html>
fn java_runtime() -> Runtime {
    let command = [
        "/var/lang/bin/java",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        "/var/lang/lib/*:/var/task:/var/task/lib/*",
        "com.amazonaws.services.lambda.runtime.api.client.AWSLambda",
    ];
    const CLIENT: &str = "aws-lambda-java-runtime-interface-client";
    let jars = fs::read_dir(language_of(&java()).join("lib")).expect("AWS's client is beside Java");
    let mut names = jars.filter_map(|jar| jar.ok()?.file_name().into_string().ok());
    let name = names.find(|name| name.starts_with(CLIENT)).expect("AWS's client");
    super::took_part(&name.trim_end_matches(".jar").replacen("-client-", "-client ", 1));
    managed("java17", &java(), &command)
}

fn managed(name: &str, interpreter: &Path, command: &[&str]) -> Runtime {
    Runtime::Managed {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        language: language_of(interpreter).to_owned(),
        name: name.to_owned(),
    }
}

/// The folder that becomes `/var/lang`.
fn language_of(interpreter: &Path) -> &Path {
    interpreter.ancestors().nth(2).expect("an interpreter lies in bin")
}
