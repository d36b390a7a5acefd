//! Everything that is real: Vault with its faults, and the environment that is invoked; and how troubles are made.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use strongroom_chaos::{Micros, Questions, Write};
use strongroom_faults::{Fault, Faults, Rule, RuleId};
use strongroom_host::{HostError, Invocation, Shutdown};
use strongroom_tests::beds::{self, Part, Postgres, Vault, practice, shared_moto};
use strongroom_tests::stage::practice::Practice;
use strongroom_tests::stage::{Environment, free_port};

use crate::clock::Clock;
use crate::history::History;
use crate::leases::Leases;
use crate::plan::{OnOutage, Retries, Settings, Step, Trouble, When};

/// The function's time-out.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// The file of the secret.
pub(crate) const FILE: &str = "/tmp/vault/secret.json";
/// The file of the leased secret.
pub(crate) const LEASED_FILE: &str = "/tmp/vault/database.json";
/// The variable of the secret.
const VARIABLE: &str = "SECRET";
/// A secret that the function writes itself.
const OWN_SECRET: &str = "kv/data/test/data/own";
/// How large `/tmp` is: a full one is soon made.
const TMP_BYTES: u64 = 1 << 20;
const POLICY: &str = r#"
path "kv/data/test/*" { capabilities = ["create", "read", "update"] }
path "database/creds/app" { capabilities = ["read"] }
"#;

/// Everything that is real.
#[derive(Debug)]
pub(crate) struct World {
    clock: Clock,
    pub(crate) environment: Option<Environment>,
    faults: Faults,
    pub(crate) history: History,
    is_disk_full: Option<u64>,
    /// What the database leases; without PostgreSQL, nothing.
    pub(crate) leases: Option<Leases>,
    _postgres: Option<Postgres>,
    practice: Practice,
    vault: State,
}

/// How Vault is; a number is the invocation before which it is well again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Crashed(u64),
    Sealed(u64),
    Well,
}

/// What happened around an invocation.
#[derive(Debug)]
pub(crate) struct Played {
    /// When the first thing was done.
    pub(crate) begun: Micros,
    /// Which troubles took effect.
    pub(crate) effective: Vec<Trouble>,
    /// How the environment before ended, if it was replaced.
    pub(crate) ended: Option<Ended>,
    /// What came of init, if there was one ahead of the invocation.
    pub(crate) init: Option<Result<Duration, HostError>>,
    /// What came of the invocation.
    pub(crate) invocation: Invocation,
    /// When the invocation began.
    pub(crate) invoked: Micros,
    /// Kinds of troubles that were made before and last.
    pub(crate) lasting: Vec<&'static str>,
    /// What the function was to write.
    pub(crate) write: Option<String>,
}

/// How an environment ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) environment: Environment,
    pub(crate) shutdown: Shutdown,
}

impl World {
    /// Starts everything that outlives environments.
    pub(crate) async fn start(function: &Path) -> Self {
        let vault = Vault::start_with_storage(&format!("127.0.0.1:{}", free_port()));
        let mut practice = Practice::on(vault, function, shared_moto());
        practice.start_by_wrapper();
        practice.vault.write("sys/policies/acl/lambda", &json!({ "policy": POLICY }));
        let address = practice.vault.address.trim_start_matches("http://").parse();
        let faults = Faults::start(address.expect("an address")).await.expect("a free port");
        let clock = Clock::start();
        let mut history = History::default();
        history.write(|value| practice.vault.write_secret(value));
        let postgres = beds::available("leases", &[Part::Postgres]).then(Postgres::start);
        let leases = postgres.as_ref().map(|postgres| {
            postgres.serve(&practice.vault);
            practice.set("VAULT_SECRET_PATH_DATABASE", "database/creds/app");
            practice.set("VAULT_SECRET_FILE_DATABASE", LEASED_FILE);
            Leases::of(&practice.vault)
        });
        practice.config.timeout = TIMEOUT;
        practice.config.clock_offset = clock.offset();
        if rustix::process::geteuid().is_root() {
            practice.config.tmp_bytes = Some(TMP_BYTES);
        }
        let reference = format!("vault:{}#{}", practice::SECRET_PATH, practice::SECRET_KEY);
        for (name, value) in [
            ("SIMULATED_CLOCK", clock.address().to_string()),
            ("STRONGROOM_FILE_FORMAT", "data".to_owned()),
            ("STRONGROOM_INIT_TIMEOUT", "1500ms".to_owned()),
            ("VAULT_ADDR", faults.url()),
            (VARIABLE, reference),
        ] {
            practice.set(name, &value);
        }
        Self {
            clock,
            environment: None,
            faults,
            history,
            is_disk_full: None,
            leases,
            _postgres: postgres,
            practice,
            vault: State::Well,
        }
    }

    /// Lets happen what was drawn for one invocation.
    pub(crate) async fn play(&mut self, step: &Step) -> Played {
        let lasting = self.lasting();
        self.heal(step.number).await;
        let mut effective = Vec::new();
        let mut rules = Vec::new();
        let ended = if step.environment.is_some() { self.end_environment().await } else { None };
        let begun = self.history.now();
        for trouble in &step.troubles {
            if let Some(rule) = rule_of(trouble) {
                rules.push((self.faults.inject(rule), trouble));
            } else if !is_within(trouble) && self.make(trouble, step.number).await {
                effective.push(trouble.clone());
            }
        }
        let init = match step.environment {
            Some(settings) => Some(self.start_environment(settings).await),
            None => None,
        };
        let invoked = self.history.now();
        let write = step.writes.then(|| format!("w{}", step.number));
        let questions = Questions {
            crowd: step.crowd,
            files: vec![FILE.to_owned(), LEASED_FILE.to_owned()],
            hang_ups: step.hang_ups,
            secret: format!("/v1/{}", practice::SECRET_PATH),
            variables: vec![VARIABLE.to_owned()],
            write: write.clone().map(|value| Write { path: format!("/v1/{OWN_SECRET}"), value }),
        };
        let environment = self.environment.take().expect("the first step has an environment");
        let event = serde_json::to_string(&questions).expect("questions can be written");
        let meanwhile = async {
            let mut happened = Vec::new();
            for trouble in step.troubles.iter().filter(|trouble| is_within(trouble)) {
                tokio::time::sleep(BETWEEN).await;
                if self.make_within(trouble, &environment).await {
                    happened.push(trouble.clone());
                }
            }
            happened
        };
        let (invocation, happened) = tokio::join!(environment.host.invoke(event), meanwhile);
        self.environment = Some(environment);
        effective.extend(happened);
        effective.extend(self.met(&rules));
        self.faults.clear();
        let invocation = invocation.expect("the environment has not been ended");
        Played { begun, effective, ended, init, invocation, invoked, lasting, write }
    }

    /// Learns of what Vault has leased meanwhile.
    pub(crate) fn follow_leases(&mut self) {
        if let Some(leases) = &mut self.leases {
            leases.follow(self.history.now());
        }
    }

    /// Which rules have been met by a request.
    fn met(&self, rules: &[(RuleId, &Trouble)]) -> Vec<Trouble> {
        let met = rules.iter().filter(|(rule, _)| self.faults.met(*rule) > 0);
        met.map(|(_, trouble)| (*trouble).clone()).collect()
    }

    /// Kinds of troubles that last until now.
    fn lasting(&self) -> Vec<&'static str> {
        let vault = match self.vault {
            State::Crashed(invocations) => Some(Trouble::Crash { invocations }),
            State::Sealed(invocations) => Some(Trouble::Seal { invocations }),
            State::Well => None,
        };
        let disk = self.is_disk_full.map(|invocations| Trouble::FullDisk { invocations });
        vault.into_iter().chain(disk).map(|trouble| trouble.kind()).collect()
    }

    /// Ends what has lasted long enough.
    async fn heal(&mut self, number: u64) {
        self.heal_disk(number);
        match self.vault {
            State::Crashed(until) if until <= number => {
                self.practice.vault.restart();
                self.faults.listen_again().await.expect("its port was kept");
            }
            State::Sealed(until) if until <= number => self.practice.vault.unseal(),
            _ => return,
        }
        self.vault = State::Well;
    }

    fn heal_disk(&mut self, number: u64) {
        if self.is_disk_full.is_some_and(|until| until <= number) {
            self.is_disk_full = None;
            if let Some(environment) = &self.environment {
                // It may be gone with an environment before.
                let _gone = fs::remove_file(environment.host.tmp().join(FILLING));
            }
        }
    }

    /// Ends the environment, if there is one.
    pub(crate) async fn end_environment(&mut self) -> Option<Ended> {
        let environment = self.environment.take()?;
        self.is_disk_full = None;
        let shutdown = environment.host.shutdown("spindown").await;
        let shutdown = shutdown.expect("the environment has not been ended");
        Some(Ended { environment, shutdown })
    }

    async fn start_environment(&mut self, settings: Settings) -> Result<Duration, HostError> {
        let on_outage = match settings.on_outage {
            OnOutage::Fail => "fail",
            OnOutage::Lazy => "lazy",
            OnOutage::Stale => "stale",
        };
        let retry = match settings.retries {
            Retries::ByDefault => "3",
            Retries::Off => "off",
        };
        self.practice.set("STRONGROOM_ON_OUTAGE", on_outage);
        self.practice.set("STRONGROOM_REFRESH", &format!("{}s", settings.refresh));
        self.practice.set("STRONGROOM_RETRY", retry);
        self.practice.set("VAULT_DEFAULT_CACHE_TTL", &format!("{}s", settings.cache_ttl));
        if settings.on_outage == OnOutage::Stale {
            self.practice.set("STRONGROOM_STALE_FOR", &format!("{}s", settings.stale_for));
        } else {
            self.practice.unset("STRONGROOM_STALE_FOR");
        }
        let environment = self.practice.start().await;
        let init = environment.host.initialize().await;
        self.environment = Some(environment);
        init
    }

    /// Makes a trouble that comes before the invocation; whether it took effect.
    async fn make(&mut self, trouble: &Trouble, number: u64) -> bool {
        let is_well = self.vault == State::Well;
        match *trouble {
            Trouble::ClockBack { seconds } => {
                self.clock.advance(-milliseconds(seconds));
                true
            }
            Trouble::Crash { invocations } if is_well => {
                self.practice.vault.crash();
                self.faults.refuse().await.expect("its port can be kept");
                self.vault = State::Crashed(number + invocations);
                true
            }
            Trouble::DeadConnections => {
                self.faults.silence_open_connections();
                self.faults.open_connections() > 0
            }
            Trouble::EndLeases if is_well && self.leases.is_some() => {
                self.revoke("database/creds/app")
            }
            Trouble::FullDisk { invocations } if self.is_disk_full.is_none() => {
                let filled = self.environment.as_ref().is_some_and(fill);
                self.is_disk_full = filled.then_some(number + invocations);
                filled
            }
            Trouble::RevokeTokens { .. } if is_well => self.revoke("auth/aws/login"),
            Trouble::Rotate { .. } if is_well => self.rotate(),
            Trouble::Seal { invocations } if is_well => {
                self.practice.vault.seal();
                self.vault = State::Sealed(number + invocations);
                true
            }
            Trouble::Sleep { seconds } => {
                if let Some(environment) = &self.environment {
                    environment.host.freeze().await.expect("the environment lives");
                    environment.host.thaw().await.expect("the environment lives");
                }
                self.clock.advance(milliseconds(seconds));
                self.history.sleep(seconds);
                true
            }
            _ => false,
        }
    }

    /// Makes a trouble that comes while the function runs; whether it took effect.
    async fn make_within(&mut self, trouble: &Trouble, environment: &Environment) -> bool {
        let is_well = self.vault == State::Well;
        match *trouble {
            Trouble::Freeze { milliseconds } => {
                environment.host.freeze().await.expect("the environment lives");
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                environment.host.thaw().await.expect("the environment lives");
                true
            }
            Trouble::ResetConnections => {
                let open = self.faults.open_connections();
                self.faults.reset_open_connections();
                open > 0
            }
            Trouble::RevokeTokens { .. } if is_well => self.revoke("auth/aws/login"),
            Trouble::Rotate { .. } if is_well => self.rotate(),
            _ => false,
        }
    }

    /// Revokes everything that Vault has leased below a path, tokens of logins included.
    fn revoke(&self, prefix: &str) -> bool {
        let vault = &self.practice.vault;
        let body = json!({ "sync": true });
        tokio::task::block_in_place(|| {
            vault.write(&format!("sys/leases/revoke-prefix/{prefix}"), &body);
        });
        true
    }

    fn rotate(&mut self) -> bool {
        let vault = &self.practice.vault;
        tokio::task::block_in_place(|| self.history.write(|value| vault.write_secret(value)));
        true
    }
}

/// How long troubles within an invocation are apart.
const BETWEEN: Duration = Duration::from_millis(4);
/// The file that fills the disk.
const FILLING: &str = "filling";

fn is_within(trouble: &Trouble) -> bool {
    matches!(
        trouble,
        Trouble::Freeze { .. }
            | Trouble::ResetConnections
            | Trouble::RevokeTokens { when: When::Within }
            | Trouble::Rotate { when: When::Within }
    )
}

/// The fault of a trouble that requests meet.
fn rule_of(trouble: &Trouble) -> Option<Rule> {
    Some(match *trouble {
        Trouble::HalfAnswer { requests } => Rule::new(Fault::HalfAnswer).times(requests),
        Trouble::Latency { milliseconds } => Rule::latency(Duration::from_millis(milliseconds)),
        Trouble::Reset { requests } => Rule::new(Fault::Reset).times(requests),
        Trouble::Silence { requests } => Rule::new(Fault::Silence).times(requests),
        Trouble::TooManyRequests { requests } => {
            Rule::new(Fault::too_many_requests(Duration::ZERO)).times(requests)
        }
        Trouble::Unavailable { requests } => Rule::new(Fault::unavailable()).times(requests),
        _ => return None,
    })
}

/// Fills `/tmp` to the last byte; whether it is full.
fn fill(environment: &Environment) -> bool {
    let Ok(mut file) = fs::File::create(environment.host.tmp().join(FILLING)) else { return false };
    let block = [0; 4096];
    // Where it has no size of its own, it is left alone.
    (0..=TMP_BYTES / 4096).any(|_| file.write_all(&block).is_err())
}

fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds * 1000).expect("few seconds are drawn")
}
