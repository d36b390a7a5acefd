//! Init and invocation.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::HostError;
use crate::agents::{Agents, Registration, State as AgentState};
use crate::answer::Answer;
use crate::config::{Credentials, InitializationType, Runtime};
use crate::environment::{Deadline, Environment, Fixed, Interruption, Life, epoch_ms};
use crate::invocation::{Invocation, Request, Response};
use crate::journal::{InitPhase, Source, What};
use crate::runtime::{CurrentInvocation, RuntimeProcess, State};
use crate::sandbox::MOST_EXTENSIONS;
use crate::spawner::Spec;
use crate::variables::{self, Sources, Variables};

/// How long the hooks of a runtime may take after a snapshot was restored.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(10);

impl Environment {
    /// Init before any invocation.
    pub(crate) async fn initialize_ahead(&mut self) -> Result<Duration, HostError> {
        match &self.life {
            Life::Ready { init } => return Ok(*init),
            Life::Snapshot => return Ok(Duration::ZERO),
            Life::Ended => return Err(HostError::Ended),
            Life::Unhealthy { error_type } => {
                return Err(HostError::Init { error_type: error_type.clone() });
            }
            Life::Reset { init_failed: Some(error_type) } => {
                return Err(HostError::Init { error_type: error_type.clone() });
            }
            Life::New | Life::Reset { init_failed: None } => {}
        }
        let start = Instant::now();
        let deadline = self.deadline(self.fixed.config.init_timeout);
        if let Err((error_type, _)) = self.initialize(InitPhase::Init, deadline).await {
            self.life = if self.is_managed() {
                Life::Unhealthy { error_type: error_type.clone() }
            } else {
                Life::Reset { init_failed: Some(error_type.clone()) }
            };
            return Err(HostError::Init { error_type });
        }
        let init = start.elapsed();
        self.life = Life::Ready { init };
        if self.fixed.config.initialization == InitializationType::SnapStart {
            self.freeze().await;
            self.life = Life::Snapshot;
        }
        Ok(init)
    }

    /// One invocation, on demand: init if needed, then the handler, then the extensions.
    pub(crate) async fn invoke(&mut self, request: Request) -> Result<Invocation, HostError> {
        if self.life == Life::Ended {
            return Err(HostError::Ended);
        }
        self.thaw();
        let mut init = None;
        if self.life == Life::New {
            let start = Instant::now();
            // A failure here is followed by another init within the invocation.
            drop(self.initialize_ahead().await);
            init = Some(start.elapsed());
        }
        let start = Instant::now();
        let timeout = self.fixed.config.timeout;
        let deadline = self.deadline(timeout);
        let arn = self.fixed.config.function_arn();
        let current = CurrentInvocation::new(request, epoch_ms(&self.fixed.config, timeout), &arn);
        let request_id = current.request_id.clone();
        self.observe(What::InvocationStarted { request_id: request_id.clone() });
        self.runtime.current = Some(current);

        let ended = self.run_invocation(deadline, &mut init).await;
        let duration = start.elapsed();
        self.processes.read_up().await;
        let reset = ended.as_ref().err().map(|(reason, _)| (*reason).to_owned());
        let current = self.runtime.current.take();
        let answered = current.and_then(|current| current.response);
        let (response, responded) = match (answered, ended) {
            (Some((response, at)), _) => (response, at.saturating_duration_since(start)),
            (None, Err((_, response))) => (response, duration),
            (None, Ok(())) => (self.silence(&request_id), duration),
        };
        self.observe(What::InvocationEnded {
            request_id: request_id.clone(),
            error_type: response.error_type.clone(),
        });
        if let Some(reason) = &reset {
            self.shut_down(reason).await;
            self.life = Life::Reset { init_failed: None };
        }
        Ok(Invocation {
            duration,
            function_error: response.error_type,
            init,
            payload: response.body,
            request_id,
            reset,
            responded,
        })
    }

    fn silence(&self, request_id: &str) -> Response {
        Response::failure(&self.first_failure(), request_id, "no response")
    }

    /// Everything that the function's time-out covers. The error: why to reset, what to answer.
    async fn run_invocation(
        &mut self,
        deadline: Deadline,
        init: &mut Option<Duration>,
    ) -> Result<(), (&'static str, Response)> {
        let start = Instant::now();
        if matches!(self.life, Life::Reset { .. }) {
            let result = self.initialize_within_invocation(deadline).await;
            init.get_or_insert(start.elapsed());
            result?;
        }
        if self.fixed.config.initialization == InitializationType::SnapStart
            && let Err(interruption) = self.restore().await
        {
            return Err(self.ended_early(interruption));
        }
        match self.release_and_wait(deadline).await {
            Ok(()) => Ok(()),
            Err(interruption) => Err(self.ended_early(interruption)),
        }
    }

    /// Lambda calls it suppressed init: it counts against the function's time-out.
    async fn initialize_within_invocation(
        &mut self,
        deadline: Deadline,
    ) -> Result<(), (&'static str, Response)> {
        let start = Instant::now();
        let current = self.runtime.current.take();
        self.begin_generation();
        self.runtime.current = current;
        match self.run_init(deadline).await {
            Ok(()) => {
                let after = start.elapsed();
                self.observe(What::Initialized { after, phase: InitPhase::Invoke });
                self.life = Life::Ready { init: after };
                Ok(())
            }
            Err(interruption) => {
                let error_type = self.init_failure(&interruption);
                self.observe(What::InitFailed { error_type, phase: InitPhase::Invoke });
                Err(self.ended_early(interruption))
            }
        }
    }

    async fn release_and_wait(&mut self, deadline: Deadline) -> Result<(), Interruption> {
        let Some(current) = &self.runtime.current else { return Ok(()) };
        let body = self.invoke_event(current).into();
        let event = Answer { body, ..Answer::empty(200) };
        let delivered = self.agents.release("INVOKE", || event.clone(), |agent| agent.invoke);
        for extension in delivered {
            self.observe(What::Sent { extension, event: "INVOKE".to_owned() });
        }
        self.runtime.release();
        self.until(deadline, |env| env.runtime.has_responded()).await?;
        self.until(deadline, |env| env.runtime.arrived).await?;
        self.until(deadline, |env| env.agents.all_arrived()).await
    }

    fn ended_early(&self, interruption: Interruption) -> (&'static str, Response) {
        let request_id = match &self.runtime.current {
            Some(current) => current.request_id.as_str(),
            None => "",
        };
        match interruption {
            Interruption::TimedOut => {
                let timeout = self.fixed.config.timeout;
                let now = jiff::Timestamp::now();
                ("timeout", Response::timed_out(request_id, timeout, now))
            }
            Interruption::Failed(message) => {
                let answer = Response::failure(&self.first_failure(), request_id, &message);
                ("failure", self.runtime.init_error.clone().unwrap_or(answer))
            }
        }
    }

    /// Init from nothing. On failure everything is shut down again; the error is its type
    /// and the reason that extensions were told.
    async fn initialize(
        &mut self,
        phase: InitPhase,
        deadline: Deadline,
    ) -> Result<(), (String, &'static str)> {
        let start = Instant::now();
        self.begin_generation();
        let Err(interruption) = self.run_init(deadline).await else {
            self.observe(What::Initialized { after: start.elapsed(), phase });
            return Ok(());
        };
        let error_type = self.init_failure(&interruption);
        self.observe(What::InitFailed { error_type: error_type.clone(), phase });
        let reason = interruption.reason();
        self.shut_down(reason).await;
        Err((error_type, reason))
    }

    fn init_failure(&self, interruption: &Interruption) -> String {
        match interruption {
            Interruption::Failed(_) => self.first_failure(),
            Interruption::TimedOut => "Sandbox.Timedout".to_owned(),
        }
    }

    fn begin_generation(&mut self) {
        self.generation += 1;
        self.agents = Agents::new(self.fixed.config.initialization);
        self.cancelled = None;
        self.failure = None;
        self.runtime = RuntimeProcess::default();
    }

    async fn run_init(&mut self, deadline: Deadline) -> Result<(), Interruption> {
        self.start_extensions().await?;
        self.until(deadline, |env| env.agents.all_external_registered()).await?;
        self.start_runtime().await?;
        self.until(deadline, |env| env.runtime.arrived).await?;
        self.agents.registration = Registration::Closed;
        self.until(deadline, |env| env.agents.all_arrived()).await
    }

    async fn start_extensions(&mut self) -> Result<(), Interruption> {
        let names = match self.fixed.sandbox.extensions() {
            Ok(names) => names,
            Err(error) => return Err(self.launch_failed(&error.to_string())),
        };
        for name in names {
            self.agents.add_external(&name);
            if self.agents.len() > MOST_EXTENSIONS {
                return Err(self.launch_failed("ErrTooManyExtensions"));
            }
            let program = self.fixed.roots.opt.join("extensions").join(&name);
            let variables = variables::of_extension(&self.fixed.config, &self.sources());
            let source = Source::Extension(name);
            let started = self.start(source, program.clone(), Path::new("/"), variables).await;
            if let Err(error) = started {
                return Err(self.launch_failed(&exec_message(&program, &error)));
            }
        }
        Ok(())
    }

    fn launch_failed(&mut self, message: &str) -> Interruption {
        self.fail("Extension.LaunchError");
        Interruption::Failed(message.to_owned())
    }

    async fn start_runtime(&mut self) -> Result<(), Interruption> {
        let roots = &self.fixed.roots;
        let program = match self.fixed.config.function.runtime {
            Runtime::Provided => self.provided_bootstrap(),
            Runtime::Managed { .. } | Runtime::Python { .. } => roots.runtime.join("bootstrap"),
        };
        let task = roots.task.clone();
        let variables = variables::of_runtime(&self.fixed.config, &self.sources());
        let started = self.start(Source::Function, program.clone(), &task, variables).await;
        if let Err(error) = started {
            self.fail("Runtime.InvalidEntrypoint");
            return Err(Interruption::Failed(exec_message(&program, &error)));
        }
        Ok(())
    }

    /// A layer may bring a runtime, for functions whose code has none.
    fn provided_bootstrap(&self) -> PathBuf {
        let Fixed { roots, sandbox, .. } = &self.fixed;
        let in_code = sandbox.code.join("bootstrap").exists();
        let in_layer = sandbox.opt().join("bootstrap").exists();
        if !in_code && in_layer { &roots.opt } else { &roots.task }.join("bootstrap")
    }

    async fn start(
        &mut self,
        source: Source,
        program: PathBuf,
        directory: &Path,
        variables: Variables,
    ) -> io::Result<()> {
        let config = &self.fixed.config;
        let spec = Spec {
            directory: directory.to_owned(),
            file: self.fixed.sandbox.locate(&self.fixed.roots, &program),
            identity: config.identity,
            address_space: config.address_space,
            open_files: config.open_files,
            program,
            variables,
        };
        let child = match self.fixed.spawner.spawn(spec).await {
            Ok(child) => child,
            Err(error) => {
                let reason = error.to_string();
                self.observe(What::ExecFailed { process: source, reason });
                return Err(error);
            }
        };
        self.observe(What::Started { process: source.clone() });
        let journal = Arc::clone(&self.fixed.journal);
        self.processes.watch(child, source, self.generation, journal, self.fixed.sender.clone())
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            address: self.fixed.address,
            credentials_token: &self.fixed.credentials_token,
            log_stream: &self.log_stream,
            roots: &self.fixed.roots,
        }
    }

    /// SnapStart: goes on from the snapshot before there is anything to invoke.
    pub(crate) async fn restore_ahead(
        &mut self,
        credentials: Credentials,
    ) -> Result<Duration, HostError> {
        if self.life != Life::Snapshot {
            return Err(HostError::NoSnapshot);
        }
        let start = Instant::now();
        self.credentials = credentials;
        self.thaw();
        let Err(interruption) = self.restore().await else { return Ok(start.elapsed()) };
        let error_type = self.init_failure(&interruption);
        let phase = InitPhase::Restore;
        self.observe(What::InitFailed { error_type: error_type.clone(), phase });
        self.shut_down(interruption.reason()).await;
        self.life = Life::Reset { init_failed: None };
        Err(HostError::Restore { error_type })
    }

    /// SnapStart: what follows the snapshot. A runtime without hooks has nothing to do.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks.html>
    async fn restore(&mut self) -> Result<(), Interruption> {
        if self.life == Life::Snapshot {
            self.life = Life::Ready { init: Duration::ZERO };
            self.begin_log_stream();
        }
        if self.runtime.state == State::RestoreReady {
            let start = Instant::now();
            self.runtime.restore();
            let deadline = self.deadline(RESTORE_TIMEOUT);
            self.until(deadline, |env| env.runtime.arrived).await?;
            self.observe(What::Initialized { after: start.elapsed(), phase: InitPhase::Restore });
        }
        Ok(())
    }

    /// Whether an extension that registered for SHUTDOWN is there to be told.
    pub(crate) fn awaits_shutdown(&self, name: &str) -> bool {
        self.agents.iter().any(|agent| {
            agent.external
                && agent.name == name
                && agent.shutdown
                && agent.state != AgentState::Started
        })
    }
}

/// In the words of AWS's messages (which are Go's).
fn exec_message(program: &Path, error: &io::Error) -> String {
    let reason = error.to_string().to_lowercase();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    format!("fork/exec {}: {reason}", program.display())
}
