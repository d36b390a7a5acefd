//! What is shown: answers or objects on standard output, everything else on standard error.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde::de::IgnoredAny;
use strongroom_host::{Observation, Source, What};

use super::environment::Outcome;
use super::waterfall::Waterfall;

/// Where it is shown, and in which form.
#[derive(Debug)]
pub(super) struct Console {
    json: bool,
}

impl Console {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Says something of this program's own.
    pub(super) fn say(&self, text: &str) {
        // Whoever closed standard error does not want to be told.
        let _ = writeln!(io::stderr(), "{:>WIDTH$} | {text}", "run");
    }

    /// Shows what there is to see of something that happened, as it happens.
    pub(super) fn observe(&self, observation: &Observation) {
        let (from, text) = match &observation.what {
            What::Line(line) => match &line.source {
                Source::Extension(name) => (name.as_str(), line.text.clone()),
                Source::Function => ("function", line.text.clone()),
            },
            What::Note(note) => ("run", note.clone()),
            What::ExecFailed { process, reason } => {
                ("run", format!("cannot start the {process}: {reason}"))
            }
            _ => return,
        };
        let _ = writeln!(io::stderr(), "{from:>WIDTH$} | {text}");
    }

    /// Shows an answer, and how it came about.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(super) fn answer(&self, outcome: &Outcome) -> Result<()> {
        let line = if self.json { object(outcome)? } else { one_line(&outcome.invocation.payload) };
        let mut out = io::stdout().lock();
        out.write_all(&line)
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush())
            .context("cannot write the answer")?;
        drop(out);
        self.times(outcome);
        Ok(())
    }

    /// The same where the answer goes to a caller.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(super) fn served(&self, outcome: &Outcome) -> Result<()> {
        if self.json {
            return self.answer(outcome);
        }
        self.times(outcome);
        Ok(())
    }

    fn times(&self, outcome: &Outcome) {
        if let Some(failure) = outcome.failure() {
            error(&format!("the function failed with {failure}"));
        }
        if self.json {
            return;
        }
        match &outcome.start {
            Some(waterfall) => {
                let _ = write!(io::stderr(), "{}", waterfall.draw(width()));
            }
            None => self.say(&format!(
                "warm invocation: {}",
                super::waterfall::milliseconds(outcome.invocation.responded)
            )),
        }
    }
}

/// Says what went wrong.
pub(super) fn error(text: &str) {
    let _ = writeln!(io::stderr(), "error: {text}");
}

/// An invocation, for programs.
#[derive(Serialize)]
struct Object<'a> {
    cold: bool,
    duration_ms: f64,
    /// `null`, or what type of failure the function ended with.
    function_error: Option<&'a str>,
    init_ms: Option<f64>,
    request_id: &'a str,
    responded_ms: f64,
    /// Of a cold start.
    waterfall: Option<&'a Waterfall>,
}

impl<'a> Object<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let invocation = &outcome.invocation;
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
        Self {
            cold: outcome.start.is_some(),
            duration_ms: ms(invocation.duration),
            function_error: invocation.function_error.as_deref(),
            init_ms: invocation.init.map(ms),
            request_id: &invocation.request_id,
            responded_ms: ms(invocation.responded),
            waterfall: outcome.start.as_ref(),
        }
    }
}

/// An invocation as an object, with the answer as its `payload`, byte for byte: numbers of any size, keys in any order.
fn object(outcome: &Outcome) -> Result<Vec<u8>> {
    let mut object = serde_json::to_vec(&Object::of(outcome)).context("an outcome is no JSON")?;
    let payload = &outcome.invocation.payload;
    let payload = match serde_json::from_slice::<IgnoredAny>(payload) {
        Ok(IgnoredAny) => one_line(payload),
        // No answer of Lambda's either; here it is shown as a text.
        Err(_) => serde_json::to_vec(&String::from_utf8_lossy(payload)).context("no JSON")?,
    };
    object.pop();
    object.extend_from_slice(br#","payload":"#);
    object.extend(payload);
    object.push(b'}');
    Ok(object)
}

/// An answer as one line. Within JSON, a line break stands only where it means nothing.
fn one_line(payload: &[u8]) -> Vec<u8> {
    let payload = payload.trim_ascii();
    if serde_json::from_slice::<IgnoredAny>(payload).is_err() {
        return payload.to_vec();
    }
    let lines = payload.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.flat_map(<[u8]>::trim_ascii_start).copied().collect()
}

/// Of the picture, in columns: that of the terminal within what is readable.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    columns.unwrap_or(NARROW).clamp(NARROW, WIDE)
}

/// Of the names before each line.
const WIDTH: usize = 10;
const NARROW: usize = 80;
const WIDE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_line_with_the_same_meaning() {
        let check = |payload: &str, expected: &str| {
            assert_eq!(String::from_utf8(one_line(payload.as_bytes())).unwrap(), expected);
        };
        check("{\n  \"a\": \"b\\nc\"\r\n}\n", "{\"a\": \"b\\nc\"}");
        check("\"plain\"", "\"plain\"");
        check("no\nJSON", "no\nJSON");
    }
}
