//! An AWS account and a Vault with nothing in them but an administrator each, and the command line that sets them up.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_host::{Config, Function, Host, Layer, Runtime};
use tempfile::TempDir;

use super::practice::credentials;
use super::{Environment, free_port, install};
use crate::beds::{self, AccessKey, EmptyAccount, ROOT_TOKEN, Vault, practice};

/// The account, the Vault and a directory with a settings file.
#[derive(Debug)]
pub struct Site {
    /// moto.
    pub account: EmptyAccount,
    /// Real Vault, with a secret and nothing else.
    pub vault: Vault,
    directory: TempDir,
    environment: BTreeMap<String, String>,
}

impl Site {
    /// Starts both; the secret is the practice's.
    ///
    /// # Panics
    /// If something cannot be started.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Vault::start())
    }

    /// The same with a Vault that was started in some other way, and has nothing in it.
    ///
    /// # Panics
    /// If something cannot be started.
    #[must_use]
    pub fn with(vault: Vault) -> Self {
        let account = EmptyAccount::start();
        vault.write("sys/mounts/kv/data/test", &json!({"type": "kv", "options": {"version": "2"}}));
        vault.write_secret(practice::SECRET_VALUE);
        let directory = TempDir::new().expect("a temporary directory");
        let home = directory.path().display().to_string();
        let environment = [
            ("AWS_ACCESS_KEY_ID", account.administrator.id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", &account.administrator.secret),
            ("AWS_ENDPOINT_URL", &account.address),
            ("AWS_REGION", practice::REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("HOME", &home),
            ("PATH", "/usr/bin:/bin"),
            ("VAULT_TOKEN", ROOT_TOKEN),
        ];
        let environment =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { account, vault, directory, environment }
    }

    /// Sets a variable of the command line's.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Has the command line ask AWS with this key.
    pub fn act_as(&mut self, key: &AccessKey) {
        self.set("AWS_ACCESS_KEY_ID", &key.id);
        self.set("AWS_SECRET_ACCESS_KEY", &key.secret);
    }

    /// Where a file of this site is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of this site.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: &str) {
        #[expect(clippy::disallowed_methods, reason = "a settings file holds no secret")]
        fs::write(self.path(name), content).expect("a file can be written");
    }

    /// Writes a function's package: a zip with one file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write_package(&self, name: &str) {
        let mut zip = zip::ZipWriter::new(fs::File::create(self.path(name)).expect("a file"));
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("app.py", options).expect("a file in a zip");
        zip.write_all(b"def handler(event, context):\n    return event\n").expect("its content");
        zip.finish().expect("a zip");
    }

    /// Writes the layer's zip, with the built binaries.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write_layer(&self, name: &str) {
        let mut zip = zip::ZipWriter::new(fs::File::create(self.path(name)).expect("a file"));
        let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
        for (name, program) in
            [("extensions/strongroom", beds::extension()), ("strongroom/exec", beds::exec())]
        {
            zip.start_file(name, options).expect("a file in a zip");
            let content = fs::read(program).expect("a program can be read");
            zip.write_all(&content).expect("its content");
        }
        zip.finish().expect("a zip");
    }

    /// Runs `strongroom` in the site's directory.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(&beds::command_line()).args(arguments))
    }

    /// A program in the site's directory, with nothing but the site's variables.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path());
        command.env_clear().envs(&self.environment).stdin(std::process::Stdio::null());
        command
    }

    /// The directory of settings and packages.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What Vault has that setup may change.
    ///
    /// # Panics
    /// If Vault does not answer.
    #[must_use]
    pub fn content_of_vault(&self) -> Value {
        let list =
            |path: &str| self.vault.request("LIST", path, ROOT_TOKEN, None).json()["data"].clone();
        let read = |path: &str| self.vault.read(path)["data"].clone();
        json!({
            "auth": read("sys/auth"),
            "mounts": read("sys/mounts"),
            "policies": list("sys/policies/acl"),
            "config": self.vault.request("GET", "auth/aws/config/client", ROOT_TOKEN, None).json()["data"],
            "roles": list("auth/aws/role"),
        })
    }

    /// The configuration of a function, as Lambda has it.
    #[must_use]
    pub fn function(&self, name: &str) -> Value {
        let path = format!("/2015-03-31/functions/{name}");
        self.account.lambda("GET", &path, None)["Configuration"].clone()
    }

    /// An environment of the local Lambda for a function with this configuration: with exactly the role and the variables
    /// that Lambda has, the layer, and `program` as its code.
    ///
    /// # Panics
    /// If it is none.
    pub async fn environment_of(&self, configuration: &Value, program: &Path) -> Environment {
        let port = free_port();
        let extension = format!("strongroom-{port}");
        let layer = self.path(&format!("layer-{port}"));
        install(&beds::extension(), &layer.join("extensions").join(&extension));
        install(program, &self.path("task/bootstrap"));
        let layer = Layer::Directory(layer);
        let (task, runtime) = (self.path("task"), Runtime::Provided);
        self.start(configuration, task, runtime, layer, (extension, port)).await
    }

    /// The same with the Python function `app.py` of this source, and with the layer in this zip.
    ///
    /// # Panics
    /// If it is none.
    pub async fn python_environment(
        &self,
        configuration: &Value,
        source: &str,
        layer: &str,
    ) -> Environment {
        fs::create_dir_all(self.path("task")).expect("a directory can be made");
        self.write("task/app.py", source);
        let runtime = Runtime::Python { interpreter: beds::python() };
        let (task, layer) = (self.path("task"), Layer::Zip(self.path(layer)));
        let extension = ("strongroom".to_owned(), free_port());
        self.start(configuration, task, runtime, layer, extension).await
    }

    async fn start(
        &self,
        configuration: &Value,
        code: PathBuf,
        runtime: Runtime,
        layer: Layer,
        (extension, port): (String, u16),
    ) -> Environment {
        let text = |key: &str| configuration[key].as_str().expect("Lambda says so").to_owned();
        let function = Function { code, handler: text("Handler"), runtime };
        let session = self.account.session_of(&text("Role"), &text("FunctionName"));
        let mut config = Config::new(function, credentials(&session));
        config.function_name = text("FunctionName");
        config.layers.push(layer);
        practice::REGION.clone_into(&mut config.region);
        let timeout = configuration["Timeout"].as_u64().expect("Lambda says so");
        config.timeout = Duration::from_secs(timeout);
        let variables = configuration["Environment"]["Variables"].as_object();
        for (name, value) in variables.into_iter().flatten() {
            let value = value.as_str().expect("a variable is text");
            config.variables.insert(name.clone(), value.to_owned());
        }
        // Other tests run at once.
        config.variables.insert("STRONGROOM_PROXY_PORT".to_owned(), port.to_string());
        let host = Host::start(config).await.expect("an environment can be made");
        Environment { extension, host, port }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

/// What a run of the command line, or of another program, came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it said beside.
    pub err: String,
}

impl Run {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("a program can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: status.code(), out: text(&stdout), err: text(&stderr) }
    }

    /// Itself, if it exited with 0.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn good(self) -> Self {
        self.exits_with(0)
    }

    /// Itself, if it exited with this code.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }
}
