//! The function's program as Lambda starts it, with the exec wrapper before it or without.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

/// Starts the program, which must find `expect` in its variable.
///
/// Returns the time from just before the spawn, so with fork and exec in it, to the first statement of the program, so
/// with its exec in it. Both ends are read from the clock that all processes share.
pub(crate) fn start(
    program: &Path,
    exec_wrapper: Option<&Path>,
    environment: &[(&'static str, OsString)],
    expect: &str,
) -> Result<Duration> {
    let mut command = Command::new(exec_wrapper.unwrap_or(program));
    if exec_wrapper.is_some() {
        command.arg(program);
    }
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    let before = Duration::try_from(clock_gettime(ClockId::Monotonic))?;
    let output = command.output().context("cannot start the function's program")?;
    ensure!(
        output.status.success(),
        "the function's program was not started: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    let text = String::from_utf8(output.stdout)?;
    let (began, value) = text.trim_end().split_once(' ').context("the program said too little")?;
    ensure!(value == expect, "the program has another value than {expect}");
    let (seconds, nanoseconds) = began.split_once('.').context("the program said no time")?;
    let began = Duration::new(seconds.parse()?, nanoseconds.parse()?);
    began.checked_sub(before).context("the program began before it was started")
}
