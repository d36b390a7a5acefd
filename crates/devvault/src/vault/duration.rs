//! Durations as Vault reads and writes them: whole seconds, or Go's `1h30m` with `d` for days.

use serde_json::Value;

/// Whole seconds from a JSON number, a string of digits, or a Go duration.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => from_text(text.trim()),
        _ => None,
    }
}

fn from_text(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let unit = &after[..after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len())];
        total += number * seconds_in(unit)?;
        rest = &after[unit.len()..];
    }
    #[expect(clippy::cast_possible_truncation, reason = "a float cast to an integer saturates")]
    Some(total as i64)
}

fn seconds_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "d" => 86_400.0,
        "h" => 3_600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 0.001,
        _ => return None,
    })
}

/// As Vault prints a TTL: `1m40s`, `2h30m`, `0s`.
pub(super) fn text(seconds: i64) -> String {
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let shown: String = parts
        .into_iter()
        .filter(|(count, _)| *count != 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_vault_reads() {
        for (given, expect) in [
            (json!(300), Some(300)),
            (json!("300"), Some(300)),
            (json!("5m"), Some(300)),
            (json!("1h30m"), Some(5400)),
            (json!("1.5h"), Some(5400)),
            (json!("7d"), Some(604_800)),
            (json!(""), Some(0)),
            (json!("h"), None),
            (json!("5 minutes"), None),
            (json!([]), None),
        ] {
            assert_eq!(seconds(&given), expect, "{given}");
        }
    }

    #[test]
    fn prints_as_vault_prints() {
        assert_eq!([100, 9000, 4, 0].map(text), ["1m40s", "2h30m", "4s", "0s"]);
    }
}
