//! `strongroom layer`: brings the layer into an account of the user's own, and to functions there.

mod attach;
pub(crate) mod files;
mod package;
mod publish;
mod snippets;

use std::process::ExitCode;

use anyhow::Result;
use strongroom_core::diagnosis::Architecture;

/// Publish the layer in your own account, and attach it to functions
///
/// AWS is asked by the credentials of the shell or of a profile. Exits with 0, with 1 if something is wrong or was
/// refused, or with 2 for a mistake of usage.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Attach(attach::Options),
    Publish(publish::Options),
}

/// Runs the command.
///
/// # Errors
/// AWS refuses or does not answer, or what it is given cannot be used.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    match options.command {
        Command::Attach(options) => attach::run(options).await,
        Command::Publish(options) => publish::run(options).await,
    }
}

/// What a layer for this processor is called, after the name that was given for all.
fn layer_name(name: &str, architecture: Architecture) -> String {
    match architecture {
        Architecture::Arm64 => format!("{name}-arm64"),
        Architecture::X86_64 => name.to_owned(),
    }
}

/// What the layers are called, unless another name is given.
const NAME: &str = "strongroom";
/// What `AWS_LAMBDA_EXEC_WRAPPER` names.
const WRAPPER: &str = "/opt/strongroom/exec";
