//! `strongroom lab`: the whole practice on one machine, from an empty Vault to a function that
//! has read its secret, and the proof that what must fail does. Nothing outside this machine is
//! called, and nothing is left behind.

mod aws;
mod checks;
mod counter_proofs;
mod environment;
mod function;
mod practice;
mod report;
mod setup;
mod vault;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use strongroom_host::Function;

use self::checks::Checks;
use self::environment::Layer;
pub(crate) use self::function::compiled::{is_sample_function, sample_function};
use self::function::{Sample, Sight};
use self::report::Report;
use self::vault::Kind;
use crate::steps::Steps;

/// Run the whole practice on this machine: Vault, AWS, a function with the layer, and the proofs
///
/// Starts a Vault and stand-ins for AWS's STS and IAM, sets AWS auth up as a person would,
/// attaches the layer to a function in a local Lambda, which reads its secret by variable, by file
/// and through the local Vault API, calls it cold and warm, rotates the secret and calls it again. Then it proves that a wrong secret key, an unbound role and a
/// wrong server id are refused for the right reason. Exits with 0 only if every check held.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The extension's binary; without it, `strongroom-extension` beside this program
    #[arg(long, value_name = "PATH")]
    extension: Option<PathBuf>,
    /// The exec wrapper's binary; without it, `strongroom-exec` beside this program
    #[arg(long, value_name = "PATH")]
    exec: Option<PathBuf>,
    /// `bin/python` of a virtual environment that holds `awslambdaric`; without it, a compiled
    /// sample function runs in place of a Python one
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// A `vault` binary, or the harness of the test bed, to run in place of the embedded Vault
    #[arg(long, value_name = "PATH")]
    vault: Option<PathBuf>,
    /// Leave everything running at the end, say how to talk to it, and wait for Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Show the secret's values instead of masks
    #[arg(long)]
    reveal: bool,
    /// Print one JSON object on standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

/// What was asked for, after everything that can be wrong with it was looked at.
struct Plan {
    function: Function,
    keep: bool,
    layer: Layer,
    vault: Kind,
}

/// What a run brings to light.
struct Findings {
    checks: Checks,
    /// What processes wrote, by environment.
    logs: Vec<(String, Vec<strongroom_host::LogLine>)>,
    moments: Vec<Moment>,
    /// What makes the environment less like Lambda.
    notes: Vec<String>,
    /// What ran the function; empty until that is known.
    runtime: String,
    steps: Steps,
    /// `embedded` or `external`.
    vault_kind: &'static str,
    /// Empty until Vault has told it.
    vault_version: String,
}

/// What the function saw at one moment, and what Vault held then.
struct Moment {
    held: secrecy::SecretString,
    name: &'static str,
    sight: Sight,
}

/// Runs the practice and reports it. With `--keep` it does not return: `settled` then holds the
/// exit code for whoever ends it.
///
/// # Errors
/// There is no temporary directory, or the report cannot be written. That the practice fails is
/// told by the report and the exit code.
pub(crate) async fn run(options: Options, settled: &OnceCell<ExitCode>) -> Result<ExitCode> {
    let scratch = tempfile::Builder::new()
        .prefix("strongroom-lab-")
        .tempdir()
        .context("cannot make a temporary directory")?;
    let mut findings = Findings {
        checks: Checks::default(),
        logs: Vec::new(),
        moments: Vec::new(),
        notes: Vec::new(),
        runtime: String::new(),
        steps: Steps::new(),
        vault_kind: if options.vault.is_some() { "external" } else { "embedded" },
        vault_version: String::new(),
    };
    let outcome = match plan(&options, scratch.path(), &mut findings).await {
        Ok(plan) => practice::run(&plan, scratch.path(), &mut findings).await,
        Err(error) => Err(error),
    };
    let ended = match &outcome {
        Ok(_) => Ok("every step was taken".to_owned()),
        Err(error) => Err(format!("{error:#}")),
    };
    findings.checks.add("the practice ran to its end", ended);
    let report = Report::new(&findings);
    if options.json {
        report.print_json()?;
    } else {
        report.print_tables(options.reveal)?;
    }
    let is_ok = findings.checks.all_hold();
    if !is_ok {
        report.print_logs()?;
    }
    let code = if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if let Ok(Some(kept)) = &outcome {
        report::print_kept(kept)?;
        settled.get_or_init(|| code);
        std::future::pending::<()>().await;
    }
    Ok(code)
}

async fn plan(options: &Options, scratch: &Path, findings: &mut Findings) -> Result<Plan> {
    let sample = Sample::choose(options.python.as_deref()).await?;
    findings.runtime = sample.runtime();
    findings.steps.say(&sample.introduction());
    let code = scratch.join("code");
    std::fs::create_dir(&code).context("cannot make a directory for the function")?;
    Ok(Plan {
        function: sample.install(&code)?,
        keep: options.keep,
        layer: Layer::build(&extension(options)?, &exec(options)?, scratch)?,
        vault: Kind::detect(options.vault.as_deref()).await?,
    })
}

fn extension(options: &Options) -> Result<PathBuf> {
    program(options.extension.as_ref(), "extension", "strongroom-extension", "--extension")
}

fn exec(options: &Options) -> Result<PathBuf> {
    program(options.exec.as_ref(), "exec wrapper", "strongroom-exec", "--exec")
}

/// The program that was given, or else the one that lies beside this.
fn program(given: Option<&PathBuf>, what: &str, name: &str, option: &str) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.clone(),
        None => std::env::current_exe()
            .context("cannot tell where this program lies")?
            .with_file_name(name),
    };
    if !path.is_file() {
        bail!(
            "there is no {what} at {}; hint: `cargo lab` builds it, or give its path with {option}",
            path.display()
        );
    }
    Ok(path)
}
