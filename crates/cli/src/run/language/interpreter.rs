//! A program of this machine that runs code, and what of its files the processes of an environment see.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// One that exists.
#[derive(Debug)]
pub(super) struct Interpreter {
    path: PathBuf,
}

/// What it said when it was asked something.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) is_ok: bool,
    pub(super) stderr: String,
    pub(super) stdout: String,
}

impl Interpreter {
    /// The one that was given, or else the first of `names` on PATH.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn find(given: Option<&Path>, names: &[PathBuf]) -> Result<Self> {
        let path = match given {
            Some(path) if path.is_file() => path.to_owned(),
            Some(path) => bail!("there is no interpreter at {}", path.display()),
            None => on_path(names).with_context(|| {
                let names: Vec<_> = names.iter().map(|name| name.display().to_string()).collect();
                format!("no {} is on PATH; hint: name it by --interpreter", names.join(" or "))
            })?,
        };
        let path = std::path::absolute(&path).context("cannot tell where this program runs")?;
        let interpreter = Self { path };
        // What it is a link to is what runs.
        let real = interpreter.path.canonicalize().unwrap_or_else(|_| interpreter.path.clone());
        if !real.starts_with(interpreter.language().canonicalize().unwrap_or_default()) {
            check_visible(&real)?;
        }
        Ok(interpreter)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that becomes `/var/lang`.
    pub(super) fn language(&self) -> &Path {
        self.path.ancestors().nth(2).unwrap_or_else(|| Path::new("/"))
    }

    /// Runs it.
    ///
    /// # Errors
    /// It does not run, or does not end.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<Said> {
        let shown = self.path.display();
        let output =
            tokio::process::Command::new(&self.path).args(arguments).kill_on_drop(true).output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .with_context(|| format!("{shown} did not answer within {PATIENCE:?}"))?
            .with_context(|| format!("cannot run the interpreter {shown}"))?;
        Ok(Said {
            is_ok: output.status.success(),
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            stdout: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        })
    }

    /// What processes of the environment call a file or directory of AWS's client.
    ///
    /// # Errors
    /// They do not see it.
    pub(super) fn inside(&self, file: &Path, code: &Path) -> Result<String> {
        let file = std::path::absolute(file).context("cannot tell where this program runs")?;
        let code = std::path::absolute(code).context("cannot tell where this program runs")?;
        for (ours, theirs) in [(self.language(), "/var/lang"), (&code, "/var/task")] {
            if let Ok(rest) = file.strip_prefix(ours) {
                return Ok(Path::new(theirs).join(rest).display().to_string());
            }
        }
        check_visible(&file)?;
        Ok(file.display().to_string())
    }
}

fn on_path(names: &[PathBuf]) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH")?;
    let directories: Vec<_> = std::env::split_paths(&directories).collect();
    let candidates = names.iter().flat_map(|name| {
        // A name that is a path stands for itself.
        directories.iter().map(move |directory| directory.join(name))
    });
    candidates.into_iter().find(|path| path.is_file())
}

/// An environment has directories of its own where this machine has others.
fn check_visible(path: &Path) -> Result<()> {
    let hidden = ["/opt", "/tmp", "/var/lang", "/var/runtime", "/var/task"];
    if let Some(hidden) = hidden.iter().find(|hidden| path.starts_with(hidden)) {
        bail!(
            "{} cannot be used: processes of the environment see another {hidden}; hint: have it elsewhere, for \
             example in your home directory",
            path.display()
        );
    }
    Ok(())
}

/// How long an interpreter may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(20);
