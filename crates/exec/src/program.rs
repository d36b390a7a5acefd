//! The function's program: its arguments as they were given, its variables with those that were resolved.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::io::Errno;
use strongroom_core::settings::variables as v;
use strongroom_core::wrapper::Category;

use crate::failure::Failure;

/// What the wrapper becomes.
pub(crate) struct Program {
    command: Command,
    /// Name and size of the largest variable that was set.
    largest: Option<(String, usize)>,
    /// Whether it is the next wrapper, not the program itself.
    is_wrapper: bool,
}

impl Program {
    /// `program` with its arguments, behind the next wrapper if there is one. That variable is for us alone, so that a
    /// second wrapper of ours does not execute itself for ever.
    pub(crate) fn new(
        next_wrapper: Option<&OsStr>,
        program: OsString,
        arguments: impl Iterator<Item = OsString>,
    ) -> Self {
        let mut command = Command::new(next_wrapper.unwrap_or(&program));
        if next_wrapper.is_some() {
            command.arg(program);
        }
        command.args(arguments).env_remove(v::STRONGROOM_NEXT_WRAPPER);
        Self { command, largest: None, is_wrapper: next_wrapper.is_some() }
    }

    /// Sets these variables; all others stay as they are.
    pub(crate) fn set(&mut self, variables: &[(&OsStr, &OsStr)]) {
        self.command.envs(variables.iter().copied());
        let sizes = variables.iter().map(|(name, value)| (name, name.len() + value.len() + 2));
        let largest = sizes.max_by_key(|(_, size)| *size);
        self.largest = largest.map(|(name, size)| (name.to_string_lossy().into_owned(), size));
    }

    /// Becomes the program, which is looked up in `PATH` as shells do; returns only if that fails.
    pub(crate) fn execute(mut self) -> Failure {
        let error = self.command.exec();
        self.explain(&error)
    }

    fn explain(&self, error: &io::Error) -> Failure {
        let program = self.command.get_program().to_string_lossy();
        let hint = match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR) => "check its path, and that of the interpreter in its first line".to_owned(),
            Some(Errno::ACCESS) => "it must be a file with the x permission: chmod +x".to_owned(),
            Some(Errno::NOEXEC) => "it is built for another processor, or is a script whose first line does not begin with #!".to_owned(),
            Some(Errno::TOOBIG) => {
                let largest = self.largest.as_ref().map_or_else(String::new, |(name, size)| {
                    format!("; the largest that was set is {name} with {size} bytes")
                });
                format!("Linux takes 6 MiB of arguments and variables, a quarter of the stack's limit and 128 KiB in one at most{largest}")
            }
            _ => "check that file".to_owned(),
        };
        let category = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Category::NotFound,
            _ => Category::NotExecutable,
        };
        let what = match self.is_wrapper {
            true => format!("the wrapper that STRONGROOM_NEXT_WRAPPER names, {program},"),
            false => format!("the program {program}"),
        };
        let message = format!("{what} cannot be executed: {error}");
        Failure { category, message, hint: Some(hint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_program_cannot_be_executed_is_explained() {
        let check = |errno: Errno, category, expect: &str| {
            let mut program = Program::new(None, "./app".into(), std::iter::empty());
            let value = "x".repeat(1_000);
            program.set(&[
                ("SMALL".as_ref(), "1".as_ref()),
                ("LARGE".as_ref(), value.as_ref()),
                ("TOKEN".as_ref(), "2".as_ref()),
            ]);
            let failure = program.explain(&errno.into());
            assert_eq!(failure.category, category, "{failure}");
            assert!(failure.message.starts_with("the program ./app cannot be executed: "));
            assert!(failure.hint.as_deref().unwrap_or_default().contains(expect), "{failure}");
        };
        check(Errno::NOENT, Category::NotFound, "path");
        check(Errno::NOTDIR, Category::NotFound, "path");
        check(Errno::ACCESS, Category::NotExecutable, "chmod");
        check(Errno::NOEXEC, Category::NotExecutable, "processor");
        check(Errno::TOOBIG, Category::NotExecutable, "LARGE with 1007 bytes");
        check(Errno::IO, Category::NotExecutable, "check that file");
    }
}
