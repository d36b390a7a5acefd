//! The end of an environment's processes, at a reset or for good.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown>

use std::time::{Duration, Instant};

use rustix::process::Signal;
use strongroom_lambda_api::extensions::Event;

use crate::answer::{Answer, escaped_json};
use crate::environment::{Environment, epoch_ms};
use crate::journal::{Source, What};

/// How long is waited for processes that were killed.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// How a shutdown went.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// What it took.
    pub duration: Duration,
    /// How each process that still ran ended, in order: `exit status 0`, `signal: killed`.
    pub exits: Vec<(Source, String)>,
    /// What extensions were told.
    pub reason: String,
}

impl Shutdown {
    /// How `source` ended, if it still ran.
    pub fn exit(&self, source: &Source) -> Option<&str> {
        let found = self.exits.iter().find(|(ended, _)| ended == source);
        found.map(|(_, status)| status.as_str())
    }
}

impl Environment {
    /// Ends every process: the runtime first, then the extensions.
    pub(crate) async fn shut_down(&mut self, reason: &str) -> Shutdown {
        let start = Instant::now();
        self.thaw();
        self.exits.clear();
        self.shutting_down = true;
        self.observe(What::ShutdownStarted { reason: reason.to_owned() });
        if self.agents.len() == 0 {
            self.processes.signal(&Source::Function, Signal::KILL);
        } else {
            self.end_runtime().await;
            self.end_extensions(start, reason).await;
        }
        self.processes.kill_all();
        let deadline = self.deadline(KILL_GRACE);
        // Whatever outlives this is unkillable; there is nothing else to do.
        drop(self.until(deadline, |env| env.processes.running().next().is_none()).await);
        self.processes = Default::default();
        self.shutting_down = false;
        self.cancelled = None;
        let exits = std::mem::take(&mut self.exits);
        Shutdown { duration: start.elapsed(), exits, reason: reason.to_owned() }
    }

    async fn end_runtime(&mut self) {
        self.processes.signal(&Source::Function, Signal::TERM);
        let budgets = self.fixed.config.shutdown;
        let internal = self.agents.iter().any(|agent| !agent.external);
        let budget = if internal { budgets.runtime_with_internal } else { budgets.runtime };
        let deadline = self.deadline(budget);
        let ended = |env: &Self| !env.processes.is_running(&Source::Function);
        if self.until(deadline, ended).await.is_err() {
            self.processes.signal(&Source::Function, Signal::KILL);
        }
    }

    async fn end_extensions(&mut self, start: Instant, reason: &str) {
        let total = self.fixed.config.shutdown.total;
        let left = total.saturating_sub(start.elapsed());
        let event = escaped_json(&Event::Shutdown {
            deadline_ms: epoch_ms(&self.fixed.config, left),
            shutdown_reason: reason.to_owned(),
        });
        // Without the content type of JSON: AWS's server guesses at the bytes.
        let answer = Answer::text(200, &event);
        let delivered = self.agents.release(
            "SHUTDOWN",
            || answer.clone(),
            |agent| agent.external && agent.shutdown,
        );
        for extension in delivered {
            self.observe(What::Sent { extension, event: "SHUTDOWN".to_owned() });
        }
        for process in self.processes.running() {
            if let Source::Extension(name) = &process.source
                && !self.awaits_shutdown(name)
            {
                self.processes.signal(&process.source, Signal::KILL);
            }
        }
        let deadline = self.deadline(left);
        let ended =
            |env: &Self| env.processes.running().all(|process| process.source == Source::Function);
        // Those that are late are killed by the caller.
        drop(self.until(deadline, ended).await);
    }
}
