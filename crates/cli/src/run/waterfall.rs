//! Where the time of a cold start went, from what the host observed: nothing of it is read out of anybody's log.

mod drawing;

use std::time::Duration;

use serde::{Serialize, Serializer};
use strongroom_host::{Invocation, Observation, Source, What};

pub(super) use self::drawing::milliseconds;

/// A cold start, from the first thing that was done for it to the end of the invocation that it was for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Waterfall {
    rows: Vec<Row>,
}

/// One thing that took time.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    kind: Kind,
    name: String,
    #[serde(rename = "start_ms", serialize_with = "in_milliseconds")]
    start: Duration,
    /// When an extension had registered.
    #[serde(rename = "registered_ms", serialize_with = "in_milliseconds_if_any")]
    registered: Option<Duration>,
    #[serde(rename = "end_ms", serialize_with = "in_milliseconds")]
    end: Duration,
    /// How it failed, if it did.
    failed: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// What extensions did after the answer, before the next event could come.
    After,
    /// Directories, layers and name spaces.
    Environment,
    /// From its start until it asks for its first event.
    Extension,
    /// From the first process to everybody being ready.
    Init,
    /// From the event to the answer.
    Invocation,
    /// From its start until it asks for its first event.
    Runtime,
}

impl Waterfall {
    /// What led to the end of `invocation`, if processes were started for it.
    pub(super) fn of(seen: &[Observation], invocation: &Invocation) -> Option<Self> {
        let mut rows = Rows::default();
        seen.iter().for_each(|seen| rows.add(seen, invocation));
        rows.started.then(|| Self { rows: rows.since_the_first() })
    }
}

/// Rows as they come about.
#[derive(Debug, Default)]
struct Rows {
    /// When the first process of the init under way was started.
    init: Option<Duration>,
    invoked: Option<Duration>,
    /// Which rows are of processes that have not been ready yet.
    open: Vec<usize>,
    rows: Vec<Row>,
    started: bool,
}

impl Rows {
    fn add(&mut self, Observation { at, what }: &Observation, invocation: &Invocation) {
        let at = *at;
        match what {
            // The first of all observations: the environment's own time begins with it.
            What::LogStream { .. } => {
                self.push(Kind::Environment, "environment", Duration::ZERO, at)
            }
            What::Started { process } => {
                self.begin(at);
                self.push_process(process, at);
                self.open.push(self.rows.len() - 1);
            }
            What::ExecFailed { process, reason } => {
                self.begin(at);
                self.push_process(process, at).failed = Some(reason.clone());
            }
            What::Registered { extension, external: true, .. } => {
                if let Some(row) = self.find(extension) {
                    self.rows[row].registered = Some(at);
                }
            }
            What::Ready { extension } => {
                self.close(extension.as_deref().unwrap_or(RUNTIME), at, None)
            }
            What::Exited { process, status } => self.close(name(process), at, Some(status)),
            What::Initialized { .. } => self.end_init(at, None),
            What::InitFailed { error_type, .. } => self.end_init(at, Some(error_type)),
            What::InvocationStarted { .. } => self.invoked = Some(at),
            What::InvocationEnded { error_type, .. } => {
                self.end_invocation(at, error_type.as_ref(), invocation);
            }
            _ => {}
        }
    }

    fn begin(&mut self, at: Duration) {
        self.started = true;
        if self.init.replace(self.init.unwrap_or(at)).is_none()
            && let Some(environment) =
                self.rows.last_mut().filter(|row| row.kind == Kind::Environment)
        {
            environment.end = at;
        }
    }

    fn end_init(&mut self, at: Duration, failed: Option<&String>) {
        for row in self.open.drain(..) {
            self.rows[row].end = at;
        }
        let start = self.init.take().unwrap_or(at);
        self.push(Kind::Init, "init", start, at);
        if let Some(row) = self.rows.last_mut() {
            row.failed = failed.cloned();
        }
    }

    fn end_invocation(&mut self, at: Duration, failed: Option<&String>, invocation: &Invocation) {
        let invoked = self.invoked.take().unwrap_or(at);
        // An init within the invocation has a row of its own.
        let inits = self.rows.iter().filter(|row| row.kind == Kind::Init).map(|row| row.end);
        let start = inits.max().unwrap_or(invoked).max(invoked);
        let answered = (invoked + invocation.responded).clamp(start, at.max(start));
        self.push(Kind::Invocation, "invocation", start, answered);
        if let Some(row) = self.rows.last_mut() {
            row.failed = failed.cloned();
        }
        let after = invocation.duration.saturating_sub(invocation.responded);
        if after >= WORTH_A_ROW {
            self.push(Kind::After, "extensions, after it", answered, answered + after);
        }
    }

    fn push(&mut self, kind: Kind, name: &str, start: Duration, end: Duration) {
        let (name, registered, failed) = (name.to_owned(), None, None);
        self.rows.push(Row { kind, name, start, registered, end, failed });
    }

    fn push_process(&mut self, process: &Source, at: Duration) -> &mut Row {
        let kind = match process {
            Source::Extension(_) => Kind::Extension,
            Source::Function => Kind::Runtime,
        };
        self.push(kind, name(process), at, at);
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.open.iter().copied().find(|row| self.rows[*row].name == name)
    }

    fn close(&mut self, name: &str, at: Duration, failed: Option<&String>) {
        let Some(found) = self.find(name) else { return };
        self.open.retain(|row| *row != found);
        self.rows[found].end = at;
        self.rows[found].failed = failed.cloned();
    }

    fn since_the_first(mut self) -> Vec<Row> {
        let first = self.rows.iter().map(|row| row.start).min().unwrap_or_default();
        for row in &mut self.rows {
            row.start -= first;
            row.end = row.end.saturating_sub(first);
            row.registered = row.registered.map(|at| at.saturating_sub(first));
        }
        self.rows
    }
}

fn name(process: &Source) -> &str {
    match process {
        Source::Extension(name) => name,
        Source::Function => RUNTIME,
    }
}

fn in_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_micros() as f64 / 1000.0)
}

fn in_milliseconds_if_any<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => in_milliseconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

const RUNTIME: &str = "runtime";
/// What extensions do after the answer, if it took this long.
const WORTH_A_ROW: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use strongroom_host::InitPhase;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn guard() -> Source {
        Source::Extension("guard".to_owned())
    }

    fn seen(list: impl IntoIterator<Item = (u64, What)>) -> Vec<Observation> {
        list.into_iter().map(|(at, what)| Observation { at: ms(at), what }).collect()
    }

    fn invocation(responded: u64, duration: u64) -> Invocation {
        Invocation {
            duration: ms(duration),
            function_error: None,
            init: None,
            payload: "1".into(),
            request_id: "r".to_owned(),
            reset: None,
            responded: ms(responded),
        }
    }

    fn init() -> [(u64, What); 8] {
        let events = vec!["INVOKE".to_owned()];
        let (extension, external) = ("guard".to_owned(), true);
        [
            (1, What::LogStream { name: "s".to_owned() }),
            (10, What::Started { process: guard() }),
            (30, What::Registered { extension, external, events }),
            (31, What::Started { process: Source::Function }),
            (60, What::Ready { extension: Some("guard".to_owned()) }),
            (90, What::Ready { extension: None }),
            (90, What::Initialized { after: ms(80), phase: InitPhase::Init }),
            (91, What::InvocationStarted { request_id: "r".to_owned() }),
        ]
    }

    fn ended(error_type: Option<&str>) -> What {
        let error_type = error_type.map(str::to_owned);
        What::InvocationEnded { request_id: "r".to_owned(), error_type }
    }

    fn rows(waterfall: &Waterfall) -> Vec<String> {
        let row = |row: &Row| {
            let registered = row.registered.map(|at| format!(" ({})", at.as_millis()));
            let failed = row.failed.as_ref().map(|failed| format!(": {failed}"));
            format!(
                "{}{} {}-{}{}",
                row.name,
                registered.unwrap_or_default(),
                row.start.as_millis(),
                row.end.as_millis(),
                failed.unwrap_or_default()
            )
        };
        waterfall.rows.iter().map(row).collect()
    }

    #[test]
    fn a_start_is_told_from_the_environment_to_the_answer_and_after_it() {
        let seen = seen(init().into_iter().chain([(111, ended(None))]));
        let waterfall = Waterfall::of(&seen, &invocation(10, 20)).unwrap();
        assert_eq!(
            rows(&waterfall),
            [
                "environment 0-10",
                "guard (30) 10-60",
                "runtime 31-90",
                "init 10-90",
                "invocation 91-101",
                "extensions, after it 101-111",
            ]
        );
    }

    #[test]
    fn a_warm_invocation_has_none() {
        let seen = seen([
            (500, What::InvocationStarted { request_id: "r".to_owned() }),
            (510, ended(None)),
        ]);
        assert_eq!(Waterfall::of(&seen, &invocation(10, 10)), None);
    }

    #[test]
    fn a_start_that_failed_is_told_as_often_as_it_was_tried() {
        let crash = || "Extension.Crash".to_owned();
        let status = || "exit status 1".to_owned();
        let seen = seen([
            (1, What::LogStream { name: "s".to_owned() }),
            (10, What::Started { process: guard() }),
            (20, What::Exited { process: guard(), status: status() }),
            (20, What::InitFailed { error_type: crash(), phase: InitPhase::Init }),
            (25, What::InvocationStarted { request_id: "r".to_owned() }),
            (30, What::Started { process: guard() }),
            (40, What::Exited { process: guard(), status: status() }),
            (40, What::InitFailed { error_type: crash(), phase: InitPhase::Invoke }),
            (40, ended(Some("Extension.Crash"))),
        ]);
        let waterfall = Waterfall::of(&seen, &invocation(15, 15)).unwrap();
        assert_eq!(
            rows(&waterfall),
            [
                "environment 0-10",
                "guard 10-20: exit status 1",
                "init 10-20: Extension.Crash",
                "guard 30-40: exit status 1",
                "init 30-40: Extension.Crash",
                "invocation 40-40: Extension.Crash",
            ]
        );
    }

    #[test]
    fn a_start_after_a_reset_begins_at_the_invocation_that_needs_it() {
        let list = init().into_iter().skip(1).take(6).map(|(at, what)| (at + 1000, what));
        let start = (1005, What::InvocationStarted { request_id: "r".to_owned() });
        let seen = seen([start].into_iter().chain(list).chain([(1100, ended(None))]));
        let waterfall = Waterfall::of(&seen, &invocation(90, 95)).unwrap();
        assert_eq!(rows(&waterfall)[..2], ["guard (20) 0-50", "runtime 21-80"]);
        assert_eq!(rows(&waterfall)[3], "invocation 80-85");
    }
}
