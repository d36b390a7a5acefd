//! Tables for people, as wide as the terminal.

use std::io;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};

/// Columns of a table, where the terminal does not say.
const DEFAULT_WIDTH: u16 = 120;
/// Below this a table is unreadable: better that the terminal breaks its lines.
const NARROWEST: u16 = 60;

/// An empty table.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width())
        .set_header(header);
    table
}

/// Of the terminal, or what fits most windows.
fn width() -> u16 {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    size.map(|size| size.ws_col).filter(|columns| *columns >= NARROWEST).unwrap_or(DEFAULT_WIDTH)
}
