//! What the parts are made with, and whether it is here.

use std::process::Command;

use anyhow::{Result, bail};

/// A program of the machine that some part cannot be made without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toolchain {
    Cargo,
    Compiler,
    Go,
    Java,
    Make,
    Maven,
    Python,
}

impl Toolchain {
    /// Its version, as it prints it.
    ///
    /// # Errors
    /// If it is not installed.
    pub(super) fn version(self) -> Result<String> {
        let (program, argument) = match self {
            Self::Cargo => ("cargo", "--version"),
            Self::Compiler => ("c++", "--version"),
            Self::Go => ("go", "version"),
            Self::Java => ("javac", "--version"),
            Self::Make => ("make", "--version"),
            Self::Maven => ("mvn", "--version"),
            Self::Python => ("python3", "--version"),
        };
        match Command::new(program).arg(argument).output() {
            Ok(output) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            _ => bail!("{program} is not installed"),
        }
    }
}
