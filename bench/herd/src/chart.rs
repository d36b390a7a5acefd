//! The chart: how many environments have been served, over time, under each policy.

use strongroom_bench_chart::{Axis, Chart, Line};

use crate::run::{Outcome, Policy};

/// Draws the herds to which Vault does not say when to come back, in shares of the environments over seconds.
pub(crate) fn draw(outcomes: &[Outcome]) -> String {
    let shown: Vec<_> = outcomes.iter().filter(|outcome| !outcome.retry_after_is_sent).collect();
    let seconds = shown.iter().map(|outcome| outcome.served_by_second.len()).max().unwrap_or(1);
    let seconds = (0..=seconds.next_multiple_of(STEP)).step_by(STEP);
    let across = Axis { marks: seconds.map(|at| (at as f64, format!("{at} s"))).collect() };
    let percents = (0..=100).step_by(20);
    let up =
        Axis { marks: percents.map(|at| (f64::from(at) / 100.0, format!("{at} %"))).collect() };
    let lines =
        shown.iter().map(|outcome| served(outcome)).chain(shown.first().map(|any| bound(any)));
    Chart { across, up, lines: lines.collect() }.to_string()
}

fn served(outcome: &Outcome) -> Line {
    let all = f64::from(outcome.environments);
    let served = outcome.served_by_second.iter().enumerate();
    let points = served.map(|(second, served)| (second as f64 + 1.0, *served as f64 / all));
    Line {
        name: format!(
            "{}: {:.1} logins tried per environment",
            outcome.policy.name().replace('`', ""),
            outcome.attempts_per_environment
        ),
        colour: match outcome.policy {
            Policy::Fail => "#1f6fb4",
            Policy::Incumbent => "#c0392b",
            Policy::Lazy => "#2e8b57",
        },
        is_dashed: false,
        points: std::iter::once((0.0, 0.0)).chain(points).collect(),
    }
}

/// No policy can be above: the first window is admitted at once, and one each second after it.
fn bound(outcome: &Outcome) -> Line {
    let all = f64::from(outcome.environments);
    let rate = f64::from(outcome.logins_admitted_a_second);
    Line {
        name: "all that Vault admits".into(),
        colour: "#999",
        is_dashed: true,
        points: vec![(0.0, rate / all), (all / rate - 1.0, 1.0)],
    }
}

/// Seconds between the marks of the axis.
const STEP: usize = 10;
