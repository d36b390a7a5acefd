//! The extension: gives a Lambda function its Vault secrets as files and through a local Vault API.

mod assembly;
mod clock;
mod delivery;
mod doctor;
mod exit;
mod lambda;
mod lifecycle;
mod log;
mod process;
mod store;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::settings::{self, Environment, Finding};

#[cfg(feature = "fuzzing")]
pub use delivery::client_request;
use exit::{Category, Failure};

/// How the extension names itself to Vault.
pub(crate) const USER_AGENT: &str = concat!("strongroom/", env!("CARGO_PKG_VERSION"));

/// The program: runs until Lambda ends the environment, or until something fails.
#[must_use]
pub fn run() -> ExitCode {
    let environment = Environment::new(std::env::vars_os().filter_map(|(name, value)| {
        // No variable of ours is anything but UTF-8.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    }));
    let environment = environment.with_settings_file(read_up_to);
    let (log, found) = settings::log(&environment);
    log::install(log);
    process::harden();
    warn_of(&found.warnings);
    match start(environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let hint = failure.hint.as_deref().unwrap_or("see docs/errors.md");
            tracing::error!(error = failure.category.error_type(), "{failure}; hint: {hint}");
            ExitCode::from(failure.category.exit_code())
        }
    }
}

fn read_up_to(path: &str, limit: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(limit as u64).read_to_end(&mut content)?;
    Ok(content)
}

fn start(environment: Environment) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime
        .map_err(|error| Failure::new(Category::LambdaApi, format!("cannot start: {error}")))?;
    let environment = Arc::new(environment);
    let name = executable_name();
    let spent = match settings::is_doctor_called(&environment) {
        true => runtime.block_on(doctor::examine(&environment, &name)),
        false => Duration::ZERO,
    };
    let (settings, found) = settings::parse(&environment);
    warn_of(&found.warnings);
    let Some(settings) = settings else { return Err(config_failure(&found.errors)) };
    let outcome = runtime.block_on(lifecycle::run(settings, environment, name, spent));
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    outcome
}

fn warn_of(warnings: &[Finding]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

fn config_failure(errors: &[Finding]) -> Failure {
    let all = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Failure::new(Category::Config, format!("the settings are wrong: {all}"))
        .with_hint("see docs/variables.md")
}

/// Lambda knows an extension by the file name of its executable.
fn executable_name() -> String {
    let first = std::env::args_os().next().unwrap_or_default();
    Path::new(&first).file_name().and_then(|name| name.to_str()).unwrap_or("strongroom").to_owned()
}
