//! Whether the clock here is one that AWS takes signatures by.

use super::sayings::way;
use super::{Check, Outcome, Report};
use crate::lease::UnixMilliseconds;

/// Compares the time of `peer`, which it gives to the second, with ours.
pub fn judge_clock(
    report: &mut Report,
    peer: &str,
    theirs: UnixMilliseconds,
    ours: UnixMilliseconds,
) {
    let seconds = theirs.abs_diff(ours) / 1000;
    let direction = if ours > theirs { "ahead of" } else { "behind" };
    if seconds <= TOLERABLE {
        return report.holds(
            Check::Clock,
            "at most {0} s off {1}",
            &[&(seconds + 1).to_string(), peer],
        );
    }
    let outcome = if seconds > REFUSED_SOON { Outcome::Fault } else { Outcome::Warning };
    report.say(outcome, &way::CLOCK_IS_OFF, &[&seconds.to_string(), direction, peer]);
}

/// Seconds that do no harm: an answer travels, too.
const TOLERABLE: u64 = 60;
/// Seconds beyond which a login that takes its time fails.
const REFUSED_SOON: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_off_a_little_in_both_directions() {
        let check = |theirs: u64, ours: u64, expect: Outcome, words: &str| {
            let mut report = Report::default();
            judge_clock(&mut report, "Vault", theirs * 1000, ours * 1000);
            assert_eq!(report.findings[0].outcome, expect);
            assert!(report.findings[0].came_back.contains(words), "{report:?}");
        };
        check(1_000, 1_060, Outcome::Holds, "61 s");
        check(1_061, 1_000, Outcome::Warning, "61 s behind that of Vault");
        check(1_000, 1_300, Outcome::Warning, "300 s ahead of");
        check(1_000, 1_301, Outcome::Fault, "301 s ahead of");
    }
}
