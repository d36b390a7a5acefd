//! `strongroom layer`: brings the layer into an account of the user's own, and to functions there.

mod attach;
pub(crate) mod files;
mod package;
mod publish;
mod snippets;

use std::process::ExitCode;

use anyhow::Result;

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

/// A processor of Lambda's.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
enum Arch {
    #[value(alias = "aarch64")]
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

impl Arch {
    /// Its name, as Lambda has it.
    fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// What a layer for it is called, after the name that was given for all.
    fn layer_name(self, name: &str) -> String {
        match self {
            Self::Arm64 => format!("{name}-arm64"),
            Self::X86_64 => name.to_owned(),
        }
    }

    fn to_lambda(self) -> aws_sdk_lambda::types::Architecture {
        match self {
            Self::Arm64 => aws_sdk_lambda::types::Architecture::Arm64,
            Self::X86_64 => aws_sdk_lambda::types::Architecture::X8664,
        }
    }
}

/// What the layers are called, unless another name is given.
const NAME: &str = "strongroom";
/// What `AWS_LAMBDA_EXEC_WRAPPER` names.
const WRAPPER: &str = "/opt/strongroom/exec";
