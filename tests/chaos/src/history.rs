//! What was written to Vault and when, and so what may be read.

use strongroom_chaos::{Micros, now};

/// A value of the secret. It is long, so that half of one is seen to be half.
#[derive(Clone, Debug)]
struct Written {
    /// When the write was sent: nobody can have read it before.
    begun: Micros,
    /// When Vault had answered: nobody can read an older one from then on.
    done: Micros,
}

/// The values of the secret, in order. Each is told by its number.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// How much simulated time is ahead of the machine's, in microseconds.
    ahead: Micros,
    written: Vec<Written>,
}

impl History {
    /// The value with this number, as it is written to Vault.
    pub(crate) fn value(number: usize) -> String {
        format!("<{number}:{}>", "-".repeat(number % 97))
    }

    /// The number of a value, if it is whole.
    pub(crate) fn number(value: &str) -> Option<usize> {
        let number = value.strip_prefix('<')?.split_once(':')?.0.parse().ok()?;
        (Self::value(number) == value).then_some(number)
    }

    /// The number that the next value has.
    pub(crate) fn next(&self) -> usize {
        self.written.len()
    }

    /// Writes the next value by `write`.
    pub(crate) fn write(&mut self, write: impl FnOnce(&str)) {
        let begun = self.now();
        write(&Self::value(self.written.len()));
        let done = self.now();
        self.written.push(Written { begun, done });
    }

    /// Simulated time.
    pub(crate) fn now(&self) -> Micros {
        self.simulated(now())
    }

    /// A point of the machine's time, which lies after the last sleep, in simulated time.
    pub(crate) fn simulated(&self, time: Micros) -> Micros {
        time + self.ahead
    }

    /// Lets simulated time pass.
    pub(crate) fn sleep(&mut self, seconds: u64) {
        self.ahead += seconds * 1_000_000;
    }

    /// Whether Vault may have held this value at some moment from `from` to `until`, in simulated time.
    pub(crate) fn was_current(&self, number: usize, from: Micros, until: Micros) -> bool {
        let Some(written) = self.written.get(number) else { return false };
        let replaced = self.written.get(number + 1).map_or(Micros::MAX, |next| next.done);
        written.begun <= until && replaced >= from
    }

    /// How long ago, in seconds, Vault held this value last, seen from `then`.
    pub(crate) fn age(&self, number: usize, then: Micros) -> f64 {
        let replaced = self.written.get(number + 1).map_or(then, |next| next.done);
        std::time::Duration::from_micros(then.saturating_sub(replaced)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_current_until_the_next_is_written_and_never_before_its_own_write() {
        let written = |begun, done| Written { begun, done };
        let history =
            History { ahead: 0, written: vec![written(10, 20), written(50, 60), written(90, 95)] };
        let check = |number, from, until, expect| {
            assert_eq!(history.was_current(number, from, until), expect, "{number} {from} {until}");
        };
        check(0, 5, 9, false);
        check(0, 5, 10, true);
        check(0, 60, 70, true);
        check(0, 61, 70, false);
        check(1, 40, 49, false);
        check(1, 40, 50, true);
        check(2, 200, 300, true);
        check(3, 0, 300, false);
    }

    #[test]
    fn half_a_value_is_none() {
        let whole = History::value(90);
        assert_eq!(History::number(&whole), Some(90));
        assert_eq!(History::number(&whole[..whole.len() - 1]), None);
        assert_eq!(History::number(&whole.replacen("90", "9", 1)), None);
        assert_eq!(History::number(""), None);
    }
}
