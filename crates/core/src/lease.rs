//! When a token must be renewed or replaced: arithmetic over wall-clock milliseconds.
//!
//! Wall clock, because an execution environment is frozen between invocations and the
//! monotonic clock may stand still meanwhile.

use crate::duration::SignedMilliseconds;

/// Milliseconds since the Unix epoch.
pub type UnixMilliseconds = u64;

/// The life of a token, as login or renewal answered it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lease {
    /// When it was granted.
    pub granted: UnixMilliseconds,
    /// How long it lives; `None` for ever.
    pub milliseconds: Option<u64>,
    /// Whether it can be renewed.
    pub renewable: bool,
}

/// What a token needs before it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// It can be used, and should be renewed.
    Renewal,
    /// A new login.
    Login,
}

impl Lease {
    /// A lease of `seconds`, granted at `now`; zero seconds is for ever, as Vault says for a root token.
    pub fn new(now: UnixMilliseconds, seconds: u64, renewable: bool) -> Self {
        Self {
            granted: now,
            milliseconds: (seconds > 0).then(|| seconds.saturating_mul(1000)),
            renewable,
        }
    }

    /// Whether the token still lives.
    #[must_use]
    pub fn is_alive(&self, now: UnixMilliseconds) -> bool {
        self.milliseconds.is_none_or(|life| now < self.granted.saturating_add(life))
    }

    /// What the token needs if it is used until `until`.
    ///
    /// `grace` is how long before its end the token counts as expired. A grace period longer than
    /// half the token's life would have us log in for every request, so it is cut to a tenth.
    /// A clock that stands before the grant has been set back: the lease cannot be judged,
    /// and Vault, asked, will say whether the token is dead.
    pub fn need(
        &self,
        now: UnixMilliseconds,
        until: UnixMilliseconds,
        grace: SignedMilliseconds,
    ) -> Need {
        let Some(life) = self.milliseconds else { return Need::Nothing };
        let life_signed = i64::try_from(life).unwrap_or(i64::MAX);
        let grace = if grace.0 > life_signed / 2 { life_signed / 10 } else { grace.0 };
        let left_at = |time: u64| {
            life_signed - i64::try_from(time.saturating_sub(self.granted)).unwrap_or(i64::MAX)
        };
        if left_at(now) <= grace {
            return Need::Login;
        }
        let in_last_fifth = left_at(now) < life_signed / 5;
        let needed = i64::try_from(until.saturating_sub(now)).unwrap_or(i64::MAX);
        // A token that cannot live that long is not asked for again and again.
        let new_one_lasts = life_signed > needed.saturating_add(grace);
        let ends_before_until = left_at(until) <= grace && new_one_lasts;
        match (self.renewable, in_last_fifth, ends_before_until) {
            (true, true, _) | (true, _, true) => Need::Renewal,
            (false, _, true) => Need::Login,
            _ => Need::Nothing,
        }
    }
}

/// The life of a secret that Vault leased to us.
/// <https://developer.hashicorp.com/vault/docs/concepts/lease>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SecretLease {
    /// When it was granted, or last renewed.
    granted: UnixMilliseconds,
    /// How long it lives from then.
    milliseconds: u64,
    /// How long it lived when the secret was read.
    at_first: u64,
    /// Whether it can be renewed.
    renewable: bool,
}

/// What a secret needs to stay good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecretNeed {
    /// Nothing.
    Nothing,
    /// To be read again.
    Reading,
    /// Its lease renewed.
    Renewal,
}

impl SecretLease {
    /// A lease of `seconds` on what was read at `now`.
    pub fn new(now: UnixMilliseconds, seconds: u64, renewable: bool) -> Self {
        let milliseconds = seconds.saturating_mul(1000);
        Self { granted: now, milliseconds, at_first: milliseconds, renewable }
    }

    /// The same after Vault renewed it at `now` for `seconds`.
    #[must_use]
    pub fn renewed(self, now: UnixMilliseconds, seconds: u64, renewable: bool) -> Self {
        Self { granted: now, milliseconds: seconds.saturating_mul(1000), renewable, ..self }
    }

    /// Seconds to ask for when it is renewed: what it had at first.
    pub fn increment(self) -> u64 {
        self.at_first / 1000
    }

    /// Whether it has ended.
    pub fn is_over(self, now: UnixMilliseconds) -> bool {
        now.saturating_sub(self.granted) >= self.milliseconds
    }

    /// What the secret needs at `now` to be used until `until`: renewed at two thirds of its lease, read again when
    /// the lease is over, and when its renewals come to an end, as Vault's maximum TTL has them grow short.
    pub fn need(self, now: UnixMilliseconds, until: UnixMilliseconds) -> SecretNeed {
        // By a clock that was set back the age is not known, but by a renewal it will be.
        let is_set_back = self.granted.saturating_sub(now) > MOST_SET_BACK;
        if is_set_back && self.renewable && self.at_first > 0 {
            return SecretNeed::Renewal;
        }
        // Vault says no seconds of what does not end.
        if self.at_first == 0 {
            return SecretNeed::Nothing;
        }
        let age = now.saturating_sub(self.granted);
        if age >= self.milliseconds {
            return SecretNeed::Reading;
        }
        let ends_before_until = until.saturating_sub(self.granted) >= self.milliseconds;
        // One that cannot live that long is not asked for again and again.
        let new_one_lasts = until.saturating_sub(now) < self.at_first;
        let is_due = age >= self.milliseconds / 3 * 2 || (ends_before_until && new_one_lasts);
        let is_worth_renewing = self.renewable && self.milliseconds >= self.at_first / 2;
        match (is_due, is_worth_renewing) {
            (false, _) => SecretNeed::Nothing,
            (true, true) => SecretNeed::Renewal,
            (true, false) => SecretNeed::Reading,
        }
    }
}

/// Milliseconds by which a clock is corrected all the time.
const MOST_SET_BACK: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leased_secret_is_renewed_at_two_thirds_and_read_again_at_its_end() {
        let check = |renewable, renewed: Option<u64>, after: u64, ahead: u64, expect| {
            let lease = SecretLease::new(1_000, 90, renewable);
            let lease = renewed.map_or(lease, |seconds| lease.renewed(1_000, seconds, renewable));
            let now = 1_000 + after;
            assert_eq!(
                lease.need(now, now + ahead),
                expect,
                "renewable {renewable}, renewed for {renewed:?}, {after} ms later, for {ahead} ms"
            );
        };
        check(true, None, 0, 0, SecretNeed::Nothing);
        check(true, None, 59_999, 0, SecretNeed::Nothing);
        check(true, None, 60_000, 0, SecretNeed::Renewal);
        check(true, None, 89_999, 0, SecretNeed::Renewal);
        check(true, None, 90_000, 0, SecretNeed::Reading);
        check(false, None, 59_999, 0, SecretNeed::Nothing);
        check(false, None, 60_000, 0, SecretNeed::Reading);
        // Used beyond its end: seen to now, unless a new one would end as early.
        check(true, None, 30_000, 70_000, SecretNeed::Renewal);
        check(false, None, 30_000, 70_000, SecretNeed::Reading);
        check(false, None, 30_000, 90_000, SecretNeed::Nothing);
        // The maximum TTL is near.
        check(true, Some(44), 10_000, 0, SecretNeed::Nothing);
        check(true, Some(44), 30_000, 0, SecretNeed::Reading);
        check(true, Some(60), 41_000, 0, SecretNeed::Renewal);
        check(true, Some(0), 0, 0, SecretNeed::Reading);
    }

    #[test]
    fn a_clock_set_back_does_not_end_a_secrets_lease() {
        let need = |renewable, now| SecretLease::new(1_000_000, 90, renewable).need(now, now);
        assert_eq!(need(true, 999_000), SecretNeed::Nothing);
        assert_eq!(need(true, 10), SecretNeed::Renewal);
        assert_eq!(need(false, 10), SecretNeed::Nothing);
    }

    #[test]
    fn a_lease_of_no_seconds_does_not_end() {
        let lease = SecretLease::new(0, 0, true);
        assert_eq!(lease.need(1_000_000, 2_000_000), SecretNeed::Nothing);
    }

    #[test]
    fn a_token_is_renewed_in_its_last_fifth_and_replaced_when_it_ends() {
        let check = |seconds, renewable, after: u64, grace, expect| {
            let lease = Lease::new(1_000_000, seconds, renewable);
            let now = 1_000_000 + after;
            assert_eq!(
                lease.need(now, now, SignedMilliseconds(grace)),
                expect,
                "{seconds} s, {after} ms later, grace {grace}"
            );
        };
        check(100, true, 0, 10_000, Need::Nothing);
        check(100, true, 79_000, 10_000, Need::Nothing);
        check(100, true, 81_000, 10_000, Need::Renewal);
        check(100, true, 90_000, 10_000, Need::Login);
        check(100, false, 85_000, 10_000, Need::Nothing);
        check(100, false, 91_000, 10_000, Need::Login);
        check(0, true, 1_000_000_000, 10_000, Need::Nothing);
        check(8, true, 0, 10_000, Need::Nothing);
        check(8, true, 7_000, 10_000, Need::Renewal);
        check(8, true, 7_300, 10_000, Need::Login);
        check(3600, true, 0, 7_200_000, Need::Nothing);
        check(1, true, 2_000, -5_000, Need::Renewal);
        check(100, true, 100_000_000, 0, Need::Login);
    }

    #[test]
    fn a_token_that_ends_within_the_invocation_is_renewed_beside_it() {
        let check = |renewable, now, until, expect| {
            let lease = Lease::new(0, 100, renewable);
            assert_eq!(
                lease.need(now, until, SignedMilliseconds(10_000)),
                expect,
                "{now} to {until}"
            );
        };
        check(true, 50_000, 80_000, Need::Nothing);
        check(true, 50_000, 95_000, Need::Renewal);
        check(false, 50_000, 95_000, Need::Login);
        check(true, 1_000, 900_000, Need::Nothing);
        check(false, 50_000, 900_000, Need::Nothing);
    }

    #[test]
    fn a_clock_set_back_does_not_expire_a_token() {
        let lease = Lease::new(1_000_000, 100, true);
        assert_eq!(lease.need(10, 10, SignedMilliseconds(10_000)), Need::Nothing);
    }
}
