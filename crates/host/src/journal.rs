//! The ordered record of what an environment did, for people and for tests.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The longest line kept of a process's output, in bytes; the rest is cut.
pub const LONGEST_LINE: usize = 64 * 1024;
/// How many lines of output are kept; later ones are counted and dropped.
pub const MOST_LINES: usize = 20_000;

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observation {
    /// Time since the host started.
    pub at: Duration,
    /// What happened.
    pub what: What,
}

/// What can happen in an environment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// A request to the Runtime or Extensions API was answered.
    Answered {
        /// The extension that the request's identifier or name names.
        extension: Option<String>,
        /// The request's method and path.
        request: String,
        /// The status of the answer.
        status: u16,
        /// `errorType` of the answer, if it refuses.
        error_type: Option<String>,
    },
    /// A process ended.
    Exited {
        /// Whose it was.
        process: Source,
        /// How it ended, as AWS writes it: `exit status 0`, `signal: killed`.
        status: String,
    },
    /// A process could not be started.
    ExecFailed {
        /// Whose it would have been.
        process: Source,
        /// Why.
        reason: String,
    },
    /// The first failure since the last reset; it decides what the caller is told.
    Failed {
        /// For example `Extension.Crash`.
        error_type: String,
    },
    /// Every process was stopped.
    Frozen,
    /// Init ended; the environment waits for invocations.
    Initialized {
        /// What it took.
        after: Duration,
        /// When in the environment's life it ran.
        phase: InitPhase,
    },
    /// Init did not end well.
    InitFailed {
        /// The first failure, or `Sandbox.Timedout`.
        error_type: String,
        /// When in the environment's life it ran.
        phase: InitPhase,
    },
    /// An invocation began.
    InvocationStarted {
        /// Its identifier.
        request_id: String,
    },
    /// An invocation ended: the runtime and every subscribed extension are ready again.
    InvocationEnded {
        /// Its identifier.
        request_id: String,
        /// The failure, if it failed.
        error_type: Option<String>,
    },
    /// A process wrote a line.
    Line(LogLine),
    /// From here on Lambda would write the output of processes to another log stream.
    LogStream {
        /// Its name.
        name: String,
    },
    /// Something about this machine that makes the environment less like Lambda.
    Note(String),
    /// The runtime or an extension asked for what comes next: it is done with init, or with the
    /// invocation that was under way.
    Ready {
        /// Which extension; `None` is the runtime.
        extension: Option<String>,
    },
    /// An extension registered.
    Registered {
        /// Under which name.
        extension: String,
        /// Whether it is a file in `/opt/extensions`.
        external: bool,
        /// For which events.
        events: Vec<String>,
    },
    /// An event was delivered to an extension.
    Sent {
        /// Which extension.
        extension: String,
        /// `INVOKE` or `SHUTDOWN`.
        event: String,
    },
    /// Processes are being ended, because of a reset or for good.
    ShutdownStarted {
        /// What extensions are told.
        reason: String,
    },
    /// A process started.
    Started {
        /// Whose it is.
        process: Source,
    },
    /// Every process went on.
    Thawed {
        /// How long they stood still.
        gap: Duration,
    },
}

/// When in an environment's life init ran.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InitPhase {
    /// Before the first invocation.
    Init,
    /// Within an invocation, because there was none before or because the last one failed.
    Invoke,
    /// SnapStart: after the snapshot, before the first invocation.
    Restore,
}

/// One line that a process wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// Who wrote it.
    pub source: Source,
    /// Where it was written to.
    pub stream: Stream,
    /// The line without its end; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Whose a process is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// An extension, by the name of its file.
    Extension(String),
    /// The function's runtime.
    Function,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extension(name) => write!(f, "extension {name}"),
            Self::Function => f.write_str("function"),
        }
    }
}

/// An output of a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

/// Where observations are gathered. Appending never waits.
#[derive(Debug)]
pub(crate) struct Journal {
    start: Instant,
    entries: Mutex<Entries>,
    grown: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Entries {
    list: Vec<Observation>,
    lines: usize,
    /// How many observations were there before those of the list, and were handed over.
    taken: usize,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), entries: Mutex::default(), grown: watch::Sender::new(0) }
    }

    pub(crate) fn add(&self, what: What) {
        let length = {
            let mut entries = self.entries();
            if matches!(what, What::Line(_)) {
                entries.lines += 1;
                if entries.lines == MOST_LINES + 1 {
                    let note = format!("output beyond {MOST_LINES} lines is dropped");
                    entries
                        .list
                        .push(Observation { at: self.start.elapsed(), what: What::Note(note) });
                }
                if entries.lines > MOST_LINES {
                    return;
                }
            }
            entries.list.push(Observation { at: self.start.elapsed(), what });
            entries.taken + entries.list.len()
        };
        self.grown.send_replace(length);
    }

    pub(crate) fn all(&self) -> Vec<Observation> {
        self.entries().list.clone()
    }

    /// Hands over what is kept, and keeps it no longer.
    pub(crate) fn take(&self) -> Vec<Observation> {
        let mut entries = self.entries();
        entries.lines = 0;
        entries.taken += entries.list.len();
        std::mem::take(&mut entries.list)
    }

    /// Waits until an observation pleases `wanted`, those of the past included.
    pub(crate) async fn find(&self, wanted: impl Fn(&What) -> bool) -> Observation {
        let mut grown = self.grown.subscribe();
        let mut seen = 0_usize;
        loop {
            // Marked as seen before reading, so that nothing is added unnoticed in between.
            grown.borrow_and_update();
            {
                let entries = self.entries();
                let new = entries.list.iter().skip(seen.saturating_sub(entries.taken));
                if let Some(observation) = { new }.find(|observation| wanted(&observation.what)) {
                    return observation.clone();
                }
                seen = entries.taken + entries.list.len();
            }
            if grown.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        // A panic while appending leaves at worst a list without its last entry.
        self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> What {
        let (source, stream) = (Source::Function, Stream::Stdout);
        What::Line(LogLine { source, stream, text: text.to_owned() })
    }

    #[test]
    fn output_beyond_the_bound_is_dropped_and_the_rest_is_not() {
        let journal = Journal::new();
        (0..MOST_LINES + 10).for_each(|_| journal.add(line("x")));
        journal.add(What::Frozen);
        let all = journal.all();
        let lines = all.iter().filter(|seen| matches!(seen.what, What::Line(_))).count();
        let notes = all.iter().filter(|seen| matches!(seen.what, What::Note(_))).count();
        assert_eq!((lines, notes), (MOST_LINES, 1));
        assert_eq!(all.last().map(|seen| seen.what.clone()), Some(What::Frozen));
    }

    #[tokio::test]
    async fn what_was_taken_is_neither_kept_nor_found_nor_counted() {
        let journal = Journal::new();
        (0..MOST_LINES).for_each(|_| journal.add(line("x")));
        let coming = journal.find(|what| *what == line("late"));
        let taken = async {
            let taken = journal.take();
            journal.add(line("late"));
            taken.len()
        };
        let (found, taken) = tokio::join!(coming, taken);
        assert_eq!((found.what, taken), (line("late"), MOST_LINES));
        assert_eq!(journal.take().len(), 1);
        assert!(journal.all().is_empty());
    }

    #[tokio::test]
    async fn what_is_waited_for_may_have_been_or_may_come() {
        let journal = Journal::new();
        journal.add(What::Frozen);
        journal.find(|what| *what == What::Frozen).await;
        let coming = journal.find(|what| *what == line("late"));
        let (found, ()) = tokio::join!(coming, async { journal.add(line("late")) });
        assert_eq!(found.what, line("late"));
    }
}
