//! Long steps: their output goes to a file, a line on standard error says that they live.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command;

/// How long a step is silent before it says that it is still running.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of a failed step's output is shown.
const SHOWN_LINES: usize = 20;

/// Runs one step with its output in `log`, appended.
///
/// # Errors
/// If it cannot be started or fails; the error ends with the last lines that it printed.
pub(crate) fn run(title: &str, command: &mut Command, log: &Path) -> Result<()> {
    let began = Instant::now();
    eprintln!("{title} ...");
    let file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {}", command::line(command)))?;
    let status = ticking(title, began, || child.wait())?;
    if !status.success() {
        let output = fs::read(log).unwrap_or_default();
        let tail = last_lines(&String::from_utf8_lossy(&output), SHOWN_LINES);
        bail!("{} failed: {status}; the end of {}:\n{tail}", command::line(command), log.display());
    }
    eprintln!("{title}: done in {}", seconds(began.elapsed()));
    Ok(())
}

/// Does `work` that prints for itself, if at all, and says that it lives.
pub(crate) fn watching<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    eprintln!("{title} ...");
    let result = ticking(title, began, work)?;
    eprintln!("{title}: done in {}", seconds(began.elapsed()));
    Ok(result)
}

/// Does `work`, with a line every [`PATIENCE`] while it lasts.
fn ticking<T>(title: &str, began: Instant, work: impl FnOnce() -> T) -> T {
    let (done, wait) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while wait.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{title}: still running after {}", seconds(began.elapsed()));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// A duration for people.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        whole @ 10..100 => format!("{whole} s"),
        whole => format!("{}:{:02} min", whole / 60, whole % 60),
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let check = |millis, expect: &str| {
            assert_eq!(seconds(Duration::from_millis(millis)), expect);
        };
        check(340, "0.3 s");
        check(9_900, "9.9 s");
        check(12_700, "12 s");
        check(264_000, "4:24 min");
    }

    #[test]
    fn a_failed_step_shows_the_end_of_its_output() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "seq 30; exit 3"]);
        let error = run("counting", &mut command, &log).unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.ends_with("\n29\n30"), "{error}");
        assert!(!error.contains("\n10\n"), "{error}");
    }
}
