//! Steps as they are taken, on standard error: a line that moves on a
//! terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, Write as _};

/// A step that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) took: Duration,
}

/// Takes steps, one after the other.
#[derive(Debug)]
pub(crate) struct Steps {
    is_terminal: bool,
    taken: Vec<Step>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), taken: Vec::new() }
    }

    pub(crate) fn taken(&self) -> &[Step] {
        &self.taken
    }

    /// Takes a step. `how` is what a person would type or see, a line each.
    ///
    /// # Errors
    /// The work's own, with the step's name.
    pub(crate) async fn take<T>(
        &mut self,
        name: &str,
        how: &[String],
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let target = if self.is_terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target).with_message(name.to_owned());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.enable_steady_tick(Duration::from_millis(80));
        let start = Instant::now();
        let outcome = work.await;
        let took = start.elapsed();
        bar.finish_and_clear();
        let mark = if outcome.is_ok() { "ok    " } else { "FAILED" };
        self.say(&format!("{mark} {name} ({} ms)", took.as_millis()));
        for line in how {
            self.say(&format!("         {line}"));
        }
        self.taken.push(Step { name: name.to_owned(), took });
        outcome.with_context(|| format!("step failed: {name}"))
    }

    /// Says something beside the steps.
    pub(crate) fn say(&self, line: &str) {
        // Whoever closed standard error does not want to be told.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}
