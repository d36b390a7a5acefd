//! The practice on real parts: HashiCorp Vault and moto, with the extension under the local Lambda of `host`.
//!
//! Calls of real Vault wait and hold their thread, so its tests run on the multi-threaded runtime.

use std::fs;
use std::path::Path;
use std::time::Duration;

use strongroom_host::{Config, Credentials, Function, Layer, Runtime};
use tempfile::TempDir;

use super::{Environment, free_port, install};
use crate::beds::{self, AccessKey, Audit, Authority, Certified, Moto, Vault, practice};

/// Everything that is there before the environment starts.
#[derive(Debug)]
pub struct Practice {
    /// What has reached Vault.
    pub audit: Audit,
    /// What Lambda is told: the function, its layer and variables.
    pub config: Config,
    /// Vault, with the practice set up.
    pub vault: Vault,
    extension: String,
    port: u16,
    _directories: [TempDir; 2],
}

impl Practice {
    /// The practice with `program` as the function's `bootstrap`.
    ///
    /// # Panics
    /// If something cannot be set up.
    #[must_use]
    pub fn new(program: &Path, moto: &Moto) -> Self {
        let code = TempDir::new().expect("a temporary directory");
        install(program, &code.path().join("bootstrap"));
        Self::of_function(code, Runtime::Provided, moto, start_vault(), &beds::extension())
    }

    /// The same on a Vault that the caller has started.
    ///
    /// # Panics
    /// As [`Practice::new`].
    #[must_use]
    pub fn on(vault: Vault, program: &Path, moto: &Moto) -> Self {
        let code = TempDir::new().expect("a temporary directory");
        install(program, &code.path().join("bootstrap"));
        Self::of_function(code, Runtime::Provided, moto, vault, &beds::extension())
    }

    /// The same by TLS, with a certificate for `127.0.0.1` of an authority that nobody knows.
    ///
    /// # Panics
    /// As [`Practice::new`].
    #[must_use]
    pub fn over_tls(program: &Path, moto: &Moto) -> Self {
        Self::over_tls_with(&beds::extension(), program, moto)
    }

    /// The same with another extension than the one that tests are told of.
    ///
    /// # Panics
    /// As [`Practice::new`].
    #[must_use]
    pub fn over_tls_with(extension: &Path, program: &Path, moto: &Moto) -> Self {
        let code = TempDir::new().expect("a temporary directory");
        install(program, &code.path().join("bootstrap"));
        let authority = Authority::new();
        let Certified { certificate, key } = authority.server("127.0.0.1");
        let address = format!("127.0.0.1:{}", free_port());
        let vault = Vault::start_with_tls(&address, &certificate, &key, &authority.pem);
        let mut practice = Self::of_function(code, Runtime::Provided, moto, vault, extension);
        practice.set("VAULT_CACERT_BYTES", &authority.pem);
        practice
    }

    /// The practice with a Python function, `handler` of this source.
    ///
    /// # Panics
    /// As [`Practice::new`].
    #[must_use]
    pub fn of_python(source: &str, moto: &Moto) -> Self {
        let code = TempDir::new().expect("a temporary directory");
        #[expect(clippy::disallowed_methods, reason = "a test's function, no secret")]
        fs::write(code.path().join("app.py"), source).expect("the function");
        let runtime = Runtime::Python { interpreter: beds::python() };
        Self::of_function(code, runtime, moto, start_vault(), &beds::extension())
    }

    fn of_function(
        code: TempDir,
        runtime: Runtime,
        moto: &Moto,
        vault: Vault,
        program: &Path,
    ) -> Self {
        vault.set_up_practice(moto);
        let port = free_port();
        // Its file's name is how the extension's process is told from those of other tests.
        let extension = format!("strongroom-{port}");
        let layer = TempDir::new().expect("a temporary directory");
        fs::create_dir(layer.path().join("extensions")).expect("a directory of the layer");
        install(program, &layer.path().join("extensions").join(&extension));

        let handler = "app.handler".to_owned();
        let function = Function { code: code.path().to_owned(), handler, runtime };
        let mut config = Config::new(function, credentials(&moto.session));
        practice::FUNCTION.clone_into(&mut config.function_name);
        config.layers.push(Layer::Directory(layer.path().to_owned()));
        practice::REGION.clone_into(&mut config.region);
        config.timeout = Duration::from_secs(20);
        let audit = Audit::of(&vault);
        let directories = [code, layer];
        let mut practice =
            Self { audit, config, vault, extension, port, _directories: directories };
        let address = practice.vault.address.clone();
        for (name, value) in [
            ("STRONGROOM_PROXY_PORT", port.to_string().as_str()),
            ("VAULT_ADDR", &address),
            ("VAULT_AUTH_PROVIDER", "aws"),
            ("VAULT_AUTH_ROLE", practice::ROLE),
            ("VAULT_IAM_SERVER_ID", practice::SERVER_ID),
            ("VAULT_LOG_LEVEL", "DEBUG"),
            ("VAULT_SECRET_PATH", practice::SECRET_PATH),
        ] {
            practice.set(name, value);
        }
        practice
    }

    /// Sets a variable of the function.
    pub fn set(&mut self, name: &str, value: &str) {
        self.config.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Takes a variable of the function away.
    pub fn unset(&mut self, name: &str) {
        self.config.variables.remove(name);
    }

    /// Gives the function other credentials.
    pub fn act_as(&mut self, key: &AccessKey) {
        self.config.credentials = credentials(key);
    }

    /// Makes the environment; init begins when it is asked for.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn start(&self) -> Environment {
        let host = strongroom_host::Host::start(self.config.clone()).await;
        let host = host.expect("an environment can be made");
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

    /// Makes the environment, whose init is to fail: with the extension's exit status and everything printed.
    ///
    /// # Panics
    /// If init goes well.
    pub async fn failure(&self) -> (String, String) {
        let environment = self.start().await;
        let status = environment.init_failure().await;
        (status, environment.log())
    }
}

/// Real Vault on a port that no other process is given by chance, so that it can come back where it was.
fn start_vault() -> Vault {
    Vault::start_on(&format!("127.0.0.1:{}", free_port()))
}

/// What the local Lambda gives the function.
pub(super) fn credentials(key: &AccessKey) -> Credentials {
    Credentials {
        access_key_id: key.id.clone(),
        // Only the container endpoint tells it, which is not used on demand.
        expiration: String::new(),
        secret_access_key: key.secret.clone().into(),
        session_token: key.token.clone().unwrap_or_default().into(),
    }
}
