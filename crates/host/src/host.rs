//! The handle on an environment that the rest of the program holds.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::config::{Config, Credentials};
use crate::environment::{Command, Environment, Event, Fixed};
use crate::invocation::{Invocation, Request};
use crate::journal::{Journal, LogLine, Observation, What};
use crate::sandbox::Sandbox;
use crate::shutdown::Shutdown;
use crate::spawner::{self, Wanted};
use crate::{api, bootstrap};

/// How many events or commands may wait to be handled.
const QUEUE: usize = 64;

/// Why the host could not do what it was asked for. A function that fails is no such reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A directory or file of the environment could not be made or read.
    #[error("cannot use {what} for the environment")]
    Directory {
        /// Which one.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The environment was shut down, or its task has ended.
    #[error("the environment has ended")]
    Ended,
    /// Init failed; the observations say how.
    #[error("init failed with {error_type}")]
    Init {
        /// For example `Extension.Crash`.
        error_type: String,
    },
    /// There is no virtual environment's interpreter at that path.
    #[error("{0} is no `bin/python` of a virtual environment")]
    Interpreter(PathBuf),
    /// A layer could not be unpacked.
    #[error("cannot unpack layer {path}")]
    Layer {
        /// The layer.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no snapshot: init of SnapStart has not ended well, or it was restored before.
    #[error("there is no snapshot to restore")]
    NoSnapshot,
    /// The Runtime API could not listen.
    #[error("cannot serve the Runtime API")]
    Listen(#[source] io::Error),
    /// The namespaces that the configuration demands are not allowed here.
    #[error("cannot make the environment's namespaces")]
    Namespace(#[source] io::Error),
    /// A runtime hook of a snapshot that was restored failed, or took too long.
    #[error("restoring the snapshot failed with {error_type}")]
    Restore {
        /// For example `Runtime.ExitError`.
        error_type: String,
    },
    /// Managed Instances: a failure after which Lambda would use another environment.
    #[error("the environment is unhealthy after {error_type}")]
    Unhealthy {
        /// For example `Extension.Crash`.
        error_type: String,
    },
}

/// A running environment. Dropping it kills its processes and removes its directories.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
    environment: JoinHandle<()>,
    events: mpsc::Sender<Event>,
    journal: Arc<Journal>,
    opt: PathBuf,
    server: JoinHandle<()>,
    tmp: PathBuf,
}

impl Host {
    /// Makes an environment. Init begins at once, or on demand with the first invocation.
    ///
    /// Call it within a Tokio runtime with I/O and time enabled.
    ///
    /// # Errors
    /// What the environment is made of cannot be used. That init fails is not an error here:
    /// see [`Host::initialize`].
    pub async fn start(config: Config) -> Result<Self, HostError> {
        let journal = Arc::new(Journal::new());
        let sandbox = Sandbox::create(&config)?;
        let wanted =
            Wanted { network: config.network, paths: config.paths, tmp_bytes: config.tmp_bytes };
        let ready = spawner::start(&sandbox, wanted).await?;
        let namespace = ready.namespace.is_ok();
        if let Err(reason) = &ready.namespace {
            journal.add(What::Note(format!(
                "no mount namespace ({reason}): processes see directories of this machine in \
                 place of Lambda's"
            )));
        }
        let roots = sandbox.roots(namespace);
        bootstrap::write(&config.function.runtime, &sandbox, &roots, namespace)?;
        let tmp = ready.tmp().unwrap_or_else(|| sandbox.tmp());
        let address = ready.listener.local_addr().map_err(HostError::Listen)?;
        let listener = TcpListener::from_std(ready.listener).map_err(HostError::Listen)?;
        let (events, received) = mpsc::channel(QUEUE);
        let (commands, ordered) = mpsc::channel(QUEUE);
        let opt = sandbox.opt();
        let server = tokio::spawn(api::serve(listener, Arc::clone(&journal), events.clone()));
        let fixed = Fixed {
            address,
            config,
            credentials_token: uuid::Uuid::new_v4().to_string(),
            journal: Arc::clone(&journal),
            roots,
            sandbox,
            sender: events.clone(),
            spawner: ready.spawner,
        };
        let environment = tokio::spawn(Environment::new(fixed, received).run(ordered));
        Ok(Self { address, commands, environment, events, journal, opt, server, tmp })
    }

    /// Runs init now if it has not run, and waits for it; returns what it took.
    ///
    /// With SnapStart it returns when the snapshot is taken: every process stands still.
    ///
    /// # Errors
    /// [`HostError::Init`]: it failed. The next invocation tries again, as with Lambda.
    pub async fn initialize(&self) -> Result<Duration, HostError> {
        self.command(Command::Initialize).await?
    }

    /// Calls the function. Calls queue up, one at a time, except on Managed Instances.
    ///
    /// # Errors
    /// The environment has ended or is beyond repair. A function that fails is an
    /// [`Invocation`] with a `function_error`.
    pub async fn invoke(&self, request: impl Into<Request>) -> Result<Invocation, HostError> {
        let request = request.into();
        self.command(|reply| Command::Invoke(request, reply)).await?
    }

    /// Stops every process, as Lambda does between invocations, and returns when they stand
    /// still. The next invocation lets them go on. Deadlines do not advance meanwhile.
    ///
    /// # Errors
    /// The environment has ended.
    pub async fn freeze(&self) -> Result<(), HostError> {
        self.event(Event::Freeze).await
    }

    /// Lets processes go on; returns how long they stood still, zero if they did not.
    ///
    /// # Errors
    /// The environment has ended.
    pub async fn thaw(&self) -> Result<Duration, HostError> {
        self.event(Event::Thaw).await
    }

    /// SnapStart: makes the environment go on from its snapshot, with the credentials of a new
    /// one, and returns how long the runtime took to be ready, its restore hooks included.
    ///
    /// No invocation begins: until [`Host::invoke`], processes run and extensions have had no
    /// event. An invocation that finds a snapshot restores it by itself, with the credentials
    /// that are there. What is real about it, and what is not, is said in the [crate](crate#snapstart).
    ///
    /// # Errors
    /// [`HostError::NoSnapshot`]; or [`HostError::Restore`], after which everything was shut down
    /// and the next invocation begins with init.
    pub async fn restore(&self, credentials: Credentials) -> Result<Duration, HostError> {
        self.command(|reply| Command::Restore(credentials, reply)).await?
    }

    /// Replaces what the credentials endpoint of SnapStart answers.
    ///
    /// # Errors
    /// The environment has ended.
    pub async fn replace_credentials(&self, credentials: Credentials) -> Result<(), HostError> {
        let event = Event::Credentials(credentials);
        self.events.send(event).await.map_err(|_| HostError::Ended)
    }

    /// Has init or the invocation that is under way fail now, and every one that is asked for
    /// later: for who wants to end the environment without waiting for them.
    ///
    /// # Errors
    /// The environment has ended.
    pub async fn interrupt(&self) -> Result<(), HostError> {
        self.events.send(Event::Interrupt).await.map_err(|_| HostError::Ended)
    }

    /// Ends the environment for good. Lambda's reason is `spindown`.
    ///
    /// # Errors
    /// The environment's task has ended.
    pub async fn shutdown(&self, reason: &str) -> Result<Shutdown, HostError> {
        let reason = reason.to_owned();
        self.command(|reply| Command::Shutdown(reason, reply)).await
    }

    /// Everything that happened so far, in order.
    pub fn observations(&self) -> Vec<Observation> {
        self.journal.all()
    }

    /// Waits until `wanted` has been observed, in the past or from now on.
    ///
    /// It waits for ever: put a time-out around it.
    pub async fn observed(&self, wanted: impl Fn(&What) -> bool) -> Observation {
        self.journal.find(wanted).await
    }

    /// Hands over every observation that was not taken before; no other call tells of them then. The
    /// environment keeps all others for as long as it lives.
    pub fn take_observations(&self) -> Vec<Observation> {
        self.journal.take()
    }

    /// Every line that processes wrote so far.
    pub fn logs(&self) -> Vec<LogLine> {
        let lines = self.journal.all().into_iter();
        lines
            .filter_map(|observation| match observation.what {
                What::Line(line) => Some(line),
                _ => None,
            })
            .collect()
    }

    /// Where the Runtime and Extensions APIs listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory that holds `/opt`.
    pub fn opt(&self) -> &Path {
        &self.opt
    }

    /// The directory that holds `/tmp`. It is kept at resets and goes with the host.
    pub fn tmp(&self) -> &Path {
        &self.tmp
    }

    async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, HostError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| HostError::Ended)?;
        answer.await.map_err(|_| HostError::Ended)
    }

    async fn event<T>(
        &self,
        event: impl FnOnce(oneshot::Sender<T>) -> Event,
    ) -> Result<T, HostError> {
        let (reply, answer) = oneshot::channel();
        self.events.send(event(reply)).await.map_err(|_| HostError::Ended)?;
        answer.await.map_err(|_| HostError::Ended)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.environment.abort();
        self.server.abort();
    }
}
