//! Asks before something is changed that was shown.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};

/// Whether whoever sits there agrees.
///
/// # Errors
/// Nobody sits there.
pub(crate) fn is_given() -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody is there to agree to this; hint: look at what is to be done, and pass --yes");
    }
    write!(io::stderr(), "Do this? [y/N] ").context("cannot ask")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    let is_given = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if !is_given {
        writeln!(io::stderr(), "Nothing was done.").context("cannot say so")?;
    }
    Ok(is_given)
}
