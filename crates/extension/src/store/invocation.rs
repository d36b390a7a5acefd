//! The invocation under way, by the wall clock, which may be set while it lasts or between two.

use strongroom_core::lease::UnixMilliseconds;
use strongroom_vault::clock::Deadline;

/// An invocation, from when we were told of it until it times out; none at first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Invocation {
    from: UnixMilliseconds,
    until: UnixMilliseconds,
}

impl Invocation {
    pub(super) fn new(from: UnixMilliseconds, until: UnixMilliseconds) -> Self {
        Self { from, until }
    }

    /// Whether it is under way, as far as a clock can tell: it may have ended before its time.
    pub(super) fn is_under_way(self, now: UnixMilliseconds) -> bool {
        (self.from..self.until).contains(&now)
    }

    /// When a request that comes now must be answered: a little before the invocation times out, so that the function
    /// can still say why. `None` if no invocation is under way.
    ///
    /// Where the clock was set back there is no telling how much of the invocation is left, but it is not more than
    /// all of it; the one that comes next has as long.
    pub(super) fn deadline(self, now: UnixMilliseconds) -> Option<Deadline> {
        let all = self.until.saturating_sub(self.from);
        let left = self.until.saturating_sub(now).min(all);
        // One that comes within the margin has half of what is left.
        let most = left.saturating_sub(MARGIN_BEFORE_TIMEOUT).max(left / 2);
        (1..=LONGEST).contains(&left).then(|| Deadline(now + most))
    }
}

/// Milliseconds before an invocation's time-out at which what is under way for it is given up.
pub(crate) const MARGIN_BEFORE_TIMEOUT: u64 = 200;
/// Milliseconds that an invocation may take in Lambda.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LONGEST: u64 = 15 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: u64 = 1_800_000_000_000;
    const TIMEOUT: u64 = 2_000;

    /// How long a request has that comes so many milliseconds after the extension was told of an invocation.
    fn left_at(after: i64) -> Option<u64> {
        let now = BEGIN.saturating_add_signed(after);
        let deadline = Invocation::new(BEGIN, BEGIN + TIMEOUT).deadline(now)?;
        Some(deadline.0 - now)
    }

    #[test]
    fn a_request_is_answered_a_little_before_its_invocation_times_out() {
        assert_eq!(left_at(0), Some(1_800));
        assert_eq!(left_at(1_000), Some(800));
        assert_eq!(left_at(1_700), Some(150));
        assert_eq!(left_at(1_999), Some(0));
        assert_eq!(left_at(2_000), None);
        assert_eq!(Invocation::default().deadline(BEGIN), None);
    }

    /// Found by the chaos, seed 1, invocation 5354: the clock was set back by 256 s between two invocations, and a
    /// request came before the extension had been told of the second. It was given 258 s.
    #[test]
    fn a_clock_that_was_set_back_gives_nobody_more_than_a_whole_invocation() {
        for back in [1, 256, 7_200] {
            let after = 100 - back * 1_000;
            assert_eq!(left_at(after), Some(1_800), "{back} s");
            let now = BEGIN.saturating_add_signed(after);
            assert!(!Invocation::new(BEGIN, BEGIN + TIMEOUT).is_under_way(now), "{back} s");
        }
    }

    #[test]
    fn what_cannot_be_an_invocation_is_none() {
        let longest = Invocation::new(BEGIN, BEGIN + LONGEST);
        assert_eq!(longest.deadline(BEGIN), Some(Deadline(BEGIN + LONGEST - 200)));
        assert_eq!(Invocation::new(BEGIN, BEGIN + LONGEST + 1).deadline(BEGIN), None);
        assert_eq!(Invocation::new(BEGIN, BEGIN - 1).deadline(BEGIN), None);
    }
}
