//! The extension as a process: started, watched from outside, ended.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use strongroom_lambda_api::extensions::Event;

use crate::lambda::{Call, Lambda};
use crate::server::{LEASED_PATH, PASSWORD_REFERENCE, SECRET_PATH, Server};

/// What the extension is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// One secret file, for which it registers late, and the proxy.
    File,
    /// The same, and at each INVOKE the file is too old.
    FileAlwaysDue,
    /// One secret file and three references in variables, for which the exec wrapper waits, and the
    /// proxy.
    FileAndVariables,
    /// The proxy only: it registers before the login is done.
    Proxy,
    /// Two files, one of them leased, that are due again and again, and the proxy, whose answers are held for
    /// a moment.
    Soak,
    /// One reference in a variable, and the proxy.
    Variable,
}

impl Mode {
    fn variables(self, files: &Path) -> Vec<(&'static str, OsString)> {
        let file = || {
            let path = files.join("secret.json");
            [("VAULT_SECRET_PATH", SECRET_PATH.into()), ("VAULT_SECRET_FILE", path.into())]
        };
        // In a directory that the extension makes, as in life.
        let socket = || ("STRONGROOM_SOCKET", files.join("own/socket").into());
        match self {
            Self::File => file().into(),
            Self::FileAlwaysDue => [&file()[..], &[("STRONGROOM_REFRESH", "1ms".into())]].concat(),
            Self::FileAndVariables => {
                let more = [
                    socket(),
                    ("STRONGROOM_WAIT", "wrapper".into()),
                    ("DATABASE_PASSWORD", PASSWORD_REFERENCE.into()),
                    ("DATABASE_URL", "postgres://${vault:kv/data/app#username}@db/app".into()),
                    ("SIGNING_KEY", "vault:kv/data/other#password".into()),
                ];
                [&file()[..], &more].concat()
            }
            Self::Proxy => vec![("VAULT_RUN_MODE", "proxy".into())],
            Self::Soak => {
                let leased = files.join("leased.json");
                let more = [
                    ("VAULT_SECRET_PATH_DB", LEASED_PATH.into()),
                    ("VAULT_SECRET_FILE_DB", leased.into()),
                    ("STRONGROOM_REFRESH", "1s".into()),
                    ("VAULT_DEFAULT_CACHE_TTL", "500ms".into()),
                    ("VAULT_TOKEN_EXPIRY_GRACE_PERIOD", "200ms".into()),
                ];
                [&file()[..], &more].concat()
            }
            Self::Variable => {
                vec![socket(), ("DATABASE_PASSWORD", PASSWORD_REFERENCE.into())]
            }
        }
    }
}

/// A running extension.
pub(crate) struct Extension {
    process: Child,
    lambda: Lambda,
    /// The function's variables, which extension and program share.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) started: Instant,
    pub(crate) registered: Instant,
    pub(crate) proxy: SocketAddr,
    _files: tempfile::TempDir,
}

impl Extension {
    /// Starts it and waits until it registers.
    pub(crate) fn register(binary: &Path, server: &Server, mode: Mode) -> Result<Self> {
        let lambda = Lambda::start()?;
        let files = tempfile::tempdir()?;
        let proxy = free_address()?;
        let mut environment = vec![
            ("AWS_LAMBDA_RUNTIME_API", lambda.address.to_string().into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".into()),
            ("AWS_SECRET_ACCESS_KEY", "example".into()),
            ("AWS_SESSION_TOKEN", "example".into()),
            ("VAULT_ADDR", format!("https://{}", server.address).into()),
            ("VAULT_CACERT", server.certificate.clone().into()),
            ("VAULT_AUTH_PROVIDER", "aws".into()),
            ("VAULT_AUTH_ROLE", "bench".into()),
            ("VAULT_DEFAULT_CACHE_TTL", "10m".into()),
            ("VAULT_LOG_LEVEL", "OFF".into()),
            ("STRONGROOM_PROXY_PORT", proxy.port().to_string().into()),
        ];
        environment.extend(mode.variables(files.path()));
        let mut command = Command::new(binary);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let started = Instant::now();
        let process =
            command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let registered = lambda.wait(Call::Register)?;
        Ok(Self { process, lambda, environment, started, registered, proxy, _files: files })
    }

    /// Starts it and waits for its first `event/next`.
    pub(crate) fn start(binary: &Path, server: &Server, mode: Mode) -> Result<(Self, Instant)> {
        let extension = Self::register(binary, server, mode)?;
        let ready = extension.ready()?;
        Ok((extension, ready))
    }

    /// When it asks for its first event.
    pub(crate) fn ready(&self) -> Result<Instant> {
        self.lambda.wait(Call::Next)
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
