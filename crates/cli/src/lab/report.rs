//! What a run has found: tables for people, one JSON object for programs.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::practice::Kept;
use super::{Findings, Moment};
use crate::table::table;

/// A run, ready to be shown.
pub(crate) struct Report<'a> {
    findings: &'a Findings,
}

/// The object of `--json`.
#[derive(Serialize)]
struct Object<'a> {
    ok: bool,
    vault: VaultObject<'a>,
    runtime: &'a str,
    steps: Vec<StepObject<'a>>,
    checks: Vec<CheckObject<'a>>,
}

#[derive(Serialize)]
struct VaultObject<'a> {
    kind: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct StepObject<'a> {
    name: &'a str,
    ms: f64,
}

#[derive(Serialize)]
struct CheckObject<'a> {
    name: &'static str,
    ok: bool,
    detail: &'a str,
}

impl<'a> Report<'a> {
    pub(crate) fn new(findings: &'a Findings) -> Self {
        Self { findings }
    }

    /// Prints the object and nothing else.
    pub(crate) fn print_json(&self) -> Result<()> {
        let findings = self.findings;
        let object = Object {
            ok: findings.checks.all_hold(),
            vault: VaultObject { kind: findings.vault_kind, version: &findings.vault_version },
            runtime: &findings.runtime,
            steps: findings
                .steps
                .taken()
                .iter()
                .map(|step| StepObject { name: &step.name, ms: milliseconds(step.took) })
                .collect(),
            checks: findings
                .checks
                .all()
                .iter()
                .map(|check| CheckObject { name: check.name, ok: check.ok, detail: &check.detail })
                .collect(),
        };
        let text = serde_json::to_string_pretty(&object)?;
        writeln!(io::stdout(), "{text}").context("cannot write the report")
    }

    /// Prints what the function saw, what held, and how long each step took.
    pub(crate) fn print_tables(&self, reveal: bool) -> Result<()> {
        let findings = self.findings;
        let mut out = io::stdout().lock();
        let written = (|| {
            if !findings.moments.is_empty() {
                let sights = sights(&findings.moments, reveal);
                writeln!(
                    out,
                    "\nWhat the function saw, of the values that Vault held 1st and 2nd\n{sights}"
                )?;
            }
            if !findings.steps.taken().is_empty() {
                writeln!(out, "\nSteps\n{}", steps(findings))?;
            }
            let mut checks = table(["", "check", "because"]);
            for check in findings.checks.all() {
                let mark = if check.ok { "holds" } else { "BROKEN" };
                checks.add_row([mark, check.name, check.detail.as_str()]);
            }
            writeln!(out, "\nChecks\n{checks}")?;
            for note in &findings.notes {
                writeln!(out, "note: {note}")?;
            }
            let held = findings.checks.all().iter().filter(|check| check.ok).count();
            let all = findings.checks.all().len();
            let vault = match findings.vault_version.as_str() {
                "" => "Vault did not start".to_owned(),
                version => format!("{} Vault {version}", findings.vault_kind),
            };
            writeln!(out, "\n{held} of {all} checks held; {vault}; {}", findings.runtime)
        })();
        written.context("cannot write the report")
    }

    /// Prints what the processes wrote, on standard error: for finding out what went wrong.
    pub(crate) fn print_logs(&self) -> Result<()> {
        let mut out = io::stderr().lock();
        let written: io::Result<()> = self.findings.logs.iter().try_for_each(|(label, lines)| {
            writeln!(out, "\nLog of {label}")?;
            if lines.is_empty() {
                writeln!(out, "  (nothing was written)")?;
            }
            lines.iter().try_for_each(|line| writeln!(out, "  {}: {}", line.source, line.text))
        });
        written.context("cannot write the logs")
    }
}

/// Says how to talk to what is left running, on standard error.
pub(crate) fn print_kept(kept: &Kept) -> Result<()> {
    let mut out = io::stderr().lock();
    let written = (|| {
        writeln!(out, "\nStill running, until Ctrl-C:")?;
        writeln!(out, "  export VAULT_ADDR={}", kept.server.url())?;
        // Listed: whoever asks to keep it wants to use it, and it ends with this process.
        writeln!(out, "  export VAULT_TOKEN={}", kept.server.root_token().expose_secret())?;
        writeln!(out, "  vault kv get -mount={} lambda", super::setup::MOUNT)?;
        writeln!(out, "the function's local Vault API, which needs no token:")?;
        writeln!(out, "  curl {}/v1/{}", kept.environment.proxy(), super::setup::SECRET)?;
        writeln!(out, "STS and IAM: {}", kept.server.aws().url())
    })();
    written.context("cannot say how to talk to what is kept")
}

fn sights(moments: &[Moment], reveal: bool) -> Table {
    let mut known: Vec<&SecretString> = Vec::new();
    for moment in moments {
        if !known.iter().any(|known| known.expose_secret() == moment.held.expose_secret()) {
            known.push(&moment.held);
        }
    }
    let shown = |value: Option<&SecretString>| match value {
        None => "-".to_owned(),
        Some(value) => show(value, &known, reveal),
    };
    let header = [
        "invocation",
        "by variable",
        "by file",
        "by proxy",
        "by proxy, cached",
        "Vault holds",
        "equal to Vault's",
    ];
    let mut table = table(header);
    for Moment { held, name, sight } in moments {
        let ways = [
            ("variable", &sight.variable),
            ("file", &sight.file),
            ("proxy", &sight.proxy),
            ("cached", &sight.cached),
        ];
        let is_equal = |value: &Option<SecretString>| {
            value.as_ref().is_some_and(|value| value.expose_secret() == held.expose_secret())
        };
        let equal: Vec<&str> =
            ways.iter().filter(|(_, value)| is_equal(value)).map(|(way, _)| *way).collect();
        table.add_row([
            (*name).to_owned(),
            shown(sight.variable.as_ref()),
            shown(sight.file.as_ref()),
            shown(sight.proxy.as_ref()),
            shown(sight.cached.as_ref()),
            shown(Some(held)),
            equal.join(", "),
        ]);
    }
    table
}

fn steps(findings: &Findings) -> Table {
    let mut table = table(["step", "ms"]);
    for step in findings.steps.taken() {
        table.add_row([step.name.clone(), format!("{:.1}", milliseconds(step.took))]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A value, or a mask of it; and which of those that Vault held it is.
fn show(value: &SecretString, known: &[&SecretString], reveal: bool) -> String {
    let plain = value.expose_secret();
    let which = match known.iter().position(|known| known.expose_secret() == plain) {
        Some(0) => "1st".to_owned(),
        Some(1) => "2nd".to_owned(),
        Some(index) => format!("{}th", index + 1),
        None => "not Vault's".to_owned(),
    };
    // Listed: `--reveal` asks for it.
    let text = if reveal { plain } else { "********" };
    format!("{text} ({which})")
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_masked_and_told_from_another() {
        let (first, second) = (SecretString::from("one"), SecretString::from("two"));
        let known = [&first, &second];
        let check = |value: &SecretString, reveal, expected: &str| {
            assert_eq!(show(value, &known, reveal), expected);
        };
        check(&first, false, "******** (1st)");
        check(&second, false, "******** (2nd)");
        check(&"three".into(), false, "******** (not Vault's)");
        check(&second, true, "two (2nd)");
    }
}
