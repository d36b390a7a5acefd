//! The environment that events run in: made when it is needed, followed while something goes on in it, and replaced
//! when what it was made of has changed or its credentials end.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use serde_json::Value;
use strongroom_host::{Host, Invocation, LogLine, Observation, Request, What};
use tempfile::TempDir;

use super::changes::Snapshot;
use super::console::Console;
use super::plan::{Made, Plan};
use super::waterfall::Waterfall;

/// One at a time, as one holds the ports that its extensions listen on.
#[derive(Debug)]
pub(super) struct Environments<'a> {
    console: &'a Console,
    current: Option<Environment>,
    plan: &'a Plan<'a>,
}

#[derive(Debug)]
struct Environment {
    /// When its credentials would not last for an event any more.
    ends: Option<SystemTime>,
    host: Host,
    made_of: Snapshot,
    /// What happened since the last invocation.
    seen: Vec<Observation>,
    /// What was unpacked for it.
    _scratch: TempDir,
}

/// How an invocation went.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) invocation: Invocation,
    /// What was written meanwhile.
    pub(super) log: Vec<LogLine>,
    /// What the function is told it has, in MB.
    pub(super) memory: u32,
    /// If processes were started for it.
    pub(super) start: Option<Waterfall>,
}

impl Outcome {
    /// The failure, in words, if it failed.
    pub(super) fn failure(&self) -> Option<String> {
        let kind = self.invocation.function_error.as_ref()?;
        let body: Value = serde_json::from_slice(&self.invocation.payload).unwrap_or_default();
        let message = body["errorMessage"].as_str().unwrap_or("it gave no message");
        // The type that the language has for it says more than Lambda's.
        let kind = body["errorType"].as_str().unwrap_or(kind);
        Some(format!("{kind}: {message}"))
    }
}

impl<'a> Environments<'a> {
    pub(super) fn new(plan: &'a Plan<'a>, console: &'a Console) -> Self {
        Self { console, current: None, plan }
    }

    pub(super) fn console(&self) -> &'a Console {
        self.console
    }

    /// Runs an event, in a new environment if there is none that would do.
    ///
    /// # Errors
    /// No environment can be made.
    pub(super) async fn invoke(&mut self, request: Request) -> Result<Outcome> {
        let state = self.plan.look();
        if let Some(reason) = self.outdated(&state) {
            self.console.say(&reason);
            self.end().await;
        }
        let environment = match &mut self.current {
            Some(environment) => environment,
            None => {
                let made = self.plan.environment().await?;
                let (timeout, now) = (self.plan.timeout(), SystemTime::now());
                let ends = made.expires.map(|expires| last_start(expires, timeout, now));
                self.current.insert(Environment::start(made, ends, state, self.console).await?)
            }
        };
        let invoked = environment.invoke(request, self.plan.memory(), self.console).await;
        if invoked.is_err() {
            self.current = None;
        }
        invoked
    }

    /// Stops every process until the next invocation, as Lambda does.
    pub(super) async fn freeze(&mut self) {
        if let Some(environment) = &self.current {
            // One that has ended stands still already.
            drop(environment.host.freeze().await);
        }
    }

    /// Ends the environment: extensions are told, and given the time that Lambda gives them.
    pub(super) async fn end(&mut self) {
        let Some(environment) = &mut self.current else { return };
        let Environment { host, seen, .. } = environment;
        let end = async {
            drop(host.interrupt().await);
            host.shutdown("spindown").await
        };
        // It has ended already, or it ends as it is dropped.
        drop(follow(host, seen, self.console, end).await);
        self.current = None;
    }

    /// Why the environment would not do for another event.
    fn outdated(&self, state: &Snapshot) -> Option<String> {
        let environment = self.current.as_ref()?;
        if let Some(path) = environment.made_of.difference(state) {
            return Some(format!("{} has changed: a new environment", path.display()));
        }
        let over = environment.ends.is_some_and(|ends| ends < SystemTime::now());
        over.then(|| "the credentials end: a new environment".to_owned())
    }
}

impl Environment {
    async fn start(
        made: Made,
        ends: Option<SystemTime>,
        made_of: Snapshot,
        console: &Console,
    ) -> Result<Self> {
        let Made { config, scratch, .. } = made;
        let host = Host::start(config)
            .await
            .map_err(|error| anyhow::anyhow!("{}", strongroom_vault::error::chain(&error)));
        let host = host.context("cannot make an environment")?;
        let mut seen = Vec::new();
        take(&host, &mut seen, console);
        Ok(Self { ends, host, made_of, seen, _scratch: scratch })
    }

    async fn invoke(
        &mut self,
        request: Request,
        memory: u32,
        console: &Console,
    ) -> Result<Outcome> {
        let Self { host, seen, .. } = self;
        let invocation = follow(host, seen, console, host.invoke(request)).await;
        let invocation = invocation.context("the environment came to an end")?;
        let seen = std::mem::take(seen);
        Ok(Outcome {
            log: lines(&seen),
            memory,
            start: Waterfall::of(&seen, &invocation),
            invocation,
        })
    }
}

/// Until when events may begin with credentials that end then. If none could any more, new ones would be no better.
fn last_start(expires: SystemTime, timeout: Duration, now: SystemTime) -> SystemTime {
    let last = expires.checked_sub(timeout).unwrap_or(now);
    if last > now { last } else { expires }
}

/// Does something, and shows what happens in the environment meanwhile.
async fn follow<T>(
    host: &Host,
    seen: &mut Vec<Observation>,
    console: &Console,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            _ = host.observed(|_| true) => take(host, seen, console),
            done = &mut work => {
                take(host, seen, console);
                return done;
            }
        }
    }
}

fn take(host: &Host, seen: &mut Vec<Observation>, console: &Console) {
    let new = host.take_observations();
    new.iter().for_each(|observation| console.observe(observation));
    seen.extend(new);
    // Of a function that writes without end, the end is kept.
    let lines = seen.iter().filter(|seen| matches!(seen.what, What::Line(_))).count();
    let mut surplus = lines.saturating_sub(MOST_LINES);
    seen.retain(|seen| {
        let drop = surplus > 0 && matches!(seen.what, What::Line(_));
        surplus -= usize::from(drop);
        !drop
    });
}

fn lines(seen: &[Observation]) -> Vec<LogLine> {
    let lines = seen.iter().filter_map(|seen| match &seen.what {
        What::Line(line) => Some(line.clone()),
        _ => None,
    });
    lines.collect()
}

/// More than the last 4 KB can hold of what is worth reading.
const MOST_LINES: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_begins_only_with_credentials_that_last_for_it() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let check = |lasting: u64, timeout: u64, expected: u64| {
            let [lasting, timeout, expected] =
                [lasting, timeout, expected].map(Duration::from_secs);
            assert_eq!(last_start(now + lasting, timeout, now), now + expected);
        };
        check(3600, 900, 2700);
        check(3600, 3, 3597);
        // Others that last no longer would have to be replaced at every event.
        check(600, 900, 600);
    }
}
