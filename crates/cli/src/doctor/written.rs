//! The report for people, and as the object of `--json`, whose fields are for programs and do not change.

use std::io::{self, Write};

use serde::Serialize;
use strongroom_core::diagnosis::{Finding, Outcome, Report};

use crate::table::printable;

/// Writes one line a check; of what is amiss, four more.
///
/// # Errors
/// Those of `out`.
pub(super) fn text(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let findings = report.findings.as_slice();
    let is_one_line = |a: &Finding, b: &Finding| {
        a.outcome == Outcome::NotMade && b.outcome == Outcome::NotMade && a.came_back == b.came_back
    };
    for group in findings.chunk_by(is_one_line) {
        let Some(finding) = group.first() else { continue };
        let outcome = finding.outcome.name();
        if finding.outcome == Outcome::NotMade {
            let checks =
                group.iter().map(|finding| finding.check.name()).collect::<Vec<_>>().join(", ");
            wrapped(out, &format!("{outcome:<6}"), &format!("{checks}: {}", finding.came_back))?;
        } else if finding.means.is_empty() {
            wrapped(out, &format!("{outcome:<6}{:<14}", finding.check), &finding.came_back)?;
        } else {
            writeln!(out, "{outcome:<6}{}", finding.check)?;
            wrapped(out, "      tried      ", &finding.tried)?;
            wrapped(out, "      came back  ", &finding.came_back)?;
            wrapped(out, "      means      ", &finding.means)?;
            // Not broken: it is to be copied.
            writeln!(out, "      type       {}", printable(&finding.remedy))?;
        }
    }
    writeln!(out, "\n{}", summary(report))
}

fn summary(report: &Report) -> String {
    let named = |outcome, one: &str| {
        let found: Vec<_> =
            report.findings.iter().filter(|finding| finding.outcome == outcome).collect();
        let mut names: Vec<_> = found.iter().map(|finding| finding.check.name()).collect();
        names.dedup();
        let plural = if found.len() == 1 { "" } else { "s" };
        (!found.is_empty()).then(|| format!("{} {one}{plural}: {}", found.len(), names.join(", ")))
    };
    let faults = named(Outcome::Fault, "fault").unwrap_or_else(|| "no fault".to_owned());
    match named(Outcome::Warning, "warning") {
        Some(warnings) => format!("{faults}; {warnings}"),
        None => faults,
    }
}

/// Writes `text` behind `label`, broken at blanks, with the further lines below the first.
fn wrapped(out: &mut impl Write, label: &str, text: &str) -> io::Result<()> {
    let mut line = label.to_owned();
    let mut is_empty = true;
    for word in printable(text).split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(label.len());
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(out, "{}", line.trim_end())
}

const WIDTH: usize = 100;

/// Writes one JSON object.
///
/// # Errors
/// Those of `out`.
pub(super) fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let faults = report.count(Outcome::Fault);
    let written = Written {
        ok: faults == 0,
        faults,
        warnings: report.count(Outcome::Warning),
        findings: report.findings.iter().map(Said::from).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &written)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Written<'a> {
    /// Whether there is no fault.
    ok: bool,
    faults: usize,
    warnings: usize,
    findings: Vec<Said<'a>>,
}

#[derive(Serialize)]
struct Said<'a> {
    check: &'static str,
    /// `fault`, `not_made`, `ok` or `warning`.
    outcome: &'static str,
    tried: &'a str,
    came_back: &'a str,
    means: &'a str,
    /// What to type.
    #[serde(rename = "type")]
    remedy: &'a str,
}

impl<'a> From<&'a Finding> for Said<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            check: finding.check.name(),
            outcome: match finding.outcome {
                Outcome::Fault => "fault",
                Outcome::Holds => "ok",
                Outcome::NotMade => "not_made",
                Outcome::Warning => "warning",
            },
            tried: &finding.tried,
            came_back: &finding.came_back,
            means: &finding.means,
            remedy: &finding.remedy,
        }
    }
}
