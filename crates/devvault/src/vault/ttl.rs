//! How long a token or a lease is granted for, in whole seconds as Vault reckons.
//! <https://github.com/hashicorp/vault/blob/v1.14.0/sdk/framework/lease.go>

use jiff::{SignedDuration, Timestamp};

use super::duration;

/// Nothing is left of the longest life.
#[derive(Debug)]
pub(super) struct PastMaximum;

impl PastMaximum {
    pub(super) const MESSAGE: &'static str = "past the max TTL, cannot renew";
}

/// What of `asked` seconds can be granted at `now` to what was issued at `issued` and may live
/// for `most` seconds in all; with a warning if it is less than was asked for.
pub(super) fn granted(
    asked: i64,
    most: i64,
    issued: Timestamp,
    now: Timestamp,
) -> Result<(i64, Vec<String>), PastMaximum> {
    // Both moments lose their fractions, so that what is left is whole too.
    let age = now.as_second().saturating_sub(issued.as_second());
    let left = most.saturating_sub(age);
    if left <= 0 {
        return Err(PastMaximum);
    }
    if asked <= left {
        return Ok((asked, Vec::new()));
    }
    let warning = format!(
        "TTL of {:?} exceeded the effective max_ttl of {:?}; TTL value is capped accordingly",
        duration::text(asked),
        duration::text(left)
    );
    Ok((left, vec![warning]))
}

pub(super) fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_granted_past_the_longest_life() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).expect("a moment");
        let check = |asked, issued, now, expect: Option<(i64, usize)>| {
            let given = granted(asked, 6, at(issued), at(now)).ok();
            assert_eq!(given.map(|(seconds, warnings)| (seconds, warnings.len())), expect);
        };
        check(4, 10_900, 10_900, Some((4, 0)));
        check(4, 10_900, 12_899, Some((4, 0)));
        check(4, 10_900, 13_000, Some((3, 1)));
        check(4, 10_900, 15_999, Some((1, 1)));
        check(4, 10_900, 16_000, None);
        // A clock that was set back leaves more, never an overflow.
        check(4, 10_900, 0, Some((4, 0)));
        assert_eq!(granted(5, i64::MAX, at(10_900), at(0)).expect("granted").0, 5);
    }
}
