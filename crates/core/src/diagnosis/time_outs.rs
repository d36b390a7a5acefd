//! Whether what is waited for fits into the time that Lambda gives.

use std::time::Duration;

use super::sayings::sandbox;
use super::{Check, Report};
use crate::wrapper::default_init_timeout;

/// What may take how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeOuts<'a> {
    /// How the environment is prepared, as `AWS_LAMBDA_INITIALIZATION_TYPE` says.
    pub initialization_type: Option<&'a str>,
    /// `STRONGROOM_INIT_TIMEOUT`
    pub init_timeout: Option<Duration>,
    /// How long an invocation of the function may take.
    pub function_timeout: Option<Duration>,
    /// How long the chain took when it was walked just now, to its end.
    pub took: Option<Duration>,
}

/// Compares them.
pub fn judge_time_outs(report: &mut Report, time_outs: TimeOuts<'_>) {
    let TimeOuts { initialization_type, function_timeout, took, .. } = time_outs;
    let budget =
        time_outs.init_timeout.unwrap_or_else(|| default_init_timeout(initialization_type));
    let is_on_demand = matches!(initialization_type, None | Some("on-demand"));
    let budget_in_seconds = seconds(budget);
    let mut is_well = true;
    if is_on_demand && budget >= LIMIT_ON_DEMAND {
        is_well = false;
        report.warning(&sandbox::INIT_TOO_LONG, &[&budget_in_seconds]);
    }
    if let Some(function) = function_timeout.filter(|function| is_on_demand && *function < budget) {
        is_well = false;
        report.warning(&sandbox::FUNCTION_TOO_SHORT, &[&seconds(function), &budget_in_seconds]);
    }
    let took_in_milliseconds = took.map_or_else(String::new, |took| took.as_millis().to_string());
    let found = [took_in_milliseconds.as_str(), budget_in_seconds.as_str()];
    match took {
        Some(took) if took > budget => report.fault(&sandbox::SLOW, &found),
        Some(took) if took * 2 > budget => report.warning(&sandbox::SLOW, &found),
        Some(_) if is_well => {
            let text = "the chain took {0} ms, and login and secrets have {1} s at the start";
            report.holds(Check::TimeOuts, text, &found);
        }
        None if is_well => {
            report.holds(Check::TimeOuts, "{1} s for login and secrets at the start", &found)
        }
        _ => {}
    }
}

/// To a tenth, without the fractions that would bring their own code into the layer.
fn seconds(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis() / 100) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
const LIMIT_ON_DEMAND: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::super::Outcome::{self, Fault, Holds, Warning};
    use super::*;

    #[test]
    fn what_does_not_fit_is_told() {
        let check = |time_outs: TimeOuts<'_>, expect: &[(Outcome, &str)]| {
            let mut report = Report::default();
            judge_time_outs(&mut report, time_outs);
            let found: Vec<_> = report.findings.iter().map(|finding| finding.outcome).collect();
            assert_eq!(found, expect.iter().map(|(outcome, _)| *outcome).collect::<Vec<_>>());
            for (finding, (_, words)) in report.findings.iter().zip(expect) {
                assert!(finding.came_back.contains(words), "{finding:?}");
            }
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let none = TimeOuts::default();
        check(none, &[(Holds, "8 s")]);
        check(TimeOuts { init_timeout: seconds(10), ..none }, &[(Warning, "10 s, and Lambda")]);
        let prepared = TimeOuts { initialization_type: Some("snap-start"), ..none };
        check(prepared, &[(Holds, "60 s")]);
        check(TimeOuts { function_timeout: seconds(3), ..prepared }, &[(Holds, "60 s")]);
        check(TimeOuts { function_timeout: seconds(3), ..none }, &[(Warning, "3 s for an")]);
        check(TimeOuts { function_timeout: seconds(8), ..none }, &[(Holds, "8 s")]);
        check(TimeOuts { took: seconds(4), ..none }, &[(Holds, "4000 ms")]);
        check(TimeOuts { took: seconds(5), ..none }, &[(Warning, "5000 ms")]);
        check(TimeOuts { took: seconds(9), ..none }, &[(Fault, "9000 ms, and login")]);
    }
}
