//! Events that are given at the start: run once, many times, or at every change.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Options;
use super::console;
use super::environment::Environments;
use super::plan::Plan;

/// Reads all that were given; `{}` if none were.
///
/// # Errors
/// One cannot be read, or is no JSON, which Lambda would refuse.
pub(super) fn read(options: &Options) -> Result<Vec<String>> {
    let mut events = Vec::new();
    for path in &options.events {
        let event = if path == Path::new("-") {
            let mut text = String::new();
            let read = io::stdin().read_to_string(&mut text);
            read.map(|_| text).context("cannot read standard input")?
        } else {
            let text = fs::read_to_string(path);
            text.with_context(|| format!("cannot read the event {}", path.display()))?
        };
        events.push(checked(event, &path.display().to_string())?);
    }
    for event in &options.inline_events {
        events.push(checked(event.clone(), "of --event")?);
    }
    if events.is_empty() {
        events.push("{}".to_owned());
    }
    Ok(events)
}

fn checked(event: String, which: &str) -> Result<String> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&event) {
        bail!("the event {which} is no JSON: {error}");
    }
    if event.len() > super::endpoint::LARGEST_EVENT {
        bail!("the event {which} has more than the 6 MB that Lambda takes");
    }
    Ok(event)
}

/// Runs each event as often as was asked for.
///
/// # Errors
/// An environment cannot be made.
pub(super) async fn run(plan: &Plan<'_>, environments: &mut Environments<'_>) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for _ in 0..plan.count() {
        for event in plan.events() {
            if plan.is_cold() {
                environments.end().await;
            }
            let outcome = environments.invoke(event.clone().into()).await?;
            environments.console().answer(&outcome)?;
            if outcome.failure().is_some() {
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Runs them, and again whenever something has changed. It does not return.
///
/// # Errors
/// Standard output is closed.
pub(super) async fn run_on_every_change(
    plan: &Plan<'_>,
    environments: &mut Environments<'_>,
) -> Result<ExitCode> {
    loop {
        let state = plan.look();
        if let Err(error) = run(plan, environments).await {
            // What is being edited may be half-written; the next change mends it.
            console::error(&format!("{error:#}"));
        }
        environments.freeze().await;
        environments.console().say("waiting for a change; Ctrl-C ends it");
        let mut newest = state.clone();
        // What is being written, or checked out, comes bit by bit: until two looks see the same.
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let seen = plan.look();
            if seen == newest && seen != state {
                break;
            }
            newest = seen;
        }
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(150);
