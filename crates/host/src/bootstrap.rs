//! What starts a managed runtime's process: a script, as Lambda's own `/var/runtime/bootstrap` is one.
//!
//! It is this script that honours `AWS_LAMBDA_EXEC_WRAPPER`, not Lambda itself.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html>

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;

use crate::HostError;
use crate::config::Runtime;
use crate::sandbox::{Roots, Sandbox};
use crate::spawner::EXECUTABLES;

/// Writes the script to [`Roots::runtime`]`/bootstrap`, unless the function or a layer brings its own.
pub(crate) fn write(
    runtime: &Runtime,
    sandbox: &Sandbox,
    roots: &Roots,
    namespace: bool,
) -> Result<(), HostError> {
    let Some(lang) = &sandbox.lang else { return Ok(()) };
    let seen = if namespace { Path::new("/var/lang") } else { lang };
    let failed = |source| HostError::Directory { what: "runtime".to_owned(), source };
    let (name, command, main) = match runtime {
        Runtime::Managed { name, command, .. } => {
            let words = command.iter().map(|word| quoted(&translated(word, seen, roots)));
            // The clients of AWS take the handler as their last argument.
            let words = words.chain([r#""$_HANDLER""#.to_owned()]);
            (name.clone(), words.collect::<Vec<_>>().join(" "), None)
        }
        Runtime::Provided => return Ok(()),
        Runtime::Python { interpreter } => {
            let name =
                python_name(lang, interpreter).map_err(failed)?.to_string_lossy().into_owned();
            let interpreter = seen.join("bin").join(&name).display().to_string();
            let file = roots.runtime.join("bootstrap.py").display().to_string();
            let opt = format!("{:?}", roots.opt.display().to_string());
            let main = PYTHON_MAIN.replace("{OPT}", &opt);
            (name, format!("{} {}", quoted(&interpreter), quoted(&file)), Some(main))
        }
    };
    let script = SCRIPT.replace("{NAME}", &name).replace("{COMMAND}", &command);
    let _nobody_forks = EXECUTABLES.write().unwrap_or_else(PoisonError::into_inner);
    write_file(&sandbox.runtime().join("bootstrap"), &script, 0o755).map_err(failed)?;
    let Some(main) = main else { return Ok(()) };
    write_file(&sandbox.runtime().join("bootstrap.py"), &main, 0o644).map_err(failed)
}

/// A word of a command with Lambda's paths replaced by where they lie; it may be a list of paths.
fn translated(word: &str, lang: &Path, roots: &Roots) -> String {
    let part = |part: &str| match part.strip_prefix("/var/lang") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", lang.display())
        }
        _ => roots.translate(part),
    };
    word.split(':').map(part).collect::<Vec<_>>().join(":")
}

fn write_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}

/// `python3.x`, the name under which Lambda's runtimes know their interpreter: its own, or else
/// that of the newest beside it.
fn python_name(lang: &Path, interpreter: &Path) -> io::Result<OsString> {
    fn minor(name: &OsStr) -> Option<u8> {
        name.to_str()?.strip_prefix("python3.")?.parse().ok()
    }
    if let Some(name) = interpreter.file_name().filter(|name| minor(name).is_some()) {
        return Ok(name.to_owned());
    }
    let names = fs::read_dir(lang.join("bin"))?.filter_map(|entry| Some(entry.ok()?.file_name()));
    let newest = names.filter_map(|name| Some((minor(&name)?, name))).max();
    let none = || io::Error::other(format!("no python3.x in {}/bin", lang.display()));
    newest.map(|(_, name)| name).ok_or_else(none)
}

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

const SCRIPT: &str = r#"#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_{NAME}
set -- {COMMAND}
if [ -z "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
  exec "$@"
fi
if [ ! -f "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
  echo "$AWS_LAMBDA_EXEC_WRAPPER: does not exist"
  exit 127
fi
if [ ! -x "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
  echo "$AWS_LAMBDA_EXEC_WRAPPER: is not an executable"
  exit 126
fi
exec "$AWS_LAMBDA_EXEC_WRAPPER" "$@"
"#;

/// The order of `sys.path` is Lambda's: code, layers, runtime.
/// <https://docs.aws.amazon.com/lambda/latest/dg/python-package.html#python-package-searchpath>
const PYTHON_MAIN: &str = r#"import os
import runpy
import sys

version = "python%d.%d" % sys.version_info[:2]
sys.path[0:1] = [
    os.environ["LAMBDA_TASK_ROOT"],
    os.path.join({OPT}, "python/lib", version, "site-packages"),
    os.path.join({OPT}, "python"),
]
sys.argv = ["awslambdaric", os.environ["_HANDLER"]]
runpy.run_module("awslambdaric", run_name="__main__")
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_called_by_its_version() {
        let lang = tempfile::tempdir().unwrap();
        fs::create_dir(lang.path().join("bin")).unwrap();
        let check = |interpreter: &str, expected: &str| {
            let name = python_name(lang.path(), &lang.path().join("bin").join(interpreter));
            assert_eq!(name.unwrap(), expected);
        };
        for name in ["python3", "python3.9", "python3.11", "python3.12-config"] {
            write_file(&lang.path().join("bin").join(name), "", 0o755).unwrap();
        }
        check("python3", "python3.11");
        check("python3.9", "python3.9");
    }

    #[test]
    fn the_words_of_a_command_are_translated_path_by_path() {
        let roots = Roots {
            opt: "/a/opt".into(),
            runtime: "/a/runtime".into(),
            task: "/code".into(),
            tmp: "/a/tmp".into(),
        };
        let check = |word: &str, expected: &str| {
            assert_eq!(translated(word, Path::new("/a/lang"), &roots), expected);
        };
        check("/var/lang/bin/java", "/a/lang/bin/java");
        check("/var/lang/lib/*:/var/task:/var/task/lib/*", "/a/lang/lib/*:/code:/code/lib/*");
        check("/var/language", "/var/language");
        check("-Xshare:auto", "-Xshare:auto");
    }
}
