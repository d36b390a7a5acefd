//! `strongroom doctor`: walks the chain from a function's variables to its secrets and says where it breaks.
//!
//! The chain to Vault is walked by `strongroom-vault`, as the extension walks it; here is what only a laptop knows: the
//! function's configuration, its layers, whose credentials are at hand, and what an administrator may read.

mod administrator;
mod caller;
mod certificate;
mod function;
mod layer;
mod patient;
mod written;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use strongroom_core::diagnosis::{
    Check, NOTHING_OF_VAULT, Outcome, Report, Runtime, TimeOuts, Wanted, WrapperSetting,
    judge_time_outs, judge_variables, judge_wrapper,
};
use strongroom_core::settings::{Settings, variables as v};
use strongroom_vault::doctor::{Subject, prepare, walk};

use self::patient::Patient;

/// Find out why a function does not get its secrets
///
/// Walks the chain from variables to secrets (DNS, TCP, TLS, health, auth method, region, login, role, token, policy,
/// each path and field), and looks at layer, exec wrapper, time-outs and clock. Says of each fault what was tried, what
/// came back, what it means and what to type. No secret is shown. Exits with 0, with 1 if there is a fault, or with 2
/// if it could not begin.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Variables of the function, one NAME=value a line as for `docker --env-file`; without it, those of this process
    #[arg(long, value_name = "FILE", conflicts_with = "function")]
    env_file: Option<PathBuf>,
    /// Settings file to read; without it, the one that STRONGROOM_CONFIG names, or /var/task/strongroom.toml if it exists
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Function whose configuration and layers are fetched from Lambda: its name or ARN
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Region of the function
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Profile of AWS's configuration files to take credentials from
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Become the function's role by STS before the login, where its trust policy permits that
    #[arg(long, requires = "function")]
    assume_role: bool,
    /// Layer to look at: a directory, or a zip as it is published
    #[arg(long, value_name = "DIR|ZIP")]
    layer: Option<PathBuf>,
    /// Print one JSON object on standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

/// The exit code if nothing can be found out, as for a mistake of usage.
const UNUSABLE: u8 = 2;
/// For the whole walk.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command.
///
/// # Errors
/// Standard output is closed, or the process can do nothing.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot wait for anything")?;
    let report = match runtime.block_on(examine(options)) {
        Ok(report) => report,
        Err(error) => {
            writeln!(io::stderr(), "error: {error:#}").context("cannot say what is wrong")?;
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    let mut out = io::stdout().lock();
    let written = match options.json {
        true => written::json(&report, &mut out),
        false => written::text(&report, &mut out),
    };
    written.context("cannot write the report")?;
    Ok(match report.count(Outcome::Fault) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn examine(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    let patient = Patient::of(options, &mut report).await?;
    let settings = judge_variables(&mut report, &patient.environment);
    let references = settings.as_ref().map_or(0, |settings| settings.references.len());
    let setting = settings.as_ref().map(|settings| WrapperSetting {
        configured: patient.environment.value(v::AWS_LAMBDA_EXEC_WRAPPER),
        waits: settings.waits,
        references,
    });
    let init_timeout = settings.as_ref().and_then(|settings| settings.init_timeout);
    let took = match settings {
        Some(settings) => walk_to_secrets(settings, &patient, options, &mut report).await,
        None => {
            report.not_made(Check::Login, NOTHING_OF_VAULT, &[]);
            None
        }
    };
    layer::check(options.layer.as_deref(), &patient, references > 0, &mut report).await;
    if let Some(setting) = setting {
        judge_wrapper(&mut report, setting, patient.runtime());
    }
    judge_time_outs(
        &mut report,
        TimeOuts {
            initialization_type: patient.environment.value(v::AWS_LAMBDA_INITIALIZATION_TYPE),
            init_timeout,
            function_timeout: patient.timeout(),
            took,
        },
    );
    Ok(report)
}

/// The chain, and what an administrator can say of its middle.
async fn walk_to_secrets(
    settings: Settings,
    patient: &Patient,
    options: &Options,
    report: &mut Report,
) -> Option<Duration> {
    let wanted = Wanted::of(&settings);
    let Settings { vault, identity, .. } = settings;
    let server_name = vault.tls.server_name.clone();
    let lookup = patient.lookup(options, report).await;
    let withheld = caller::why_nobody_logs_in(&identity, patient, options, report).await;
    let administrator = administrator::Administrator::at_hand(&identity);
    let (client, access) = prepare(vault, identity, lookup, withheld, USER_AGENT, report)?;
    let subject = Subject {
        client: &client,
        access: &access,
        wanted: &wanted,
        function_timeout: patient.timeout(),
        deadline: client.clock().deadline_in(PATIENCE),
    };
    let took = walk(&subject, report).await;
    certificate::tell(&client, server_name.as_deref(), report).await;
    if let Some(administrator) = administrator {
        administrator.check(&client, patient.role(), report).await;
    }
    took
}

const USER_AGENT: &str = concat!("strongroom-doctor/", env!("CARGO_PKG_VERSION"));

impl Patient {
    fn runtime(&self) -> Runtime<'_> {
        match &self.function {
            None => Runtime::Unknown,
            Some(function) => match &function.runtime {
                None => Runtime::Image,
                Some(name) => Runtime::of_name(name),
            },
        }
    }
}
