//! A small herd keeps what `docs/herd.md` says of the large one.

use crate::run::{self, Herd, Outcome, Policy};
use crate::vault::Headers;

/// As many windows of the quota as with 10,000 environments and 200 logins a second.
fn small(policy: Policy, headers: Headers, seed: u64) -> Outcome {
    run::run(Herd { policy, headers, environments: 500, rate: 10, seed }).unwrap()
}

fn check_targets(headers: Headers) {
    let incumbent = small(Policy::Incumbent, headers, 1);
    for policy in [Policy::Fail, Policy::Lazy] {
        let herd = small(policy, headers, 1);
        assert!(herd.capacity_used_to_95_percent >= 0.9, "{herd:?}");
        let most = incumbent.attempts_per_environment / 2.0;
        assert!(herd.attempts_per_environment < most, "{most}: {herd:?}");
        assert!(herd.share_served_at_seconds.contains(&(60, 1.0)), "{herd:?}");
    }
}

#[test]
fn a_herd_uses_what_vault_admits_with_half_the_attempts_of_the_incumbent() {
    check_targets(Headers::Off);
}

#[test]
fn a_herd_that_is_told_to_come_back_at_once_does_not() {
    check_targets(Headers::On);
}

#[test]
fn without_a_herd_the_first_attempt_is_the_only_one() {
    for policy in Policy::ALL {
        let herd = Herd { policy, headers: Headers::Off, environments: 50, rate: 50, seed: 1 };
        let outcome = run::run(herd).unwrap();
        assert!((outcome.attempts_per_environment - 1.0).abs() < f64::EPSILON, "{outcome:?}");
        assert!(outcome.seconds_to_the_last < 1.0, "{outcome:?}");
    }
}

#[test]
fn a_seed_gives_the_same_herd_again_and_another_a_different_one() {
    let times = |seed| {
        let herd = small(Policy::Fail, Headers::Off, seed);
        (herd.served_by_second, herd.attempts_per_environment)
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}
