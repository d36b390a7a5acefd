//! AWS's Lambda runtime interface emulator, with AWS's own clients, in mounts and processes of its own.
//!
//! It runs where a sandbox does: the layer at `/opt`, the function at `/var/task`, its language at `/var/lang`, an empty
//! `/tmp`.
//! All of it must happen inside [`super::in_private_network`], as its ports and the extension's are fixed.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use strongroom_host::{Function, Runtime};

use super::client::{self, Answer};
use super::language::Language;
use super::moto::AccessKey;
use super::practice;
use super::process::{PATIENCE, Process};
use super::vault::Vault;

const RUNTIME_API: &str = "127.0.0.1:10080";
const INVOKE: &str = "127.0.0.1:9080";

/// Mounts what the arguments name, then becomes the emulator.
///
/// The interpreter keeps its path; where a parent of it may not be entered by others, as a home directory,
/// an empty directory takes the parent's place, because managed instances run as uid 993.
/// `/tmp` comes last, since everything that is mounted lies below it.
const ENTER: &str = r#"
set -eu
root=$1 rie=$2 task=$3 language=$4 interpreter=$5 closed=$6; shift 6
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/language /mnt/interpreter /mnt/bin /mnt/task
touch /mnt/bin/aws-lambda-rie
mount --bind "$rie" /mnt/bin/aws-lambda-rie
mount --bind "$task" /mnt/task
if [ -n "$language" ]; then
    mount --bind "$language" /mnt/language
fi
if [ -n "$closed" ]; then
    mount --bind "$interpreter" /mnt/interpreter
    mount -t tmpfs -o mode=0755 tmpfs "$closed"
    mkdir -p "$interpreter"
    mount --bind /mnt/interpreter "$interpreter"
fi
mount --bind "$root/opt" /opt
mount -t tmpfs -o mode=0755 tmpfs /var
mkdir /var/task /var/runtime
mount --bind /mnt/task /var/task
mount --bind "$root/runtime" /var/runtime
if [ -n "$language" ]; then
    mkdir /var/lang
    mount --bind /mnt/language /var/lang
fi
mount --bind "$root/tmp" /tmp
cd /var/task
exec /mnt/bin/aws-lambda-rie "$@"
"#;

/// Starts a managed runtime as Lambda's own script of this name does, the exec wrapper included.
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html>
const BOOTSTRAP: &str = r#"#!/bin/sh
cd /var/task
export LAMBDA_TASK_ROOT=/var/task PYTHONPATH=/var/task
exec $AWS_LAMBDA_EXEC_WRAPPER {COMMAND} "$_HANDLER"
"#;

/// The code of a function.
#[derive(Clone, Debug)]
pub enum Code {
    /// What its example is in this language.
    Example(Language),
    /// `app.py`, with a function `handler(event, context)`.
    Python(String),
}

impl From<Language> for Code {
    fn from(language: Language) -> Self {
        Self::Example(language)
    }
}

impl From<&str> for Code {
    fn from(source: &str) -> Self {
        Self::Python(source.to_owned())
    }
}

/// What to run under the emulator.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The function.
    pub function: Code,
    /// The exec wrapper's binary, for the layer.
    pub exec: Option<PathBuf>,
    /// The extension's binary; without one the function runs alone.
    pub extension: Option<PathBuf>,
    /// The sandbox's variables; nothing is inherited.
    pub environment: Vec<(String, String)>,
}

impl Launch {
    /// A function with the practice's variables: region, credentials, and where Vault is.
    #[must_use]
    pub fn practice(
        function: impl Into<Code>,
        extension: &Path,
        vault: &Vault,
        session: &AccessKey,
    ) -> Self {
        let mut launch = Self {
            function: function.into(),
            exec: None,
            extension: Some(extension.to_owned()),
            environment: Vec::new(),
        };
        launch.set("AWS_REGION", practice::REGION);
        launch.set("AWS_ACCESS_KEY_ID", &session.id);
        launch.set("AWS_SECRET_ACCESS_KEY", &session.secret);
        launch.set("AWS_SESSION_TOKEN", session.token.as_deref().unwrap_or_default());
        launch.set("AWS_LAMBDA_FUNCTION_NAME", practice::FUNCTION);
        launch.set("AWS_LAMBDA_FUNCTION_TIMEOUT", "10");
        launch.set("VAULT_ADDR", &vault.address);
        launch.set("VAULT_AUTH_PROVIDER", "aws");
        launch.set("VAULT_AUTH_ROLE", practice::ROLE);
        launch.set("VAULT_IAM_SERVER_ID", practice::SERVER_ID);
        launch.set("VAULT_SECRET_PATH", practice::SECRET_PATH);
        launch
    }

    /// Sets a variable of the sandbox, in the place of an earlier value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Takes a variable of the sandbox away.
    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(set, _)| set != name);
    }

    /// Lambda Managed Instances: this many invocations at once, as uid 993, initialised at start.
    pub fn managed_instances(&mut self, concurrency: u32) {
        self.set("AWS_LAMBDA_MAX_CONCURRENCY", &concurrency.to_string());
    }
}

/// A running emulator and its sandbox.
#[derive(Debug)]
pub struct Rie {
    process: Process,
    root: TempDir,
}

impl Rie {
    /// Starts the emulator; on demand, the sandbox itself starts with the first invocation.
    ///
    /// # Panics
    /// If `STRONGROOM_RIE` or what the function's language needs is not set, or it does not listen.
    #[must_use]
    pub fn start(launch: &Launch) -> Self {
        let rie = super::path("STRONGROOM_RIE");
        super::took_part(&format!("AWS Lambda RIE {}", version(&rie)));

        let root = TempDir::new().expect("a temporary directory");
        let sandbox = lay_out(root.path(), launch);
        let mut command = Command::new("unshare");
        // A process namespace, so that nothing of the sandbox outlives it.
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["sh", "-c", ENTER, "sh"]);
        command.arg(root.path()).arg(&rie).arg(&sandbox.task).arg(&sandbox.language);
        command.arg(&sandbox.interpreter);
        command.arg(closed_ancestor(&sandbox.interpreter).unwrap_or_default());
        command.args(["--runtime-api-address", RUNTIME_API]);
        command.args(["--runtime-interface-emulator-address", INVOKE]);
        command.args([sandbox.bootstrap, &sandbox.handler]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(launch.environment.iter().map(|(name, value)| (name, value)));
        let rie = Self { process: Process::start(&mut command), root };
        rie.wait_until_it_listens();
        rie
    }

    /// Invokes the function and reads the answer.
    ///
    /// # Errors
    /// If the emulator hangs up, as it does when an extension dies at start.
    pub fn invoke(&self, event: &Value) -> Result<Answer, ureq::Error> {
        let url = format!("http://{INVOKE}/2015-03-31/functions/function/invocations");
        // Without a type, managed instances hand the Python client bytes.
        let headers = [("content-type", "application/json")];
        client::request("POST", &url, &headers, event.to_string().as_bytes())
    }

    /// The sandbox's `/tmp`, as seen from outside.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// What the emulator, the function and the extension have printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Ends the environment as Lambda does, with a SHUTDOWN event, and waits for it to be gone.
    ///
    /// # Panics
    /// If it does not end within 30 seconds.
    pub fn shut_down(&mut self) -> ExitStatus {
        let children = format!("/proc/{0}/task/{0}/children", self.process.id());
        let children = fs::read_to_string(children).expect("unshare runs");
        // The emulator took the place of unshare's only child.
        let emulator = children.trim().parse().ok().and_then(Pid::from_raw);
        let emulator = emulator.unwrap_or_else(|| panic!("no emulator among {children:?}"));
        rustix::process::kill_process(emulator, Signal::TERM).expect("the emulator runs");
        self.process.wait()
    }

    fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(INVOKE).is_err() {
            assert!(Instant::now() < deadline, "no emulator; it printed:\n{}", self.output());
            // It does not say when it is ready.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What is mounted and started where.
struct Sandbox {
    bootstrap: &'static str,
    handler: String,
    /// What the language itself needs elsewhere; empty if nothing.
    interpreter: PathBuf,
    /// What becomes `/var/lang`; empty if nothing does.
    language: PathBuf,
    task: PathBuf,
}

/// Writes what the sandbox will see.
#[expect(clippy::disallowed_methods, reason = "files of a test")]
fn lay_out(root: &Path, launch: &Launch) -> Sandbox {
    for folder in ["opt/extensions", "opt/strongroom", "runtime", "task", "tmp"] {
        fs::create_dir_all(root.join(folder)).expect("a folder of the sandbox");
    }
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode can be set");
    };
    mode(&root.join("tmp"), 0o1777);
    // The extension's file name is the name that it must register with.
    let binaries =
        [("extensions/strongroom", &launch.extension), ("strongroom/exec", &launch.exec)];
    for (name, binary) in binaries {
        let Some(binary) = binary else { continue };
        let installed = root.join("opt").join(name);
        fs::copy(binary, &installed).expect("a binary of the layer");
        mode(&installed, 0o755);
    }
    let function = match &launch.function {
        Code::Example(language) => language.function(),
        Code::Python(source) => {
            fs::write(root.join("task/app.py"), source).expect("the function");
            Function { code: root.join("task"), ..Language::Python.function() }
        }
    };
    let (sandbox, command) = Sandbox::of(function);
    if let Some(command) = command {
        let script = BOOTSTRAP.replace("{COMMAND}", &command);
        fs::write(root.join("runtime/bootstrap"), script).expect("the bootstrap");
        mode(&root.join("runtime/bootstrap"), 0o755);
    }
    sandbox
}

impl Sandbox {
    /// The sandbox of a function, and the command that a managed runtime starts with.
    fn of(function: Function) -> (Self, Option<String>) {
        let mut sandbox = Self {
            bootstrap: "/var/runtime/bootstrap",
            handler: function.handler,
            interpreter: PathBuf::new(),
            language: PathBuf::new(),
            task: function.code,
        };
        let command = match function.runtime {
            Runtime::Managed { command, language, .. } => {
                sandbox.language = language;
                let words = command.iter().map(|word| format!("'{word}'"));
                Some(words.collect::<Vec<_>>().join(" "))
            }
            Runtime::Provided => {
                sandbox.bootstrap = "/var/task/bootstrap";
                None
            }
            Runtime::Python { interpreter: python } => {
                let client = super::distribution(&python, "awslambdaric");
                super::took_part(&format!("awslambdaric {client}"));
                let environment = python.ancestors().nth(2);
                let environment = environment.expect("a virtual environment has bin/python3");
                sandbox.language = environment.to_owned();
                sandbox.interpreter = interpreter(&python);
                Some("/var/lang/bin/python3 -m awslambdaric".to_owned())
            }
        };
        (sandbox, command)
    }
}

/// Where the Python of a virtual environment is really installed.
fn interpreter(python: &Path) -> PathBuf {
    let script = "import sys; print(sys.base_prefix, end='')";
    let output = Command::new(python).args(["-c", script]).output().expect("python starts");
    String::from_utf8(output.stdout).expect("a path is text").into()
}

/// The outermost parent of this path that other users may not enter.
fn closed_ancestor(path: &Path) -> Option<PathBuf> {
    let is_closed = |path: &&Path| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 == 0)
    };
    path.ancestors().filter(is_closed).last().map(Path::to_owned)
}

/// The commit in the version that Go stamps into what it builds.
fn version(rie: &Path) -> String {
    const MODULE: &[u8] = b"github.com/aws/aws-lambda-runtime-interface-emulator\tv0.0.0-";
    let binary = fs::read(rie).unwrap_or_else(|error| panic!("{}: {error}", rie.display()));
    let start = binary.windows(MODULE.len()).position(|window| window == MODULE);
    let version = start.map(|start| {
        let rest = binary[start + MODULE.len()..].iter();
        rest.take_while(|byte| byte.is_ascii_graphic()).map(|&byte| char::from(byte)).collect()
    });
    version.unwrap_or_else(|| "of unknown version".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::beds::{self, Part};

    const NEEDED: [Part; 3] = [Part::PrivateNetwork, Part::Python, Part::Rie];

    const FUNCTION: &str = "
import os
def handler(event, context):
    open('/tmp/seen', 'w').write('x')
    return {'uid': os.getuid(), 'twice': event['n'] * 2, 'tmp': sorted(os.listdir('/tmp'))}
";

    fn function_alone() -> Launch {
        let mut launch = Launch {
            function: FUNCTION.into(),
            exec: None,
            extension: None,
            environment: Vec::new(),
        };
        launch.set("AWS_LAMBDA_FUNCTION_TIMEOUT", "10");
        launch
    }

    #[test]
    fn a_python_function_answers_under_the_emulator() {
        if !beds::available("a Python function answers under RIE", &NEEDED) {
            return;
        }
        beds::in_private_network(|| {
            let mut rie = Rie::start(&function_alone());
            let answer = rie.invoke(&json!({"n": 21})).unwrap();
            assert_eq!(answer.json(), json!({"uid": 0, "twice": 42, "tmp": ["seen"]}));
            assert!(rie.tmp().join("seen").exists());
            rie.shut_down();
        });
    }

    #[test]
    fn a_python_function_answers_on_managed_instances() {
        if !beds::available("a Python function answers on RIE's managed instances", &NEEDED) {
            return;
        }
        beds::in_private_network(|| {
            let mut launch = function_alone();
            launch.managed_instances(4);
            let mut rie = Rie::start(&launch);
            let answer = rie.invoke(&json!({"n": 21})).unwrap();
            assert_eq!(answer.json(), json!({"uid": 993, "twice": 42, "tmp": ["seen"]}));
            rie.shut_down();
        });
    }
}
