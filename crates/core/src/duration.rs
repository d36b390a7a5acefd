//! Durations as Go writes them (`1h30m`, `250ms`, `-5s`), which is how Vault's clients read them.
//! <https://pkg.go.dev/time#ParseDuration>

use std::time::Duration;

/// A duration that may be negative, as a grace period can be.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct SignedMilliseconds(pub i64);

/// Parses Go's notation; `None` for what Go refuses, such as a number without a unit.
pub fn parse(text: &str) -> Option<SignedMilliseconds> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedMilliseconds(0));
    }
    let mut nanoseconds: u128 = 0;
    loop {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let number = billionths(&rest[..digits])?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        nanoseconds += number.checked_mul(nanoseconds_of(&rest[..unit])?)? / BILLION;
        rest = &rest[unit..];
        if rest.is_empty() {
            break;
        }
    }
    // Go's durations are 64-bit nanoseconds: about 292 years.
    let nanoseconds = i64::try_from(nanoseconds).ok()?;
    Some(SignedMilliseconds(sign * (nanoseconds / 1_000_000)))
}

/// Parses Go's notation of a duration above zero.
pub fn above_zero(text: &str) -> Option<Duration> {
    parse(text)?.as_duration().filter(|duration| !duration.is_zero())
}

/// A decimal number such as `1`, `.5` or `1.25`, times 10⁹; what comes after the ninth decimal is
/// cut. By hand, because the standard library's exact reading of floating point brings 13 KB.
pub fn billionths(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > MOST_DIGITS {
        return None;
    }
    let digits = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(9));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    Some(digits.fold(0, |number, digit| number * 10 + u128::from(digit - b'0')))
}

/// Parses what Vault's clients take for a time-out: whole seconds, or Go's notation.
pub fn parse_seconds_or_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    parse(text)?.as_duration()
}

impl SignedMilliseconds {
    /// The duration, unless it is negative.
    pub fn as_duration(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_millis)
    }
}

fn nanoseconds_of(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => BILLION,
        "m" => 60 * BILLION,
        "h" => 3_600 * BILLION,
        _ => return None,
    })
}

const BILLION: u128 = 1_000_000_000;
const MOST_DIGITS: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read_and_everything_else_is_refused() {
        let check = |text, expect: Option<i64>| {
            assert_eq!(parse(text), expect.map(SignedMilliseconds), "{text:?}");
        };
        check("10s", Some(10_000));
        check("1h30m", Some(5_400_000));
        check("1.5s", Some(1_500));
        check(".5m", Some(30_000));
        check("250ms", Some(250));
        check("-5s", Some(-5_000));
        check("+5s", Some(5_000));
        check("0", Some(0));
        check("0s", Some(0));
        check("5µs", Some(0));
        for refused in [
            "",
            "300",
            "1d",
            "s",
            "1",
            "1 s",
            " 1s",
            "1s ",
            "-",
            "1.2.3s",
            "soon",
            "9e9h",
            "99999999999h",
        ] {
            check(refused, None);
        }
    }

    #[test]
    fn a_client_time_out_is_seconds_or_a_duration() {
        let check = |text, expect| assert_eq!(parse_seconds_or_duration(text), expect, "{text:?}");
        check("1", Some(Duration::from_secs(1)));
        check("500ms", Some(Duration::from_millis(500)));
        check("0", Some(Duration::ZERO));
        check("-1", None);
        check("soon", None);
    }
}
