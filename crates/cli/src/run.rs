//! `strongroom run`: the local Lambda for a function of the user's own, with its layers, once, many times, or as an
//! endpoint that AWS's command line and SDKs can call.
//!
//! What Lambda does is decided in `strongroom-host`: here it is only told what to run, followed, and shown.

mod architecture;
mod changes;
mod console;
mod endpoint;
mod environment;
mod events;
mod identity;
mod language;
mod plan;
mod signals;
mod variables;
mod waterfall;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use self::console::Console;
use self::environment::Environments;
use self::language::Language;
use self::plan::Plan;
use self::signals::Signals;
use crate::environment::assignment::Assignment;

/// Run your own function with its layers in a local Lambda
///
/// Runs each event in one environment and prints what the function answers, a line each; what the function and
/// extensions log goes to standard error as it comes, and after a cold start a picture of where its time went. Exits
/// with 0, with 1 if an event ended with an error of the function or could not be run, or with 2 if what was asked for
/// cannot be run at all.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Files that hold an event each, in JSON; - is standard input; without any, the event is {}
    #[arg(value_name = "EVENT")]
    events: Vec<PathBuf>,
    /// An event itself, as often as you like
    #[arg(long = "event", value_name = "JSON")]
    inline_events: Vec<String>,
    /// The function's code: a directory, or the archive that would be deployed
    #[arg(long, value_name = "DIR|ZIP", default_value = ".")]
    code: PathBuf,
    /// The handler, such as app.handler; provided runtimes need none
    #[arg(long)]
    handler: Option<String>,
    /// The runtime, such as python3.12, nodejs22.x, java21 or provided.al2023; without it, provided, if the code holds
    /// a bootstrap
    #[arg(long)]
    runtime: Option<Language>,
    /// A layer: a directory that holds what /opt shall hold, or its archive; later ones lie over earlier ones
    #[arg(long = "layer", value_name = "DIR|ZIP")]
    layers: Vec<PathBuf>,
    /// Variables of the function, one NAME=value a line as for `docker --env-file`
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// A variable of the function; it wins over one of the file
    #[arg(long = "env", value_name = "NAME=VALUE")]
    variables: Vec<Assignment>,
    /// A settings file for the layer: it lies at /opt/strongroom.toml, and STRONGROOM_CONFIG names it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many seconds an invocation may take
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=900))]
    timeout: u64,
    /// The memory that the function is told it has, in MB; it is not enforced
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory: u32,
    /// The function's name; without it, it is called function, and the endpoint answers to every name
    #[arg(long)]
    name: Option<String>,
    /// AWS's region; without it, that of the profile or the shell, or us-east-1
    #[arg(long)]
    region: Option<String>,
    /// The profile whose credentials the function gets; without it, those that the shell is set to
    #[arg(long)]
    profile: Option<String>,
    /// A role that the function gets the credentials of, such as its own in AWS
    #[arg(long, value_name = "ARN")]
    assume_role: Option<String>,
    /// python, node or java; without it, the one of VIRTUAL_ENV or on PATH
    #[arg(long, value_name = "PATH")]
    interpreter: Option<PathBuf>,
    /// Where AWS's runtime interface client for Node or Java lies
    #[arg(long, value_name = "DIR")]
    client: Option<PathBuf>,
    /// How often the events are run, in the same environment
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Make a new environment for each event
    #[arg(long)]
    cold: bool,
    /// Run the events again whenever code, layers or settings change, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Serve `aws lambda invoke --endpoint-url http://ADDRESS:PORT` until Ctrl-C; 127.0.0.1:9000 if none is given
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:9000",
        value_parser = address,
        conflicts_with_all = ["events", "inline_events", "count", "cold"],
    )]
    serve: Option<SocketAddr>,
    /// Print one JSON object for each invocation on standard output, with the times of its start
    #[arg(long)]
    json: bool,
}

/// The exit code if nothing can be run, as for a mistake of usage.
const UNUSABLE: u8 = 2;
/// How long tasks may take to end processes and remove directories at the end.
const CLEANING_UP: Duration = Duration::from_secs(3);

/// Runs the command. It waits for signals itself, because extensions are told of the end and given time for it.
///
/// # Errors
/// An environment cannot be made, or standard output is closed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    // Before signals are waited for, as reading standard input waits for nothing else.
    let events = match events::read(options) {
        Ok(events) => events,
        Err(error) => return Ok(unusable(&error)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let code = runtime.block_on(until_interrupted(options, events));
    runtime.shutdown_timeout(CLEANING_UP);
    code
}

async fn until_interrupted(options: &Options, events: Vec<String>) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let console = Console::new(options.json);
    let plan = tokio::select! {
        plan = Plan::make(options, events, &console) => plan,
        () = signals.interrupted() => return Ok(ExitCode::from(crate::INTERRUPTED)),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return Ok(unusable(&error)),
    };
    let mut environments = Environments::new(&plan, &console);
    let ended = tokio::select! {
        ended = work(options, &plan, &mut environments) => ended,
        // What goes on until Ctrl-C has not failed by it.
        () = signals.interrupted() => match options.serve.is_some() || options.watch {
            true => Ok(ExitCode::SUCCESS),
            false => Ok(ExitCode::from(crate::INTERRUPTED)),
        },
    };
    // Whoever asks a second time does not want to wait, not even for tokens to be revoked.
    tokio::select! {
        () = environments.end() => (),
        () = signals.interrupted() => console.say("killed, without waiting for extensions"),
    }
    ended
}

/// Says why nothing can be run.
fn unusable(error: &anyhow::Error) -> ExitCode {
    console::error(&format!("{error:#}"));
    ExitCode::from(UNUSABLE)
}

async fn work(
    options: &Options,
    plan: &Plan<'_>,
    environments: &mut Environments<'_>,
) -> Result<ExitCode> {
    match options.serve {
        Some(address) => endpoint::serve(address, plan, environments).await,
        None if options.watch => events::run_on_every_change(plan, environments).await,
        None => events::run(plan, environments).await,
    }
}

/// An address with a port, or a port of loopback.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| "it is no port, and no IP address with a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        let check = |text: &str, expected: Option<&str>| {
            let address = address(text).ok().map(|address| address.to_string());
            assert_eq!(address.as_deref(), expected, "{text}");
        };
        check("9001", Some("127.0.0.1:9001"));
        check("0.0.0.0:9000", Some("0.0.0.0:9000"));
        check("[::1]:9000", Some("[::1]:9000"));
        check("event.json", None);
        check("127.0.0.1", None);
    }
}
