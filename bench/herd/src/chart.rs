//! The chart: how many environments have been served, over time, under each policy.

use std::fmt::Write as _;

use crate::run::{Outcome, Policy};

/// Draws the herds to which Vault does not say when to come back, as an SVG that needs no fonts or styles from elsewhere.
pub(crate) fn draw(outcomes: &[Outcome]) -> String {
    let shown: Vec<_> = outcomes.iter().filter(|outcome| !outcome.retry_after_is_sent).collect();
    let seconds = shown.iter().map(|outcome| outcome.served_by_second.len()).max().unwrap_or(1);
    let plot = Plot { seconds: seconds.next_multiple_of(STEP) };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    plot.draw_axes(&mut svg);
    if let Some(outcome) = shown.first() {
        plot.draw_bound(&mut svg, outcome);
    }
    for (index, outcome) in shown.iter().enumerate() {
        plot.draw_line(&mut svg, outcome);
        draw_legend(&mut svg, index, outcome);
    }
    svg.push_str("</svg>\n");
    svg
}

struct Plot {
    /// Width of the plot.
    seconds: usize,
}

impl Plot {
    fn x(&self, second: f64) -> f64 {
        LEFT + second / self.seconds as f64 * (WIDTH - LEFT - RIGHT)
    }

    fn y(share: f64) -> f64 {
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_axes(&self, svg: &mut String) {
        for percent in (0..=100).step_by(20) {
            let y = Self::y(f64::from(percent) / 100.0);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            );
        }
        for second in (0..=self.seconds).step_by(STEP) {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{second} s</text>",
                self.x(second as f64),
                HEIGHT - BOTTOM + 20.0
            );
        }
    }

    /// No policy can be above: the first window is admitted at once, and one each second after it.
    fn draw_bound(&self, svg: &mut String, outcome: &Outcome) {
        let all = f64::from(outcome.environments);
        let rate = f64::from(outcome.logins_admitted_a_second);
        let points = format!(
            "{:.1},{:.1} {:.1},{:.1}",
            self.x(0.0),
            Self::y(rate / all),
            self.x(all / rate - 1.0),
            Self::y(1.0)
        );
        let _ = writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"#999\" stroke-dasharray=\"4 4\"/>"
        );
    }

    fn draw_line(&self, svg: &mut String, outcome: &Outcome) {
        let all = f64::from(outcome.environments);
        let mut points = format!("{:.1},{:.1}", self.x(0.0), Self::y(0.0));
        for (index, served) in outcome.served_by_second.iter().enumerate() {
            let _ = write!(
                points,
                " {:.1},{:.1}",
                self.x(index as f64 + 1.0),
                Self::y(*served as f64 / all)
            );
        }
        let _ = writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            colour(outcome.policy)
        );
    }
}

fn draw_legend(svg: &mut String, index: usize, outcome: &Outcome) {
    let y = HEIGHT - BOTTOM - 76.0 + index as f64 * 22.0;
    let x = WIDTH - RIGHT - 400.0;
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"392\" height=\"20\" fill=\"#fff\"/>\
         <line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{}\" stroke-width=\"3\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\">{}: {:.1} logins tried per environment</text>",
        y - 10.0,
        x + 6.0,
        x + 36.0,
        colour(outcome.policy),
        x + 44.0,
        y + 4.0,
        outcome.policy.name().replace('`', ""),
        outcome.attempts_per_environment
    );
}

fn colour(policy: Policy) -> &'static str {
    match policy {
        Policy::Fail => "#1f6fb4",
        Policy::Incumbent => "#c0392b",
        Policy::Lazy => "#2e8b57",
    }
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 40.0;
/// Seconds between the marks of the axis.
const STEP: usize = 10;
