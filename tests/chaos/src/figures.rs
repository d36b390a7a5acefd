//! What a run has come to, as JSON and for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::oracle::{Finding, Kind};
use crate::plan::Trouble;

/// The figures of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) seed: u64,
    pub(crate) invocations: u64,
    pub(crate) seconds: f64,
    pub(crate) environments: u64,
    pub(crate) failed_inits: BTreeMap<String, u64>,
    pub(crate) leases: usize,
    pub(crate) secrets_written: usize,
    troubles: BTreeMap<&'static str, Counts>,
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    wrong_values: u64,
    crashes: u64,
    deadlines_missed: u64,
    unexplained: u64,
}

/// How often a trouble was drawn, and how often it took effect.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    drawn: u64,
    effective: u64,
}

impl Figures {
    /// Counts the troubles of an invocation.
    pub(crate) fn count_troubles(&mut self, drawn: &[Trouble], effective: &[Trouble]) {
        for trouble in drawn {
            self.troubles.entry(trouble.kind()).or_default().drawn += 1;
        }
        for trouble in effective {
            self.troubles.entry(trouble.kind()).or_default().effective += 1;
        }
    }

    /// Counts what must not be.
    pub(crate) fn count_findings(&mut self, findings: &[Finding]) {
        for finding in findings {
            let count = match finding.kind {
                Kind::Crash => &mut self.crashes,
                Kind::DeadlineMissed => &mut self.deadlines_missed,
                Kind::Unexplained => &mut self.unexplained,
                Kind::WrongValue => &mut self.wrong_values,
            };
            *count += 1;
        }
    }

    /// Whether nothing was found.
    pub(crate) fn is_clean(&self) -> bool {
        self.wrong_values + self.crashes + self.deadlines_missed + self.unexplained == 0
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: u64 = self.failed_inits.values().sum();
        let refusals: u64 = self.refusals.values().sum();
        writeln!(
            f,
            "seed {}: {} invocations in {:.0} s",
            self.seed, self.invocations, self.seconds
        )?;
        writeln!(f, "{:>8} environments", self.environments)?;
        writeln!(f, "{failed:>8} inits failed")?;
        for (error, count) in &self.failed_inits {
            writeln!(f, "{count:>16} {error}")?;
        }
        writeln!(f, "{:>8} versions of the secret", self.secrets_written)?;
        writeln!(f, "{:>8} leases", self.leases)?;
        writeln!(f, "   drawn effective")?;
        for (kind, Counts { drawn, effective }) in &self.troubles {
            writeln!(f, "{drawn:>8} {effective:>9} {kind}")?;
        }
        writeln!(f, "{refusals:>8} refusals, each with its reason")?;
        for (cause, count) in &self.refusals {
            writeln!(f, "{count:>16} {cause}")?;
        }
        writeln!(f, "{:>8} wrong values", self.wrong_values)?;
        writeln!(f, "{:>8} crashes", self.crashes)?;
        writeln!(f, "{:>8} deadlines missed", self.deadlines_missed)?;
        writeln!(f, "{:>8} errors without a reason", self.unexplained)
    }
}
