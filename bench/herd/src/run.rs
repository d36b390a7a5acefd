//! One herd under one policy, from its arrival until all are served.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use strongroom_vault::simulation::{self, Epoch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::lambda;
use crate::vault::{Headers, Vault};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Herd {
    pub(crate) policy: Policy,
    pub(crate) headers: Headers,
    pub(crate) environments: u32,
    /// Logins that Vault admits in a second.
    pub(crate) rate: u32,
    pub(crate) seed: u64,
}

/// What the extension does while Vault refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    /// Strongroom with `STRONGROOM_ON_OUTAGE=fail`.
    Fail,
    /// vault-lambda-extension.
    Incumbent,
    /// Strongroom with `STRONGROOM_ON_OUTAGE=lazy`.
    Lazy,
}

impl Policy {
    pub(crate) const ALL: [Self; 3] = [Self::Incumbent, Self::Fail, Self::Lazy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fail => "Strongroom, `fail`",
            Self::Incumbent => "vault-lambda-extension",
            Self::Lazy => "Strongroom, `lazy`",
        }
    }
}

/// What all environments share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) vault: Arc<Vault>,
    pub(crate) epoch: Epoch,
    began: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Processes of the extension.
    starts: u64,
    /// When environments were served, from the beginning.
    served: Vec<Duration>,
}

impl World {
    pub(crate) fn note_start(&self) {
        self.seen().starts += 1;
    }

    pub(crate) fn note_served(&self) {
        let after = self.began.elapsed();
        self.seen().served.push(after);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of a herd.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) policy: Policy,
    /// Whether Vault says when to come back.
    pub(crate) retry_after_is_sent: bool,
    pub(crate) environments: u32,
    pub(crate) logins_admitted_a_second: u32,
    pub(crate) seed: u64,
    /// Share of the environments served, at each of [`MOMENTS`].
    pub(crate) share_served_at_seconds: Vec<(u64, f64)>,
    pub(crate) attempts_per_environment: f64,
    /// How often Lambda started the extension.
    pub(crate) starts_per_environment: f64,
    /// Share of all logins that were answered 429.
    pub(crate) share_refused: f64,
    /// Of the logins that Vault would have admitted until 95 % of the environments were served, the share that served one.
    pub(crate) capacity_used_to_95_percent: f64,
    /// The same until all were served.
    pub(crate) capacity_used_to_the_last: f64,
    pub(crate) seconds_to_95_percent: f64,
    pub(crate) seconds_to_the_last: f64,
    /// Environments served by the end of each second.
    pub(crate) served_by_second: Vec<usize>,
}

/// Seconds after the beginning at which the share that is served is told.
const MOMENTS: [u64; 4] = [10, 30, 60, 120];

/// Lets a herd arrive and waits until all of it is served.
///
/// # Errors
/// If the client cannot be built.
pub(crate) fn run(herd: Herd) -> anyhow::Result<Outcome> {
    simulation::seed(herd.seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let world = Arc::new(World {
            vault: Vault::new(herd.rate, herd.headers),
            epoch: Epoch::beginning(BEGINNING),
            began: Instant::now(),
            seen: Mutex::default(),
        });
        let mut environments = JoinSet::new();
        for _ in 0..herd.environments {
            environments.spawn(lambda::environment(Arc::clone(&world), herd.policy));
        }
        while let Some(ended) = environments.join_next().await {
            ended??;
        }
        Ok(outcome(herd, &world))
    })
}

fn outcome(herd: Herd, world: &World) -> Outcome {
    let seen = world.seen();
    let count = world.vault.count();
    let all = f64::from(herd.environments);
    let attempts = (count.admitted + count.refused) as f64;
    let served_by = |moment: Duration| seen.served.partition_point(|after| *after <= moment);
    let of_95_percent = (all * 0.95).ceil() as usize;
    let (at_95_percent, last) =
        (seen.served[of_95_percent - 1], seen.served[seen.served.len() - 1]);
    let seconds = 1..=last.as_secs() + 1;
    Outcome {
        policy: herd.policy,
        retry_after_is_sent: herd.headers == Headers::On,
        environments: herd.environments,
        logins_admitted_a_second: herd.rate,
        seed: herd.seed,
        share_served_at_seconds: MOMENTS
            .map(|moment| (moment, served_by(Duration::from_secs(moment)) as f64 / all))
            .to_vec(),
        attempts_per_environment: attempts / all,
        starts_per_environment: seen.starts as f64 / all,
        share_refused: count.refused as f64 / attempts,
        capacity_used_to_95_percent: of_95_percent as f64 / capacity(herd.rate, at_95_percent),
        capacity_used_to_the_last: all / capacity(herd.rate, last),
        seconds_to_95_percent: at_95_percent.as_secs_f64(),
        seconds_to_the_last: last.as_secs_f64(),
        served_by_second: seconds.map(|second| served_by(Duration::from_secs(second))).collect(),
    }
}

/// Logins that Vault admits in this time: its windows are admitted to as a whole when they begin.
fn capacity(rate: u32, time: Duration) -> f64 {
    f64::from(rate) * time.as_secs_f64().ceil()
}

/// A duration drawn by chance.
pub(crate) fn between(least: Duration, most: Duration) -> Duration {
    least + (most - least).mul_f64(simulation::chance().unwrap_or_default())
}

/// Any time will do to sign with: 2026-01-01.
const BEGINNING: u64 = 1_767_225_600_000;
