//! The function with the layer, in an environment of the local Lambda.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use strongroom_core::settings::variables as v;
use strongroom_host::{Config, Credentials, Host, Invocation, LogLine, Shutdown, Source, What};

use super::aws::{REGION, Session};
use super::function::{Sight, Way, Wish};
use super::setup::{ROLE, SECRET};
use super::vault::{Server, free_address};
use super::{Plan, aws};

/// The name of the extension's file, and with it of the extension.
pub(crate) const EXTENSION: &str = "strongroom";
const FUNCTION_NAME: &str = "strongroom-lab";
/// As the function sees it.
const SECRET_FILE: &str = "/tmp/vault/secret.json";
/// Longer than any run: within it a cached answer does not change.
const CACHE_TTL: &str = "10m";
/// So short that every invocation has the file read again.
const REFRESH: &str = "1ms";
/// The variable in which the function finds its secret.
const VARIABLE: &str = "API_KEY";
/// The exec wrapper, as the layer has it.
const WRAPPER: &str = "/opt/strongroom/exec";
/// The default, but translated where Lambda's paths cannot be had.
const SOCKET: &str = "/tmp/.strongroom/socket";
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);

/// A directory that becomes `/opt`.
#[derive(Debug)]
pub(crate) struct Layer(PathBuf);

impl Layer {
    /// Lays `extension` and the exec wrapper out as the layer does.
    ///
    /// # Errors
    /// One of them cannot be copied.
    pub(crate) fn build(extension: &Path, exec: &Path, scratch: &Path) -> Result<Self> {
        let root = scratch.join("layer");
        for (program, directory, name) in
            [(extension, "extensions", EXTENSION), (exec, "strongroom", "exec")]
        {
            let directory = root.join(directory);
            let target = directory.join(name);
            let copied = fs::create_dir_all(directory)
                .and_then(|()| fs::copy(program, &target))
                .and_then(|_| fs::set_permissions(&target, fs::Permissions::from_mode(0o755)));
            copied.with_context(|| format!("cannot make a layer of {}", program.display()))?;
        }
        Ok(Self(root))
    }
}

/// What one environment differs in from another.
pub(crate) struct Wanted<'a> {
    pub(crate) label: &'a str,
    pub(crate) server_id: &'a str,
    pub(crate) session: Session,
}

impl<'a> Wanted<'a> {
    /// Everything as it should be.
    pub(crate) fn good(label: &'a str, server: &Server) -> Result<Self> {
        let session = session(server, aws::ROLE)?;
        Ok(Self { label, server_id: super::setup::SERVER_ID, session })
    }
}

/// The credentials of the lab's function, if it had this role.
pub(crate) fn session(server: &Server, role: &str) -> Result<Session> {
    aws::session(server.aws(), role, FUNCTION_NAME)
}

/// An environment.
#[derive(Debug)]
pub(crate) struct Environment {
    host: Host,
    label: String,
    proxy: String,
}

impl Environment {
    /// Makes one; its init begins with the first call.
    ///
    /// # Errors
    /// The local Lambda cannot be made on this machine.
    pub(crate) async fn start(plan: &Plan, server: &Server, wanted: Wanted<'_>) -> Result<Self> {
        let port = free_address()?.port();
        let proxy = format!("http://127.0.0.1:{port}");
        let Session { access_key_id, secret_access_key, session_token } = wanted.session;
        let credentials = Credentials {
            access_key_id,
            // Only the container endpoint tells it, which is not used on demand.
            expiration: String::new(),
            secret_access_key,
            session_token,
        };
        let variables = [
            (v::VLE_VAULT_ADDR, server.url()),
            // For the function's own client: the local Vault API.
            (v::VAULT_ADDR, proxy.clone()),
            (v::VAULT_AUTH_PROVIDER, "aws".to_owned()),
            (v::VAULT_AUTH_ROLE, ROLE.to_owned()),
            (v::VAULT_IAM_SERVER_ID, wanted.server_id.to_owned()),
            (v::VAULT_STS_ENDPOINT_REGION, REGION.to_owned()),
            (v::VAULT_SECRET_PATH, SECRET.to_owned()),
            (v::VAULT_SECRET_FILE, SECRET_FILE.to_owned()),
            (v::VAULT_DEFAULT_CACHE_TTL, CACHE_TTL.to_owned()),
            (v::STRONGROOM_REFRESH, REFRESH.to_owned()),
            (VARIABLE, format!("vault:{SECRET}#api-key")),
            (v::AWS_LAMBDA_EXEC_WRAPPER, WRAPPER.to_owned()),
            (v::STRONGROOM_SOCKET, SOCKET.to_owned()),
            // The same for Python, which heeds the wrapper, and for the compiled function, which does not.
            (v::STRONGROOM_WAIT, "registration".to_owned()),
            (v::STRONGROOM_PROXY_PORT, port.to_string()),
        ];
        let config = Config {
            function_name: FUNCTION_NAME.to_owned(),
            layers: vec![strongroom_host::Layer::Directory(plan.layer.0.clone())],
            region: REGION.to_owned(),
            timeout: FUNCTION_TIMEOUT,
            variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Config::new(plan.function.clone(), credentials)
        };
        let host = Host::start(config).await.context("cannot make a local Lambda environment")?;
        Ok(Self { host, label: wanted.label.to_owned(), proxy })
    }

    /// Calls the function: what it saw, and how the call went.
    ///
    /// # Errors
    /// Init or the function failed.
    pub(crate) async fn call(&self, read: &[Way]) -> Result<(Sight, Invocation)> {
        let wish = serde_json::to_string(&Wish { read: read.to_vec() })?;
        let invocation = self.host.invoke(wish).await?;
        if let Some(error_type) = &invocation.function_error {
            bail!("{}", self.explain(error_type, &invocation.payload));
        }
        let sight = serde_json::from_slice(&invocation.payload);
        Ok((sight.context("the function's answer is not what it should be")?, invocation))
    }

    /// Why a call failed, in the host's and the function's words.
    fn explain(&self, error_type: &str, payload: &[u8]) -> String {
        let body: Value = serde_json::from_slice(payload).unwrap_or_default();
        let message = body["errorMessage"].as_str().unwrap_or_default();
        let mut text = format!("the call failed with {error_type}: {message}");
        if let Some(status) = self.extension_exit() {
            text.push_str(&format!("; the extension ended with {status}"));
            let observations = self.host.observations();
            if !observations.iter().any(|seen| matches!(seen.what, What::Registered { .. })) {
                text.push_str(
                    " and had not registered; hint: its own lines, below, say why; if there are \
                     none, --extension names another program",
                );
            }
        }
        text
    }

    /// Runs init and returns the type of the failure that it must end with.
    ///
    /// # Errors
    /// It does not fail.
    pub(crate) async fn fail_to_start(&self) -> Result<String> {
        match self.host.initialize().await {
            Err(strongroom_host::HostError::Init { error_type }) => Ok(error_type),
            Err(error) => Err(error.into()),
            Ok(_) => bail!("init succeeded, and should have failed"),
        }
    }

    /// How the extension's process ended, if it did: `exit status 8`.
    pub(crate) fn extension_exit(&self) -> Option<String> {
        self.host.observations().into_iter().find_map(|seen| match seen.what {
            What::Exited { process: Source::Extension(_), status } => Some(status),
            _ => None,
        })
    }

    /// Ends it as Lambda does when it is no longer needed.
    pub(crate) async fn shut_down(&self) -> Result<Shutdown> {
        self.host.shutdown("spindown").await.context("cannot end the environment")
    }

    /// The permission bits of the secret's file, seen from outside.
    pub(crate) fn file_mode(&self) -> Result<u32> {
        let inside = SECRET_FILE.strip_prefix("/tmp/").unwrap_or(SECRET_FILE);
        let path = self.host.tmp().join(inside);
        let metadata = fs::metadata(&path);
        let metadata = metadata.with_context(|| format!("cannot look at {}", path.display()))?;
        Ok(metadata.permissions().mode() & 0o7777)
    }

    /// What its processes wrote, and whose environment it was.
    pub(crate) fn logs(&self) -> (String, Vec<LogLine>) {
        (self.label.clone(), self.host.logs())
    }

    /// What makes it less like Lambda.
    pub(crate) fn notes(&self) -> Vec<String> {
        let seen = self.host.observations().into_iter();
        seen.filter_map(|seen| match seen.what {
            What::Note(note) => Some(note),
            _ => None,
        })
        .collect()
    }

    /// The address of the local Vault API.
    pub(crate) fn proxy(&self) -> &str {
        &self.proxy
    }
}
