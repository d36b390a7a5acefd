//! What differs from vault-lambda-extension, in the words of the documentation.

/// Each difference, and the way back.
pub(super) fn all() -> Vec<(String, String)> {
    let section = PAGE.split_once(HEADING).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    // Two rows say what the columns are.
    let rows = rows.filter(|row| !row.starts_with("difference |"));
    let cells = rows.filter_map(|row| row.split_once(" | "));
    cells.map(|(difference, way_back)| (plain(difference), plain(way_back))).collect()
}

/// Without the marks of Markdown: of a link its text is left.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((label, tail)) = after.split_once("](") else { break };
        let Some((_, tail)) = tail.split_once(')') else { break };
        plain.push_str(before);
        plain.push_str(label);
        rest = tail;
    }
    plain.push_str(rest);
    plain.replace('`', "")
}

const PAGE: &str = include_str!("../../../../../docs/from-vle.md");
const HEADING: &str = "## Where you may notice, and the way back\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_of_the_page_is_shown_without_its_marks() {
        let all = all();
        assert!(all.len() >= 20, "{all:#?}");
        let missing = "A missing or deleted secret fails init.".to_owned();
        assert_eq!(all[0], (missing, "STRONGROOM_MISSING_SECRET=null".to_owned()));
        assert!(
            all.iter()
                .all(|(difference, way_back)| !difference.contains("](") && !way_back.is_empty())
        );
        assert_eq!(plain("read as [settings](a.md), `x` or [y]"), "read as settings, x or [y]");
    }
}
