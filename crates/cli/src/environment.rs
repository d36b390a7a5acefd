//! The environment that a command is about: a file of variables or the shell's own, and the settings file beside it.

#[cfg(feature = "aws")]
pub(crate) mod assignment;
pub(crate) mod env_file;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use strongroom_core::settings::{Environment, SettingsFile};

/// The variables in the file at `env_file`, or those of this process, and what the settings file at `config` adds, or
/// the one that they name.
///
/// # Errors
/// A file that was named cannot be read, or holds a line that is none of a variable.
pub(crate) fn read(env_file: Option<&Path>, config: Option<&Path>) -> Result<Environment> {
    let environment = match env_file {
        None => Environment::new(of_this_process()),
        // Of a name that stands there twice the last line counts, as for docker.
        Some(path) => Environment::new(BTreeMap::from_iter(env_file::read(path)?)),
    };
    with_settings_file(environment, config)
}

/// The same with what the settings file at `config` adds, or the one that a variable names.
///
/// # Errors
/// The file at `config` cannot be read.
pub(crate) fn with_settings_file(
    environment: Environment,
    config: Option<&Path>,
) -> Result<Environment> {
    let Some(path) = config else {
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
