//! A plan as people and programs read it.

use std::io::{self, Write};

use serde::Serialize;

use super::plan::Plan;
use super::step::{Change, Line};

/// What is done with a plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    Apply,
    Destroy,
}

/// The object of `--json`.
#[derive(Serialize)]
struct Object<'a> {
    /// Whether it can be applied.
    ok: bool,
    steps: Vec<Line>,
    unchanged: &'a [String],
    notes: &'a [String],
    problems: &'a [String],
}

/// Writes the plan as one JSON object.
pub(super) fn write_json(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let object = Object {
        ok: plan.problems.is_empty(),
        steps: plan.steps.iter().map(super::step::Step::line).collect(),
        unchanged: &plan.unchanged,
        notes: &plan.notes,
        problems: &plan.problems,
    };
    writeln!(out, "{}", serde_json::to_string_pretty(&object)?)
}

/// Writes the plan for what is at `place`, a line for each step and below it what it does.
pub(super) fn write(
    plan: &Plan,
    place: &str,
    direction: Direction,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{place}\n")?;
    for thing in plan.unchanged.iter().filter(|_| direction == Direction::Apply) {
        writeln!(out, "  = {thing}")?;
    }
    for line in plan.steps.iter().map(super::step::Step::line) {
        let sign = match line.change {
            Change::Alter => '~',
            Change::Make => '+',
            Change::Remove => '-',
        };
        writeln!(out, "  {sign} {}", line.what)?;
        for how in line.how {
            writeln!(out, "      {how}")?;
        }
    }
    for note in &plan.notes {
        writeln!(out, "\nnote: {note}")?;
    }
    for problem in &plan.problems {
        writeln!(out, "\nerror: {problem}")?;
    }
    writeln!(out, "\n{}", summary(plan, direction))
}

fn summary(plan: &Plan, direction: Direction) -> String {
    let count =
        |wanted: Change| plan.steps.iter().filter(|step| step.line().change == wanted).count();
    match (plan.problems.len(), direction) {
        (0, _) if plan.steps.is_empty() => match direction {
            Direction::Apply => "Everything is as it should be.".to_owned(),
            Direction::Destroy => "Nothing here was made by setup.".to_owned(),
        },
        (0, _) => format!(
            "{} to make, {} to change, {} to remove, {} as they should be.",
            count(Change::Make),
            count(Change::Alter),
            count(Change::Remove),
            plan.unchanged.len()
        ),
        (1, _) => "Nothing is done before the error above is put right.".to_owned(),
        (many, _) => format!("Nothing is done before the {many} errors above are put right."),
    }
}
