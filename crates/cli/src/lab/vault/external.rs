//! A Vault in a process of its own: the `vault` command in development mode, or the harness of
//! the test bed, which is Vault's core with other arguments.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::api::Api;

/// How long `--help` may take; a cold `vault` binary of 400 MB is slow to load.
const HELP_PATIENCE: Duration = Duration::from_secs(20);
/// How long a Vault may take to be ready.
const START_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Which Vault the practice uses.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `strongroom-devvault`, in this process.
    Embedded,
    /// A program of its own.
    External(Program),
}

/// A program that is a Vault.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    flavor: Flavor,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug)]
enum Flavor {
    /// HashiCorp's or OpenBao's command: `vault server -dev`.
    Command,
    /// The test bed's: `-addr`, `-root`, and a line when it is ready.
    Harness,
}

impl Kind {
    /// Finds out, by its help, what `program` is; embedded if there is none.
    ///
    /// # Errors
    /// It does not run, does not end, or is neither.
    pub(crate) async fn detect(program: Option<&Path>) -> Result<Self> {
        let Some(path) = program else { return Ok(Self::Embedded) };
        let shown = path.display();
        let path = std::path::absolute(path).with_context(|| format!("{shown} is no path"))?;
        let output =
            Command::new(&path).arg("--help").stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(HELP_PATIENCE, output)
            .await
            .with_context(|| format!("{shown} --help did not end within {HELP_PATIENCE:?}"))?
            .with_context(|| format!("cannot run {shown} (of --vault)"))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let flavor = if said.contains("-addr") && said.contains("-root") {
            Flavor::Harness
        } else if said.contains("<command>") && said.contains("server") {
            Flavor::Command
        } else {
            bail!(
                "{shown} is no Vault: its --help names neither `server` nor `-addr` and `-root`; \
                 hint: give --vault the `vault` binary, or leave it out for the embedded one"
            );
        };
        Ok(Self::External(Program { flavor, path }))
    }

    pub(super) fn external(&self) -> Option<&Program> {
        match self {
            Self::Embedded => None,
            Self::External(program) => Some(program),
        }
    }
}

/// A running one; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    audit_file: PathBuf,
    _child: Child,
    path: PathBuf,
    root_token: SecretString,
    url: String,
}

impl Process {
    pub(super) async fn start(
        program: &Program,
        root_token: SecretString,
        scratch: &Path,
    ) -> Result<Self> {
        let log = scratch.join("vault.log");
        let shown = program.path.display();
        let started = match program.flavor {
            Flavor::Harness => start_harness(program, &root_token, &log).await,
            Flavor::Command => start_command(program, &root_token, &log, scratch).await,
        };
        let (child, url) = started.with_context(|| {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(5).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            format!("cannot start {shown}; its last words: {}", last.join(" | "))
        })?;
        Ok(Self {
            audit_file: scratch.join("audit.log"),
            _child: child,
            path: program.path.clone(),
            root_token,
            url,
        })
    }

    pub(super) fn audit_file(&self) -> &Path {
        &self.audit_file
    }

    pub(super) fn notice(&self) -> String {
        let shown = self.path.display();
        format!("{shown} at {}: everything is in memory and gone when it stops", self.url)
    }

    pub(super) fn root_token(&self) -> &SecretString {
        &self.root_token
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

async fn start_harness(
    program: &Program,
    root_token: &SecretString,
    log: &Path,
) -> Result<(Child, String)> {
    let mut child = Command::new(&program.path)
        // Listed: the harness takes its token so; it is worth something in this run only.
        .args(["-addr", "127.0.0.1:0", "-root", root_token.expose_secret()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().context("its output is not piped")?;
    let address = tokio::time::timeout(START_PATIENCE, address_of(stdout))
        .await
        .with_context(|| format!("it was not ready within {START_PATIENCE:?}"))??;
    Ok((child, format!("http://{address}")))
}

/// The address in the line `ready addr=HOST:PORT ...`; what follows is read and forgotten.
async fn address_of(stdout: ChildStdout) -> Result<SocketAddr> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        let Some(rest) = line.strip_prefix("ready addr=") else { continue };
        let address = rest.split(' ').next().unwrap_or_default();
        let address = address.parse().with_context(|| format!("no address in {line:?}"))?;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return Ok(address);
    }
    bail!("it ended before it was ready")
}

async fn start_command(
    program: &Program,
    root_token: &SecretString,
    log: &Path,
    scratch: &Path,
) -> Result<(Child, String)> {
    let address = free_address()?;
    let log = File::create(log)?;
    let mut child = Command::new(&program.path)
        .args(["server", "-dev", "-dev-no-store-token"])
        .arg(format!("-dev-listen-address={address}"))
        // Listed: in the environment, which other users cannot read, rather than an argument.
        .env("VAULT_DEV_ROOT_TOKEN_ID", root_token.expose_secret())
        .env("BAO_DEV_ROOT_TOKEN_ID", root_token.expose_secret())
        .env("HOME", scratch)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    let url = format!("http://{address}");
    let api = Api::new(&url);
    let ready = async {
        while api.health().await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::select! {
        () = ready => Ok((child, url)),
        status = child.wait() => bail!("it ended with {}", status?),
        () = tokio::time::sleep(START_PATIENCE) => {
            bail!("it was not ready within {START_PATIENCE:?}")
        }
    }
}

/// Free when asked: whoever binds next may in theory be another, and then the start fails.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    Ok(listener.local_addr()?)
}
