//! What is drawn: for each invocation its troubles, and now and then another environment.
//!
//! Each invocation has a stream of random numbers of its own, so that what is drawn for one depends on nothing but the
//! seed and its number, and a part of a run can be played again.

use std::fmt;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

/// What is to happen around one invocation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Step {
    /// The settings of a new environment, if this is its first invocation.
    pub(crate) environment: Option<Settings>,
    /// How many ask at once.
    pub(crate) crowd: usize,
    /// How many hang up.
    pub(crate) hang_ups: usize,
    /// Which invocation it is, from 1 on.
    pub(crate) number: u64,
    /// What goes wrong.
    pub(crate) troubles: Vec<Trouble>,
    /// Whether the function writes.
    pub(crate) writes: bool,
}

/// How an environment is set up. Times are in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    /// `VAULT_DEFAULT_CACHE_TTL`.
    pub(crate) cache_ttl: u64,
    /// `STRONGROOM_ON_OUTAGE`.
    pub(crate) on_outage: OnOutage,
    /// `STRONGROOM_REFRESH`.
    pub(crate) refresh: u64,
    /// Whether `STRONGROOM_RETRY` is `off`.
    pub(crate) retries: Retries,
    /// `STRONGROOM_STALE_FOR`.
    pub(crate) stale_for: u64,
}

/// `STRONGROOM_ON_OUTAGE`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OnOutage {
    Fail,
    Lazy,
    Stale,
}

/// `STRONGROOM_RETRY`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Retries {
    ByDefault,
    Off,
}

/// What goes wrong, or only changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// The clock of Lambda and of the environment is set back by so many seconds.
    ClockBack { seconds: u64 },
    /// Vault is killed; it is back, with all that it had stored, after so many invocations.
    Crash { invocations: u64 },
    /// Connections that are open fall silent for good.
    DeadConnections,
    /// Every lease is revoked in Vault.
    EndLeases,
    /// The environment stands still, within the invocation, for so many milliseconds.
    Freeze { milliseconds: u64 },
    /// `/tmp` is full for so many invocations.
    FullDisk { invocations: u64 },
    /// So many answers come only halfway.
    HalfAnswer { requests: usize },
    /// Every request takes so many milliseconds longer.
    Latency { milliseconds: u64 },
    /// So many requests meet a reset.
    Reset { requests: usize },
    /// Connections that are open are reset, within the invocation.
    ResetConnections,
    /// Every token that came of a login is revoked in Vault, within the invocation or before it.
    RevokeTokens { when: When },
    /// A new version of the secret is written, within the invocation or before it.
    Rotate { when: When },
    /// Vault is sealed for so many invocations.
    Seal { invocations: u64 },
    /// So many requests are never answered.
    Silence { requests: usize },
    /// The environment stands still between invocations, for so many seconds of simulated time.
    Sleep { seconds: u64 },
    /// So many requests are answered with 429.
    TooManyRequests { requests: usize },
    /// So many requests are answered with 503.
    Unavailable { requests: usize },
}

/// When something happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum When {
    Before,
    Within,
}

impl Trouble {
    /// What keeps Vault's answers away.
    pub(crate) const OUTAGES: &[&str] = &[
        "429",
        "503",
        "connections reset",
        "crash of Vault",
        "dead connections",
        "freeze",
        "full disk",
        "half an answer",
        "latency",
        "reset",
        "seal",
        "silence",
    ];

    /// What it is called in the figures.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::ClockBack { .. } => "clock set back",
            Self::Crash { .. } => "crash of Vault",
            Self::DeadConnections => "dead connections",
            Self::EndLeases => "leases ended",
            Self::Freeze { .. } => "freeze",
            Self::FullDisk { .. } => "full disk",
            Self::HalfAnswer { .. } => "half an answer",
            Self::Latency { .. } => "latency",
            Self::Reset { .. } => "reset",
            Self::ResetConnections => "connections reset",
            Self::RevokeTokens { .. } => "tokens revoked",
            Self::Rotate { .. } => "secret rotated",
            Self::Seal { .. } => "seal",
            Self::Silence { .. } => "silence",
            Self::Sleep { .. } => "sleep",
            Self::TooManyRequests { .. } => "429",
            Self::Unavailable { .. } => "503",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invocation {}:", self.number)?;
        if let Some(settings) = &self.environment {
            write!(f, " new environment with {settings:?};")?;
        }
        write!(f, " {} ask at once, {} hang up", self.crowd, self.hang_ups)?;
        if self.writes {
            write!(f, ", one write")?;
        }
        for trouble in &self.troubles {
            write!(f, "; {trouble:?}")?;
        }
        Ok(())
    }
}

/// Draws what is to happen around one invocation.
pub(crate) fn draw(seed: u64, number: u64) -> Step {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let environment = random.random_bool(NEW_ENVIRONMENT).then(|| Settings::draw(&mut random));
    let mut troubles = Vec::new();
    // Most invocations are quiet, some have one trouble, few have more.
    while troubles.len() < 4 && random.random_bool(TROUBLE) {
        troubles.push(Trouble::draw(&mut random));
    }
    Step {
        environment,
        crowd: if random.random_bool(0.1) { random.random_range(1..=8) } else { 0 },
        hang_ups: if random.random_bool(0.05) { random.random_range(1..=3) } else { 0 },
        number,
        troubles,
        writes: random.random_bool(0.2),
    }
}

/// The settings of the environment that serves an invocation.
pub(crate) fn settings_at(seed: u64, number: u64) -> Settings {
    let drawn = (1..=number).rev().find_map(|number| draw(seed, number).environment);
    drawn.unwrap_or_else(|| Settings::draw(&mut ChaCha8Rng::seed_from_u64(seed)))
}

impl Settings {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        Self {
            cache_ttl: random.random_range(1..=60),
            on_outage: match random.random_range(0..4) {
                0 | 1 => OnOutage::Fail,
                2 => OnOutage::Lazy,
                _ => OnOutage::Stale,
            },
            refresh: random.random_range(1..=300),
            retries: if random.random_bool(0.2) { Retries::Off } else { Retries::ByDefault },
            stale_for: random.random_range(1..=600),
        }
    }
}

impl Trouble {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        let few = random.random_range(1..=3_usize);
        let invocations = random.random_range(1..=6_u64);
        let when = if random.random_bool(0.5) { When::Before } else { When::Within };
        match random.random_range(0..100) {
            0..24 => Self::Rotate { when },
            24..36 => Self::Latency { milliseconds: random.random_range(1..=120) },
            36..44 => Self::Reset { requests: few },
            44..48 => Self::ResetConnections,
            48..52 => Self::HalfAnswer { requests: few },
            52..56 => Self::TooManyRequests { requests: few },
            56..60 => Self::Unavailable { requests: few },
            60..62 => Self::Silence { requests: 1 },
            62..64 => Self::DeadConnections,
            64..70 => Self::RevokeTokens { when },
            70..74 => Self::EndLeases,
            74..80 => Self::Freeze { milliseconds: random.random_range(1..=150) },
            80..90 => Self::Sleep { seconds: 1 << random.random_range(0..16_u32) },
            90..93 => Self::ClockBack { seconds: 1 << random.random_range(0..14_u32) },
            93..95 => Self::Seal { invocations },
            95..97 => Self::Crash { invocations },
            _ => Self::FullDisk { invocations },
        }
    }
}

/// The share of invocations that are the first of an environment.
const NEW_ENVIRONMENT: f64 = 0.04;
/// The share of invocations with a trouble, and of these with another.
const TROUBLE: f64 = 0.4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let plan = |seed| (1..100).map(|number| draw(seed, number)).collect::<Vec<_>>();
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn every_trouble_is_drawn_within_a_run() {
        let steps = (1..=3_000).map(|number| draw(1, number));
        let kinds: std::collections::BTreeSet<_> =
            steps.flat_map(|step| step.troubles).map(|trouble| trouble.kind()).collect();
        assert_eq!(kinds.len(), 17, "{kinds:?}");
    }
}
