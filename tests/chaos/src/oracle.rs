//! Judges what the function saw, by the rule that `docs/delivery/freshness.md` promises:
//!
//! > A file is at most `STRONGROOM_REFRESH` old at the last INVOKE that was finished; the first invocation after a
//! > longer freeze may read the older one; the proxy never serves what is older than its TTL.
//!
//! and that nothing of ours crashes, hangs past a deadline, or is refused without a reason that was there.

mod leased;
mod refusal;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use strongroom_chaos::{Micros, Report};
use strongroom_host::{Observation, What};
use strongroom_tests::stage::Environment;

use crate::history::History;
use crate::plan::{OnOutage, Settings, Step, Trouble};
use crate::world::{Ended, Played, World};
use refusal::Cause;

/// Something that must not be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// What a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    /// A process of ours ended otherwise than it should, or panicked.
    Crash,
    /// An invocation or the end of an environment took longer than it may.
    DeadlineMissed,
    /// An error whose reason is not told, or was not there.
    Unexplained,
    /// A value that was never written, is older than it may be, or is half of one.
    WrongValue,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}

/// What the judge remembers from one invocation to the next.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// When each kind of trouble was there last, by the machine's clock.
    troubled: BTreeMap<&'static str, Micros>,
    /// What is known of the environment.
    known: Known,
    findings: Vec<Finding>,
    /// Refusals that were explained, by their causes.
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    /// Inits that failed with a reason, by what Lambda was told.
    pub(crate) failed_inits: BTreeMap<String, u64>,
}

/// What is known of one environment.
#[derive(Debug, Default)]
struct Known {
    /// When it was made, in simulated time.
    begun: Micros,
    /// Until when, in simulated time, the log excuses a file that is too old.
    excused_until: Micros,
    /// The number of the value that the file had when it was last looked at.
    file: Option<usize>,
    /// When the invocation that is judged began, in simulated time.
    invoked: Micros,
    /// When the generation of processes that serves began to start.
    generation: Micros,
    is_ending: bool,
    /// How many observations have been looked at.
    observed: usize,
    /// Texts that the function's own secret may have.
    own: Vec<String>,
    /// When all tokens were revoked last, in simulated time, and how many invocations ended since.
    revoked: Option<(Micros, u32)>,
    /// By how much the clock was set back in its life.
    set_back: Micros,
    settings: Option<Settings>,
    /// When the function's process started.
    started: Micros,
    /// The number of the value in the variable.
    variable: Option<usize>,
}

impl Oracle {
    /// Judges an invocation.
    pub(crate) fn judge(
        &mut self,
        step: &Step,
        played: &Played,
        environment: &Environment,
        world: &World,
    ) -> Vec<Finding> {
        let history = &world.history;
        let now = strongroom_chaos::now();
        let troubles = step.troubles.iter().chain(&played.effective).map(Trouble::kind);
        for kind in troubles.chain(played.lasting.iter().copied()) {
            self.troubled.insert(kind, now);
        }
        if let Some(ended) = &played.ended {
            self.judge_end(ended);
        }
        if let Some(settings) = step.environment {
            self.known = Known {
                begun: played.begun,
                generation: played.begun,
                own: std::mem::take(&mut self.known.own),
                settings: Some(settings),
                ..Known::default()
            };
        }
        for trouble in &played.effective {
            if let Trouble::ClockBack { seconds } = trouble {
                self.known.set_back += seconds * 1_000_000;
            }
        }
        self.known.invoked = played.invoked;
        self.note_revocation(played, played.begun);
        let has_init_failed = self.observe(environment, history);
        let invocation = &played.invocation;
        if invocation.reset.as_deref() == Some("timeout") {
            self.note(Kind::DeadlineMissed, format!("{invocation:?}"));
        }
        match &invocation.function_error {
            None => match serde_json::from_slice::<Report>(&invocation.payload) {
                Ok(report) => {
                    self.judge_report(played, &report, environment, history);
                    if let Some(leases) = &world.leases {
                        self.judge_leased(played, &report, environment, leases);
                    }
                }
                Err(error) => self.note(Kind::Crash, format!("no report: {error}")),
            },
            // That has been judged.
            Some(_) if has_init_failed => {}
            Some(error) if error == "Sandbox.Timedout" => {}
            Some(error) => {
                let text = String::from_utf8_lossy(&invocation.payload);
                self.note(Kind::Crash, format!("{error}: {text}"));
            }
        }
        if invocation.reset.is_some() {
            // Whatever comes next begins with init.
            self.known.generation = played.invoked;
            self.known.started = 0;
        }
        std::mem::take(&mut self.findings)
    }

    /// Judges the end of the last environment.
    pub(crate) fn judge_last(&mut self, ended: &Ended) -> Vec<Finding> {
        self.judge_end(ended);
        std::mem::take(&mut self.findings)
    }

    fn judge_end(&mut self, ended: &Ended) {
        let exit = ended.shutdown.exit(&ended.environment.source());
        match exit {
            None | Some("exit status 0") => {}
            Some("signal: killed") => {
                self.note(Kind::DeadlineMissed, format!("SHUTDOWN: {:?}", ended.shutdown));
            }
            Some(status) => self.note(Kind::Crash, format!("{status} at SHUTDOWN")),
        }
    }

    /// Whether a line says why a file is older than it should be: a new one, or one from not long before the invocation
    /// began, when it was decided what is due. What the extension wrote before it asked for the next event may still be in
    /// the pipe to the host when the invocation is over.
    fn is_excused(&mut self, environment: &Environment, history: &History) -> bool {
        let deadline = Instant::now() + ON_ITS_WAY;
        while self.known.invoked >= self.known.excused_until {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
            self.observe(environment, history);
        }
        true
    }

    /// Looks at what has happened since the last time; whether init failed.
    fn observe(&mut self, environment: &Environment, history: &History) -> bool {
        let mut has_init_failed = false;
        let observations = environment.host.observations();
        let new = &observations[self.known.observed.min(observations.len())..];
        self.known.observed = observations.len();
        for (index, Observation { what, .. }) in new.iter().enumerate() {
            match what {
                What::Line(line) => self.read_line(&line.text, history),
                What::ShutdownStarted { .. } => self.known.is_ending = true,
                What::Started { process } if *process == environment.source() => {
                    self.known.is_ending = false;
                }
                What::Exited { process, status }
                    if *process == environment.source() && !self.known.is_ending =>
                {
                    // An init that fails with its reason is no crash.
                    let told = new[..index].iter().any(|seen| is_error(&seen.what));
                    if !told || !FAILURES.contains(&status.as_str()) {
                        self.note(Kind::Crash, format!("the extension ended with {status}"));
                    }
                }
                What::InitFailed { error_type, .. } => {
                    has_init_failed = true;
                    let told = new.iter().any(|seen| is_error(&seen.what));
                    if !told {
                        let text = format!("init failed with {error_type}, and no line says why");
                        self.note(Kind::Unexplained, text);
                    }
                    *self.failed_inits.entry(error_type.clone()).or_default() += 1;
                    self.expect_trouble(&format!("init failed with {error_type}"));
                }
                _ => {}
            }
        }
        has_init_failed
    }

    fn read_line(&mut self, line: &str, history: &History) {
        if line.contains("panicked") || line.contains("a defect of the extension") {
            self.note(Kind::Crash, line.to_owned());
        }
        let excuse = EXCUSES.iter().find(|(text, _)| line.contains(text));
        if let Some((_, seconds)) = excuse {
            let until = history.now() + seconds * 1_000_000;
            self.known.excused_until = self.known.excused_until.max(until);
        }
    }

    /// What went wrong must have had a trouble lately.
    fn expect_trouble(&mut self, what: &str) {
        if !self.was_troubled(Trouble::OUTAGES, LATELY) {
            self.note(Kind::Unexplained, format!("{what}, though nothing was wrong"));
        }
    }

    fn was_troubled(&self, kinds: &[&str], lately: Micros) -> bool {
        let since = strongroom_chaos::now().saturating_sub(lately);
        kinds.iter().any(|kind| self.troubled.get(kind).is_some_and(|at| *at >= since))
    }

    fn note_refusal(&mut self, status: u16, body: &str) {
        match Cause::of(status, body) {
            None => self.note(Kind::Unexplained, format!("{status}: {body}")),
            Some(cause) if self.was_troubled(cause.troubles(), LATELY) => {
                *self.refusals.entry(cause.name()).or_default() += 1;
            }
            Some(cause) => {
                let text = format!("{status}: {body}: no trouble explains {}", cause.name());
                self.note(Kind::Unexplained, text);
            }
        }
    }

    /// What the clock hides: as it was set back, nobody can tell that so much time has passed.
    fn hidden(&self, now: Micros) -> Micros {
        self.known.set_back.min(now.saturating_sub(self.known.begun))
    }

    fn may_serve_stale(&self) -> bool {
        self.known.settings.is_some_and(|settings| settings.on_outage == OnOutage::Stale)
    }

    fn note(&mut self, kind: Kind, text: String) {
        self.findings.push(Finding { kind, text });
    }
}

fn is_error(what: &What) -> bool {
    matches!(what, What::Line(line) if line.text.contains("[ERROR]"))
}

/// How long troubles are felt: longer than the circuit pauses between its tries.
const LATELY: Micros = 8_000_000;
/// How long a line may take from the extension to the log.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// Lines that say that a file is older than it should be, and for how many seconds it may be.
const EXCUSES: [(&str, u64); 3] = [
    ("a file keeps an older secret", 10),
    ("cannot log in to Vault", 30),
    ("the environment starts without Vault", 10),
];
/// How the extension ends when init fails: exit codes of docs/errors.md.
const FAILURES: [&str; 4] = ["exit status 5", "exit status 6", "exit status 8", "exit status 10"];
