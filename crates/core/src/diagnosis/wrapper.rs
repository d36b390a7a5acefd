//! Whether the exec wrapper is one that the runtime runs, and whether anything waits for it.

use super::sayings::sandbox;
use super::{Check, Outcome, Report};
use crate::settings::Waits;

/// What runs the function's program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Runtime<'a> {
    /// An image, whose entry point decides.
    Image,
    /// One of AWS's, such as `python3.13`, whose start-up script heeds `AWS_LAMBDA_EXEC_WRAPPER`.
    Managed(&'a str),
    /// One of the family `provided`, which does not.
    OsOnly(&'a str),
    /// Nobody said.
    Unknown,
}

impl<'a> Runtime<'a> {
    /// What Lambda calls so.
    #[must_use]
    pub fn of_name(name: &'a str) -> Self {
        if name.starts_with("provided") { Self::OsOnly(name) } else { Self::Managed(name) }
    }
}

/// What is set.
#[derive(Clone, Copy, Debug)]
pub struct WrapperSetting<'a> {
    /// `AWS_LAMBDA_EXEC_WRAPPER`
    pub configured: Option<&'a str>,
    /// `STRONGROOM_WAIT`
    pub waits: Waits,
    /// How many of the function's variables refer to secrets.
    pub references: usize,
}

/// Where the layer has it.
const OURS: &str = "/opt/strongroom/exec";

/// Compares what is set with the runtime.
pub fn judge_wrapper(report: &mut Report, setting: WrapperSetting<'_>, runtime: Runtime<'_>) {
    let WrapperSetting { configured, waits, references } = setting;
    let is_ours = configured == Some(OURS);
    let needs_it = references > 0 || waits == Waits::Wrapper;
    if !needs_it {
        let text = match is_ours {
            true => "there, though no variable refers to a secret",
            false => "not needed: no variable refers to a secret",
        };
        return report.holds(Check::Wrapper, text, &[]);
    }
    let references = references.to_string();
    match (runtime, configured) {
        (Runtime::Managed(name), Some(OURS)) => {
            report.holds(Check::Wrapper, "{0} starts the program by /opt/strongroom/exec", &[name]);
        }
        (Runtime::Unknown, Some(OURS)) => report.holds(
            Check::Wrapper,
            "set; AWS's runtimes heed it, but not those of the family provided, nor images with an entry point of their own",
            &[],
        ),
        // Only where the variable is all that was done is it sure to be in vain.
        (Runtime::OsOnly(name), _) => {
            let outcome = if is_ours { Outcome::Fault } else { Outcome::Warning };
            report.say(outcome, &sandbox::NOT_HEEDED, &[&references, name]);
        }
        (Runtime::Image, _) => report.warning(&sandbox::ENTRY_POINT_DECIDES, &[&references]),
        (_, None) => report.fault(&sandbox::WRAPPER_UNSET, &[&references]),
        (_, Some(other)) => report.fault(&sandbox::OTHER_WRAPPER, &[&references, other]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome::{Fault, Holds, Warning};
    use super::*;

    #[test]
    fn the_wrapper_must_be_set_and_heeded_where_variables_refer_to_secrets() {
        let check = |configured, references, runtime, expect: Outcome, words: &str| {
            let mut report = Report::default();
            let setting = WrapperSetting { configured, waits: Waits::WrapperIfHeeded, references };
            judge_wrapper(&mut report, setting, runtime);
            let [finding] = &report.findings[..] else { panic!("{report:?}") };
            assert_eq!(finding.outcome, expect, "{finding:?}");
            assert!(format!("{finding:?}").contains(words), "{finding:?}");
        };
        let python = Runtime::of_name("python3.13");
        let provided = Runtime::of_name("provided.al2023");
        check(None, 0, python, Holds, "not needed");
        check(Some(OURS), 0, python, Holds, "though");
        check(Some(OURS), 1, python, Holds, "python3.13 starts");
        check(None, 1, python, Fault, "set AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec");
        check(Some("/opt/other"), 1, python, Fault, "STRONGROOM_NEXT_WRAPPER=/opt/other");
        check(Some(OURS), 1, provided, Fault, "does not heed");
        check(None, 1, provided, Warning, "exec /opt/strongroom/exec ./app");
        check(Some(OURS), 1, Runtime::Image, Warning, "entry point decides");
        check(Some(OURS), 1, Runtime::Unknown, Holds, "provided");
        check(None, 1, Runtime::Unknown, Fault, "unset");
    }
}
