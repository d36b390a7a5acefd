//! Why the exec wrapper does not start the function's program: each reason with its exit code and the type that Lambda
//! keeps.
//!
//! The reference page `docs/errors.md` is generated from this table, and CI compares the two.

use std::time::Duration;

/// How long login and secrets may take where `STRONGROOM_INIT_TIMEOUT` does not say: Lambda gives init 10 s on demand,
/// and much more where environments are prepared ahead.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
pub fn default_init_timeout(initialization_type: Option<&str>) -> Duration {
    match initialization_type {
        None | Some("on-demand") => Duration::from_secs(8),
        Some(_) => Duration::from_secs(60),
    }
}

/// What the wrapper asks the extension for.
pub const REQUEST_PATH: &str = "/environment";

/// Where the extension listens for it, where `STRONGROOM_SOCKET` does not say.
pub const DEFAULT_SOCKET: &str = "/tmp/.strongroom/socket";

/// The most bytes that `NAME=value` may have, with the NUL behind it: Linux's `MAX_ARG_STRLEN`.
/// <https://man7.org/linux/man-pages/man2/execve.2.html>
pub const LARGEST_VARIABLE: usize = 128 * 1024;

/// The exit code of a wrapper that was called without a program; nothing is reported to Lambda.
pub const USAGE_EXIT_CODE: u8 = 2;

/// Whose matter a failure is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Category {
    /// The program is there, but cannot be executed.
    NotExecutable,
    /// The program is not there.
    NotFound,
    /// A variable's secret.
    SecretUnavailable,
}

impl Category {
    /// All of them, in the order of their exit codes.
    pub const ALL: [Self; 3] = [Self::SecretUnavailable, Self::NotExecutable, Self::NotFound];

    /// The process's exit code, as shells and those of coreutils' programs that execute others have it.
    /// <https://www.gnu.org/software/coreutils/manual/html_node/env-invocation.html>
    pub fn exit_code(self) -> u8 {
        match self {
            Self::SecretUnavailable => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
        }
    }

    /// The error type that is reported to Lambda, which keeps `Runtime.` with letters behind it.
    pub fn error_type(self) -> &'static str {
        match self {
            Self::NotExecutable | Self::NotFound => "Runtime.StrongroomExec",
            Self::SecretUnavailable => "Runtime.StrongroomSecretUnavailable",
        }
    }

    /// What has happened.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NotExecutable => {
                "The program may not be executed, is for another processor, or has too many bytes of arguments and variables."
            }
            Self::NotFound => {
                "The program, the one that `STRONGROOM_NEXT_WRAPPER` names, or the interpreter of either is not there."
            }
            Self::SecretUnavailable => {
                "The secret of a variable could not be had, or the extension could not be asked for it; the message names variable, path, reason and next step."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_differ_and_types_are_what_lambda_keeps() {
        let mut codes: Vec<_> = Category::ALL.iter().map(|category| category.exit_code()).collect();
        codes.push(USAGE_EXIT_CODE);
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Category::ALL.len() + 1);
        for category in Category::ALL {
            let kept = category.error_type().strip_prefix("Runtime.").unwrap();
            assert!(kept.bytes().all(|byte| byte.is_ascii_alphabetic()));
        }
    }
}
