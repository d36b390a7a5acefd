//! The extension as a process: started, watched from outside, ended.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use strongroom_lambda_api::extensions::Event;

use crate::lambda::{Call, Lambda};
use crate::server::{SECRET_PATH, Server};

/// What the extension is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// One secret file, and the proxy.
    FileAndProxy,
    /// The proxy only: it registers before the login is done.
    Proxy,
}

/// A running extension.
pub(crate) struct Extension {
    process: Child,
    lambda: Lambda,
    pub(crate) started: Instant,
    pub(crate) registered: Instant,
    pub(crate) ready: Instant,
    pub(crate) proxy: SocketAddr,
    _files: tempfile::TempDir,
}

impl Extension {
    /// Starts it and waits for its first `event/next`.
    pub(crate) fn start(
        binary: &Path,
        server: &Server,
        certificate: &Path,
        mode: Mode,
    ) -> Result<Self> {
        let lambda = Lambda::start()?;
        let files = tempfile::tempdir()?;
        let proxy = free_address()?;
        let mut command = Command::new(binary);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
            .env("AWS_LAMBDA_RUNTIME_API", lambda.address.to_string())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "example")
            .env("AWS_SESSION_TOKEN", "example")
            .env("VAULT_ADDR", format!("https://{}", server.address))
            .env("VAULT_CACERT", certificate)
            .env("VAULT_AUTH_PROVIDER", "aws")
            .env("VAULT_AUTH_ROLE", "bench")
            .env("VAULT_DEFAULT_CACHE_TTL", "10m")
            .env("VAULT_LOG_LEVEL", "OFF")
            .env("STRONGROOM_PROXY_PORT", proxy.port().to_string());
        match mode {
            Mode::FileAndProxy => {
                command.env("VAULT_SECRET_PATH", SECRET_PATH);
                command.env("VAULT_SECRET_FILE", files.path().join("secret.json"));
            }
            Mode::Proxy => {
                command.env("VAULT_RUN_MODE", "proxy");
            }
        }
        let started = Instant::now();
        let process =
            command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let registered = lambda.wait(Call::Register)?;
        let ready = lambda.wait(Call::Next)?;
        Ok(Self { process, lambda, started, registered, ready, proxy, _files: files })
    }

    /// CPU time of the process so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        // One line for each thread: nanoseconds on a processor, waiting, slices.
        let mut nanoseconds = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident and anonymous memory in kB.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id()))?;
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Ok((field("Rss:").context("no Rss")?, field("Anonymous:").context("no Anonymous")?))
    }

    /// Time from an INVOKE to the next `event/next`.
    pub(crate) fn invoke(&self) -> Result<Duration> {
        let event = Event::Invoke {
            deadline_ms: deadline_in(Duration::from_secs(30)),
            request_id: "3da1f2dc-3222-475e-9205-e2e6c6318895".into(),
            invoked_function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".into(),
            tracing: None,
        };
        let sent = self.lambda.send(&event)?;
        Ok(self.lambda.wait(Call::Next)?.saturating_duration_since(sent))
    }

    /// Time from SHUTDOWN to the process's end.
    pub(crate) fn shut_down(mut self) -> Result<Duration> {
        let event = Event::Shutdown {
            deadline_ms: deadline_in(Duration::from_secs(2)),
            shutdown_reason: "spindown".into(),
        };
        let sent = self.lambda.send(&event)?;
        let status = self.process.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(sent.elapsed())
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        // After an orderly end there is nothing left to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn deadline_in(time: Duration) -> u64 {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from((now + time).as_millis()).unwrap_or(u64::MAX)
}
