//! Python, with `awslambdaric`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use strongroom_host::Runtime;

use super::{Interpreter, Wanted};

pub(super) async fn runtime(minor: u32, wanted: Wanted<'_>) -> Result<Runtime> {
    let name = format!("python3.{minor}");
    let mut names = vec![PathBuf::from(&name), PathBuf::from("python3")];
    if let Some(environment) = std::env::var_os("VIRTUAL_ENV") {
        names.insert(0, Path::new(&environment).join("bin/python"));
    }
    let interpreter = Interpreter::find(wanted.interpreter, &names)?;
    let shown = interpreter.path().display();
    let said = interpreter.ask(&["-c", WHAT_ARE_YOU]).await?;
    let mut lines = said.stdout.lines();
    let Some((found, home)) =
        lines.next().zip(lines.next()).filter(|(found, _)| found.parse::<u32>().is_ok())
    else {
        bail!("{shown} is no Python: it said {:?}", said.stderr.lines().last().unwrap_or_default());
    };
    if found != minor.to_string() {
        bail!(
            "{shown} is Python 3.{found}, and the runtime is to be {name}; hint: --runtime python3.{found}, or name \
             another one by --interpreter"
        );
    }
    if !said.is_ok {
        bail!(
            "{shown} has no awslambdaric, which is AWS's runtime interface client for Python ({}); hint: {name} -m \
             venv .lambda && .lambda/bin/pip install awslambdaric, then --interpreter .lambda/bin/python",
            said.stderr.lines().last().unwrap_or("it said nothing")
        );
    }
    // A launcher, such as those of pyenv, is not where its Python lies.
    let interpreter = Path::new(home).join("bin").join(&name);
    if !interpreter.is_file() {
        bail!("there is no {} beside {shown}", interpreter.display());
    }
    Interpreter::find(Some(&interpreter), &[])?;
    Ok(Runtime::Python { interpreter })
}

/// Its version and its home, and then what may fail.
const WHAT_ARE_YOU: &str =
    "import sys; print(sys.version_info[1]); print(sys.prefix, flush=True); import awslambdaric";
