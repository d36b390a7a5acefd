//! `strongroom explain`: what an environment and a settings file will do, before they do it.
//!
//! What a setting means is decided where the extension has it decided, in `strongroom-core`:
//! here its answers are only shown.

mod explanation;
mod tables;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use self::explanation::Explanation;
use crate::environment;

/// Say what an environment and a settings file will do
///
/// Prints each setting with its source and meaning, each secret with where it goes, and the
/// warnings and errors that the extension would give. What may be a secret is masked. Exits with
/// 0, with 1 if the extension would refuse to start, or with 2 if nothing can be explained.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Variables to explain, one NAME=value a line as for `docker --env-file`; without it, those
    /// of this process
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Settings file to read; without it, the one that STRONGROOM_CONFIG names, or
    /// /var/task/strongroom.toml if it exists
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object on standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

/// The exit code if nothing can be explained, as for a mistake of usage.
const UNUSABLE: u8 = 2;

/// Runs the command.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let environment =
        match environment::read(options.env_file.as_deref(), options.config.as_deref()) {
            Ok(environment) => environment,
            Err(error) => {
                writeln!(io::stderr(), "error: {error:#}").context("cannot say what is wrong")?;
                return Ok(ExitCode::from(UNUSABLE));
            }
        };
    let explanation = Explanation::of(&environment);
    let mut out = io::stdout().lock();
    let written = if options.json {
        let text = serde_json::to_string_pretty(&explanation)?;
        writeln!(out, "{text}")
    } else {
        tables::write(&explanation, &mut out)
    };
    written.context("cannot write the explanation")?;
    Ok(if explanation.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
