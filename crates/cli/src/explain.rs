//! `strongroom explain`: what an environment and a settings file will do, before they do it.
//!
//! What a setting means is decided where the extension has it decided, in `strongroom-core`:
//! here its answers are only shown.

mod env_file;
mod explanation;
mod tables;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use strongroom_core::settings::{Environment, SettingsFile};

use self::explanation::Explanation;

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
    let environment = match environment(options) {
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

fn environment(options: &Options) -> Result<Environment> {
    let environment = match &options.env_file {
        None => Environment::new(of_this_process()),
        // Of a name that stands there twice the last line counts, as for docker.
        Some(path) => Environment::new(BTreeMap::from_iter(env_file::read(path)?)),
    };
    let Some(path) = &options.config else {
        return Ok(environment.with_settings_file(|path, limit| read_up_to(path.as_ref(), limit)));
    };
    // One byte more than it may have is enough to see that it is too large.
    let content = read_up_to(path, SettingsFile::MAXIMUM_SIZE + 1);
    let content = content.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(environment.with_file(SettingsFile::parse(&path.display().to_string(), &content)))
}

/// As the extension sees it: what is not UTF-8 is no variable of ours.
fn of_this_process() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn read_up_to(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(limit as u64).read_to_end(&mut content)?;
    Ok(content)
}
