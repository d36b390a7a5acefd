//! A cold start as a picture of characters.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Kind, Row, Waterfall};

impl Waterfall {
    /// A heading, and a line for each row, `width` columns wide unless something failed.
    pub(crate) fn draw(&self, width: usize) -> String {
        let end = self.rows.iter().map(|row| row.end).max().unwrap_or_default();
        let scale = Scale { columns: width.saturating_sub(BESIDES), whole: end };
        let mut text = format!("cold start: {}\n", milliseconds(end));
        for row in &self.rows {
            let took = milliseconds(row.end.saturating_sub(row.start));
            let failed = row.failed.as_ref().map(|failed| format!("  {failed}"));
            // Writing to a text does not fail.
            let _ = writeln!(
                text,
                "  {:NAME$} {} {took:>TOOK$}{}",
                shortened(&row.name),
                scale.bar(row),
                failed.unwrap_or_default()
            );
        }
        if self.rows.iter().any(|row| row.registered.is_some()) {
            let _ = writeln!(text, "  {:NAME$} ░ until it registered", "");
        }
        text
    }
}

#[derive(Debug)]
struct Scale {
    columns: usize,
    whole: Duration,
}

impl Scale {
    /// All columns, with the row's time filled in; however short it was, it is seen.
    fn bar(&self, row: &Row) -> String {
        let start = self.column(row.start).min(self.columns.saturating_sub(1));
        let end = self.column(row.end).clamp(start + 1, self.columns.max(start + 1));
        let registered = row.registered.map_or(start, |at| self.column(at).clamp(start, end));
        let full = if row.kind == Kind::Init { '─' } else { '█' };
        (0..self.columns)
            .map(|column| match column {
                column if column < start || column >= end => ' ',
                column if column < registered => '░',
                _ => full,
            })
            .collect()
    }

    /// The column that a moment falls to.
    fn column(&self, at: Duration) -> usize {
        let whole = self.whole.as_nanos().max(1);
        let columns = u128::try_from(self.columns).unwrap_or_default();
        usize::try_from((at.as_nanos() * columns + whole / 2) / whole).unwrap_or(self.columns)
    }
}

/// Of a time, as many digits as mean something.
pub(crate) fn milliseconds(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}

/// Columns of the names.
const NAME: usize = 20;
/// Columns of how long it took.
const TOOK: usize = 9;
/// Columns that are no bar's.
const BESIDES: usize = 2 + NAME + 1 + 1 + TOOK;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind, name: &str, [start, end]: [u64; 2], registered: Option<u64>) -> Row {
        let ms = Duration::from_millis;
        let registered = registered.map(ms);
        Row {
            kind,
            name: name.to_owned(),
            start: ms(start),
            registered,
            end: ms(end),
            failed: None,
        }
    }

    #[test]
    fn bars_stand_where_time_went() {
        let mut rows = vec![
            row(Kind::Environment, "environment", [0, 1], None),
            row(Kind::Extension, "strongroom", [10, 60], Some(30)),
            row(Kind::Runtime, "runtime", [30, 80], None),
            row(Kind::Init, "init", [10, 80], None),
            row(Kind::Invocation, "invocation", [80, 100], None),
        ];
        rows[4].failed = Some("Runtime.ExitError".to_owned());
        let expected = "\
cold start: 100 ms
  environment          █             1.0 ms
  strongroom            ░░███         50 ms
  runtime                 █████       50 ms
  init                  ───────       70 ms
  invocation                   ██     20 ms  Runtime.ExitError
                       ░ until it registered
";
        assert_eq!(Waterfall { rows }.draw(BESIDES + 10), expected);
    }

    #[test]
    fn a_picture_keeps_to_its_width_whatever_it_shows() {
        let rows = [[0, 0], [0, 1], [999_999, 1_000_000], [1_000_000, 1_000_000]];
        let name = "an-extension-with-a-name-that-is-too-long";
        let rows = rows.map(|times| row(Kind::Extension, name, times, Some(0)));
        for (rows, width) in [(rows.to_vec(), 80), (rows.to_vec(), 100), (rows[..1].to_vec(), 80)] {
            let text = Waterfall { rows }.draw(width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.lines().skip(1).all(|line| line.contains(['█', '░'])), "{text}");
        }
    }
}
