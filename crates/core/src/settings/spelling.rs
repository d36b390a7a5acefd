//! Which name was probably meant by one that is not known.

/// The one of `known` that is nearest to `name` by letters, whatever their case, if one is near.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long text is no slip of a finger.
    if name.len() > LONGEST_NAME {
        return None;
    }
    let tolerated = (name.len() / LETTERS_FOR_A_SLIP).clamp(1, MOST_SLIPS);
    known
        .into_iter()
        .filter(|known| known.len().abs_diff(name.len()) <= tolerated)
        .map(|known| (distance(name.as_bytes(), known.as_bytes()), known))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Letters to put in, leave out or change: the Levenshtein distance.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (at, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(!letter.eq_ignore_ascii_case(other));
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

const LETTERS_FOR_A_SLIP: usize = 4;
const LONGEST_NAME: usize = 64;
const MOST_SLIPS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_name_is_not() {
        let known = ["VAULT_AUTH_ROLE", "VAULT_ADDR", "path", "VAULT_AUTH_PROVIDER"];
        let check = |name, expect| assert_eq!(nearest(name, known), expect, "{name}");
        check("VAULT_AUTH_ROL", Some("VAULT_AUTH_ROLE"));
        check("VAULT_AUHT_ROLE", Some("VAULT_AUTH_ROLE"));
        check("vault_addr", Some("VAULT_ADDR"));
        check("VAULT_ADDRESS", Some("VAULT_ADDR"));
        check("pat", Some("path"));
        check("field", None);
        check("VAULT_ROLE", None);
        check("DB_PASSWORD", None);
        check("", None);
        check(&"A".repeat(1000), None);
    }
}
