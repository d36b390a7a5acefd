//! The exec wrapper: asks the extension for the function's secrets, puts them into variables, and becomes the
//! function's program. `AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec`, or `exec /opt/strongroom/exec ./app`.
//!
//! It talks to the extension and, when it fails, to Lambda; never to Vault. Nothing of it is left in the process that
//! the program becomes but the variables.

mod answer;
mod deadline;
mod extension;
mod failure;
mod json;
mod log;
mod program;
mod report;
mod told;
mod variables;

use std::ffi::OsString;
use std::process::ExitCode;

use strongroom_core::wrapper::USAGE_EXIT_CODE;

#[cfg(feature = "fuzzing")]
pub use answer::fuzzing::wrapper_answer;

use answer::Answer;
use extension::Unasked;
use failure::Failure;
use log::{Level, Log};
use program::Program;
use told::Told;

/// The program: becomes the function's, or says why not.
#[must_use]
pub fn run() -> ExitCode {
    let told = Told::by(std::env::vars_os());
    let log = Log { format: told.log_format };
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        log.write(Level::Error, USAGE, None);
        return ExitCode::from(USAGE_EXIT_CODE);
    };
    let failure = become_program(&told, &log, program, arguments);
    log.write(Level::Error, &failure.to_string(), Some(failure.category.error_type()));
    if let Some(address) = &told.runtime_api
        && let Err(reason) = report::init_error(address, &failure)
    {
        log.write(Level::Warn, &format!("Lambda was not told why: {reason}"), None);
    }
    ExitCode::from(failure.category.exit_code())
}

/// Returns only if the program was not started.
fn become_program(
    told: &Told,
    log: &Log,
    program: OsString,
    arguments: impl Iterator<Item = OsString>,
) -> Failure {
    let mut program = Program::new(told.next_wrapper.as_deref(), program, arguments);
    match extension::ask(&told.socket, told.patience) {
        Ok(Answer::Refused(failure)) => return failure,
        Ok(Answer::TooLate(failure)) if !told.references.is_empty() => return failure,
        Ok(Answer::TooLate(failure)) => {
            let line = format!("the program starts without variables: {}", failure.message);
            log.write(Level::Warn, &line, None);
        }
        Ok(Answer::Variables(body)) => match variables::parse(&body) {
            Err(unusable) => return unusable.into(),
            Ok(variables) => {
                if let Some(unknown) = told.first_without(&variables) {
                    return Failure::unknown_to_the_extension(unknown);
                }
                program.set(&told.to_be_set(variables));
            }
        },
        Err(unasked) if unasked.is_silence() || !told.references.is_empty() => {
            return Failure::unasked(&told.references, &unasked);
        }
        Err(Unasked::Untrusted(what)) => {
            let line = format!("the extension is not asked for variables: {what}");
            log.write(Level::Warn, &line, None);
        }
        // No variable refers to a secret, and nobody is there who might hold the program back for its files.
        Err(_) => {}
    }
    program.execute()
}

const USAGE: &str = "usage: strongroom/exec PROGRAM [ARGUMENT]...; in Lambda's own runtimes set \
                     AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec, elsewhere write exec /opt/strongroom/exec ./app";
