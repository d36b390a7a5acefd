//! The sample function that the layer is attached to: Python, or compiled where there is none.

pub(crate) mod compiled;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use strongroom_host::{Function, Runtime};

const HANDLER: &str = include_str!("function/handler.py");
/// On `provided` nobody but the bootstrap heeds the variable.
const BOOTSTRAP: &str = "#!/bin/sh\nexec \"$AWS_LAMBDA_EXEC_WRAPPER\" ./app\n";
/// How long an interpreter may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(20);
/// Prints the versions of Python and of AWS's runtime interface client.
const WHAT_ARE_YOU: &str = "import sys, importlib.metadata as m; print('python%d.%d' % sys.version_info[:2], 'awslambdaric', m.version('awslambdaric'))";

/// Which function runs.
#[derive(Clone, Debug)]
pub(crate) enum Sample {
    /// This very program, as `provided` runs it.
    Compiled,
    /// A Python handler, called by AWS's own runtime interface client.
    Python { interpreter: PathBuf, version: String },
}

/// A way in which the function can read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    /// Through the local Vault API, which may answer from its cache.
    Cached,
    /// From the file.
    File,
    /// Through the local Vault API.
    Proxy,
    /// The token that the extension holds, through the local Vault API.
    Token,
    /// From a variable.
    Variable,
}

/// The event.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Wish {
    pub(crate) read: Vec<Way>,
}

/// What the function answers: what it read in the ways it was asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Sight {
    pub(crate) cached: Option<SecretString>,
    pub(crate) file: Option<SecretString>,
    pub(crate) file_mode: Option<String>,
    pub(crate) proxy: Option<SecretString>,
    pub(crate) token: Option<SecretString>,
    pub(crate) variable: Option<SecretString>,
}

impl Sample {
    /// Python if an interpreter is given, or else the compiled function.
    ///
    /// # Errors
    /// The interpreter does not run, or lacks `awslambdaric`.
    pub(crate) async fn choose(python: Option<&Path>) -> Result<Self> {
        let Some(python) = python else { return Ok(Self::Compiled) };
        let shown = python.display();
        let output = tokio::process::Command::new(python)
            .args(["-c", WHAT_ARE_YOU])
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .with_context(|| format!("{shown} did not answer within {PATIENCE:?}"))?
            .with_context(|| format!("cannot run the Python interpreter {shown}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{shown} has no awslambdaric ({}); hint: python3 -m venv V && V/bin/pip install \
                 awslambdaric, then --python V/bin/python, or leave --python out",
                said.lines().last().unwrap_or("it said nothing")
            );
        }
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Self::Python { interpreter: python.to_owned(), version })
    }

    /// What runs, in a few words.
    pub(crate) fn runtime(&self) -> String {
        match self {
            Self::Compiled => "provided (compiled sample function)".to_owned(),
            Self::Python { version, .. } => version.clone(),
        }
    }

    /// What to say at the start.
    pub(crate) fn introduction(&self) -> String {
        match self {
            Self::Compiled => {
                "no Python runtime was given (--python): a compiled sample function runs in its place"
                    .to_owned()
            }
            Self::Python { version, .. } => format!("the function runs on {version}"),
        }
    }

    /// Lays the code out in `directory`, which is empty.
    pub(crate) fn install(&self, directory: &Path) -> Result<Function> {
        let failed = || format!("cannot write the sample function to {}", directory.display());
        let (handler, runtime) = match self {
            Self::Compiled => {
                let program = std::env::current_exe().with_context(failed)?;
                fs::copy(program, directory.join(compiled::NAME)).with_context(failed)?;
                let bootstrap = directory.join("bootstrap");
                #[expect(clippy::disallowed_methods, reason = "code of a sample, no secret")]
                fs::write(&bootstrap, BOOTSTRAP).with_context(failed)?;
                for program in [directory.join(compiled::NAME), bootstrap] {
                    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
                        .with_context(failed)?;
                }
                ("bootstrap", Runtime::Provided)
            }
            Self::Python { interpreter, .. } => {
                #[expect(clippy::disallowed_methods, reason = "code of a sample, no secret")]
                fs::write(directory.join("app.py"), HANDLER).with_context(failed)?;
                ("app.handler", Runtime::Python { interpreter: interpreter.clone() })
            }
        };
        Ok(Function { code: directory.to_owned(), handler: handler.to_owned(), runtime })
    }
}
