//! Results: as a table for people, as JSON for programs, and as the chart and the figures of `docs/herd.md`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

use crate::chart;
use crate::run::Outcome;

/// The table of all outcomes.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut table = String::from(
        "| | served at 10 s | 30 s | 60 s | 120 s | 95 % served after | all after | attempts per environment | starts of \
         the extension | 429s | capacity used to 95 % | to the last |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for outcome in outcomes {
        let retry_after = if outcome.retry_after_is_sent { ", `Retry-After` sent" } else { "" };
        let _ = write!(table, "| {}{retry_after}", outcome.policy.name());
        for (_, share) in &outcome.share_served_at_seconds {
            let _ = write!(table, " | {:.0} %", share * 100.0);
        }
        let _ = writeln!(
            table,
            " | {:.0} s | {:.0} s | {:.1} | {:.1} | {:.0} % | {:.0} % | {:.0} % |",
            outcome.seconds_to_95_percent,
            outcome.seconds_to_the_last,
            outcome.attempts_per_environment,
            outcome.starts_per_environment,
            outcome.share_refused * 100.0,
            outcome.capacity_used_to_95_percent * 100.0,
            outcome.capacity_used_to_the_last * 100.0,
        );
    }
    table
}

/// Writes results, chart and figures into the workspace.
///
/// # Errors
/// If a file cannot be read or written, or the page has no place for the figures.
#[expect(clippy::disallowed_methods, reason = "results hold no secrets")]
pub(crate) fn write(outcomes: &[Outcome], workspace: &Path) -> anyhow::Result<()> {
    let results = serde_json::to_string_pretty(outcomes)? + "\n";
    std::fs::write(workspace.join("bench/results/herd.json"), results)?;
    std::fs::write(workspace.join("docs/herd.svg"), chart::draw(outcomes))?;
    let page = workspace.join("docs/herd.md");
    let text = std::fs::read_to_string(&page).context("docs/herd.md")?;
    std::fs::write(&page, with_figures(&text, &table(outcomes))?)?;
    Ok(())
}

/// The page with these figures in the place of those that stood there.
fn with_figures(page: &str, figures: &str) -> anyhow::Result<String> {
    let (before, rest) =
        page.split_once(BEGIN).context("docs/herd.md has no line where the figures begin")?;
    let (_, after) =
        rest.split_once(END).context("docs/herd.md has no line where the figures end")?;
    Ok(format!("{before}{BEGIN}\n{figures}{END}{after}"))
}

const BEGIN: &str = "<!-- figures: written by cargo xtask herd -->";
const END: &str = "<!-- end of figures -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_replace_those_that_stood_on_the_page() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let written = with_figures(&page, "new\n").unwrap();
        assert_eq!(written, format!("above\n{BEGIN}\nnew\n{END}\nbelow\n"));
        assert_eq!(with_figures(&written, "new\n").unwrap(), written);
        assert!(with_figures("no place", "new\n").is_err());
    }
}
