//! The environment: one task that owns every state and handles every event.
//!
//! Its phases (init, invocation, shutdown) are straight lines of code that wait with
//! [`Environment::until`], which goes on handling events meanwhile. Each mirrors one of AWS's:
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator/blob/main/internal/lambda/rapid/handlers.go>

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::HostError;
use crate::agents::Agents;
use crate::answer::{Reply, escaped_json};
use crate::api::Call;
use crate::config::{Config, Credentials, InitializationType};
use crate::invocation::{Invocation, Request};
use crate::journal::{Journal, Source, What};
use crate::managed::Managed;
use crate::process::{Processes, describe};
use crate::runtime::{CurrentInvocation, RuntimeProcess};
use crate::sandbox::{Roots, Sandbox};
use crate::shutdown::Shutdown;
use crate::spawner::Spawner;

/// What the environment is told by its processes and by its owner at any time.
#[derive(Debug)]
pub(crate) enum Event {
    Call { call: Call, reply: Reply },
    Credentials(Credentials),
    Exited { generation: u64, source: Source, status: ExitStatus },
    Freeze(oneshot::Sender<()>),
    Interrupt,
    Thaw(oneshot::Sender<Duration>),
}

/// What the owner asks for, one after the other.
#[derive(Debug)]
pub(crate) enum Command {
    Initialize(oneshot::Sender<Result<Duration, HostError>>),
    Invoke(Request, oneshot::Sender<Result<Invocation, HostError>>),
    Restore(Credentials, oneshot::Sender<Result<Duration, HostError>>),
    Shutdown(String, oneshot::Sender<Shutdown>),
}

/// How far the environment has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Life {
    /// Nothing was started yet.
    New,
    /// Init failed, with this type, or an invocation did; the next one begins with init.
    Reset { init_failed: Option<String> },
    /// SnapStart: init is done, the snapshot is taken.
    Snapshot,
    /// It waits for invocations.
    Ready { init: Duration },
    /// Managed Instances: a failure that Lambda answers with another environment.
    Unhealthy { error_type: String },
    /// It was shut down for good.
    Ended,
}

/// Why a wait came to nothing.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// A process ended, or one could not be started.
    Failed(String),
    TimedOut,
}

impl Interruption {
    /// What extensions are told.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failure",
            Self::TimedOut => "timeout",
        }
    }
}

/// A point in time that moves while processes are frozen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    frozen_before: Duration,
}

/// What does not change in the environment's life.
pub(crate) struct Fixed {
    pub(crate) address: SocketAddr,
    pub(crate) config: Config,
    pub(crate) credentials_token: String,
    pub(crate) journal: Arc<Journal>,
    pub(crate) roots: Roots,
    pub(crate) sandbox: Sandbox,
    pub(crate) sender: mpsc::Sender<Event>,
    pub(crate) spawner: Spawner,
}

pub(crate) struct Environment {
    /// First, because fields are dropped in order: who still runs would write into directories
    /// that are being removed.
    pub(crate) processes: Processes,
    pub(crate) agents: Agents,
    /// Why what is under way cannot go on, in the words of the caller's message.
    pub(crate) cancelled: Option<String>,
    pub(crate) credentials: Credentials,
    events: mpsc::Receiver<Event>,
    /// How processes ended since the last shutdown began.
    pub(crate) exits: Vec<(Source, String)>,
    /// The type of the first failure since the last reset.
    pub(crate) failure: Option<String>,
    pub(crate) fixed: Fixed,
    frozen: Option<Instant>,
    frozen_total: Duration,
    pub(crate) generation: u64,
    /// Whether the owner waits for nothing more than the end.
    interrupted: bool,
    pub(crate) life: Life,
    /// Where Lambda would write the output of processes to.
    pub(crate) log_stream: String,
    pub(crate) managed: Managed,
    pub(crate) runtime: RuntimeProcess,
    pub(crate) shutting_down: bool,
}

impl Environment {
    pub(crate) fn new(fixed: Fixed, events: mpsc::Receiver<Event>) -> Self {
        Self {
            agents: Agents::new(fixed.config.initialization),
            cancelled: None,
            credentials: fixed.config.credentials.clone(),
            events,
            exits: Vec::new(),
            failure: None,
            fixed,
            frozen: None,
            frozen_total: Duration::ZERO,
            generation: 0,
            interrupted: false,
            life: Life::New,
            log_stream: String::new(),
            managed: Managed::default(),
            processes: Processes::default(),
            runtime: RuntimeProcess::default(),
            shutting_down: false,
        }
    }

    /// Lives until the owner's handle is gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.begin_log_stream();
        if self.fixed.config.initialization != InitializationType::OnDemand {
            // What came of it is in the journal and in what the first command gets.
            drop(self.initialize_ahead().await);
        }
        loop {
            let overdue = self.managed.next_deadline();
            tokio::select! {
                Some(event) = self.events.recv() => self.handle(event).await,
                command = commands.recv() => match command {
                    Some(command) => self.execute(command).await,
                    None => return,
                },
                () = sleep_until(overdue) => self.time_out_managed(),
            }
            self.note_unhealthy();
        }
    }

    async fn execute(&mut self, command: Command) {
        match command {
            Command::Initialize(reply) => drop(reply.send(self.initialize_ahead().await)),
            Command::Invoke(request, reply) if self.is_managed() => {
                self.invoke_managed(request, reply);
            }
            Command::Invoke(request, reply) => drop(reply.send(self.invoke(request).await)),
            Command::Restore(credentials, reply) => {
                drop(reply.send(self.restore_ahead(credentials).await));
            }
            Command::Shutdown(reason, reply) => {
                let shutdown = self.shut_down(&reason).await;
                self.life = Life::Ended;
                self.fail_managed("Runtime.Unavailable", "the environment was shut down");
                drop(reply.send(shutdown));
            }
        }
    }

    pub(crate) fn is_managed(&self) -> bool {
        self.fixed.config.initialization == InitializationType::ManagedInstances
    }

    /// Handles events until `done`, a failure, or the deadline.
    pub(crate) async fn until(
        &mut self,
        deadline: Deadline,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), Interruption> {
        loop {
            // What arrived just before a freeze has no effect before the thaw.
            let frozen = self.frozen.is_some();
            if !frozen && done(self) {
                return Ok(());
            }
            if let Some(message) = &self.cancelled
                && !self.shutting_down
            {
                return Err(Interruption::Failed(message.clone()));
            }
            if self.interrupted && !self.shutting_down {
                return Err(Interruption::Failed("interrupted".to_owned()));
            }
            let end = (!frozen).then(|| self.instant(deadline));
            tokio::select! {
                Some(event) = self.events.recv() => self.handle(event).await,
                () = sleep_until(end) => return Err(Interruption::TimedOut),
            }
        }
    }

    pub(crate) fn deadline(&self, after: Duration) -> Deadline {
        Deadline { at: Instant::now() + after, frozen_before: self.frozen_total }
    }

    fn instant(&self, deadline: Deadline) -> Instant {
        deadline.at + self.frozen_total.saturating_sub(deadline.frozen_before)
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Call { call, reply } => self.call(call, reply),
            Event::Credentials(credentials) => self.credentials = credentials,
            Event::Exited { generation, source, status } => {
                if generation == self.generation {
                    self.exited(source, status);
                }
            }
            Event::Freeze(reply) => {
                // A shutdown does not wait for anybody's thaw.
                if !self.shutting_down {
                    self.freeze().await;
                }
                let _gone = reply.send(());
            }
            Event::Interrupt => self.interrupted = true,
            Event::Thaw(reply) => drop(reply.send(self.thaw())),
        }
    }

    fn exited(&mut self, source: Source, status: ExitStatus) {
        self.processes.mark_ended(&source);
        let described = describe(status);
        self.observe(What::Exited { process: source.clone(), status: described.clone() });
        if self.shutting_down {
            self.exits.push((source, described));
            return;
        }
        let (error_type, message) = match source {
            Source::Function if status.success() => {
                ("Runtime.ExitError", "Runtime exited without providing a reason".to_owned())
            }
            Source::Function => {
                ("Runtime.ExitError", format!("Runtime exited with error: {described}"))
            }
            Source::Extension(_) if status.success() => {
                ("Extension.Crash", "exit code 0".to_owned())
            }
            Source::Extension(_) => ("Extension.Crash", described),
        };
        self.fail(error_type);
        self.cancelled.get_or_insert(message);
    }

    /// Notes a failure; the first one decides.
    pub(crate) fn fail(&mut self, error_type: &str) {
        if self.failure.is_none() {
            self.failure = Some(error_type.to_owned());
            self.observe(What::Failed { error_type: error_type.to_owned() });
        }
    }

    pub(crate) fn first_failure(&self) -> String {
        self.failure.clone().unwrap_or_else(|| "Sandbox.Failure".to_owned())
    }

    /// One environment writes to one stream, and so does each that is restored from a snapshot.
    pub(crate) fn begin_log_stream(&mut self) {
        let (day, id) = (jiff::Timestamp::now().strftime("%Y/%m/%d/"), uuid::Uuid::new_v4());
        self.log_stream = format!("{day}[$LATEST]{}", id.simple());
        self.observe(What::LogStream { name: self.log_stream.clone() });
    }

    pub(crate) fn observe(&self, what: What) {
        self.fixed.journal.add(what);
    }

    pub(crate) async fn freeze(&mut self) {
        if self.frozen.is_none() {
            self.processes.stop().await;
            self.frozen = Some(Instant::now());
            self.observe(What::Frozen);
        }
    }

    /// Lets processes go on; returns how long they stood still.
    pub(crate) fn thaw(&mut self) -> Duration {
        let Some(since) = self.frozen.take() else { return Duration::ZERO };
        self.processes.resume();
        let gap = since.elapsed();
        self.frozen_total += gap;
        self.observe(What::Thawed { gap });
        gap
    }

    /// The event that starts the current invocation, for extensions.
    pub(crate) fn invoke_event(&self, current: &CurrentInvocation) -> String {
        use strongroom_lambda_api::extensions::{Event, Tracing};
        escaped_json(&Event::Invoke {
            deadline_ms: current.deadline_ms,
            request_id: current.request_id.clone(),
            invoked_function_arn: self.fixed.config.function_arn(),
            tracing: current
                .request
                .trace_id
                .clone()
                .map(|value| Tracing { kind: "X-Amzn-Trace-Id".to_owned(), value }),
        })
    }
}

/// Milliseconds since the Unix epoch by Lambda's clock, `after` from now.
pub(crate) fn epoch_ms(config: &Config, after: Duration) -> u64 {
    let offset = config.clock_offset.load(Ordering::Relaxed);
    let now = jiff::Timestamp::now().as_millisecond().saturating_add(offset);
    u64::try_from(now).unwrap_or_default()
        + u64::try_from(after.as_millis()).unwrap_or(u64::MAX / 2)
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}
