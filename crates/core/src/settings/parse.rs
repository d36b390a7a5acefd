//! From variables to settings. For a variable that vault-lambda-extension reads, what it refuses
//! is an error, and what it tolerates is a warning with its effect; `STRONGROOM_*` is strict.

mod delivery;
mod identity;
mod outage;
mod proxy;
mod values;
mod vault;

use std::time::Duration;

use super::environment::{Environment, Findings};
use super::{Level, Log, LogFormat, MissingSecret, Revoke, Settings, secret_files, variables as v};
use crate::address::{Address, Scheme};
use crate::duration::{self, SignedMilliseconds};

pub(super) fn log(environment: &Environment) -> (Log, Findings) {
    let mut findings = Findings::default();
    let level = match environment.value(v::VAULT_LOG_LEVEL).map(str::to_ascii_uppercase).as_deref()
    {
        None | Some("INFO") => Some(Level::Info),
        Some("TRACE") => Some(Level::Trace),
        Some("DEBUG") => Some(Level::Debug),
        Some("WARN") => Some(Level::Warn),
        Some("ERROR") => Some(Level::Error),
        Some("OFF") => None,
        Some(_) => {
            findings.warning(
                v::VAULT_LOG_LEVEL,
                "is none of TRACE, DEBUG, INFO, WARN, ERROR, OFF: INFO is used",
            );
            Some(Level::Info)
        }
    };
    let json = environment
        .value(v::AWS_LAMBDA_LOG_FORMAT)
        .is_some_and(|format| format.eq_ignore_ascii_case("json"));
    (Log { level, format: if json { LogFormat::Json } else { LogFormat::Text } }, findings)
}

pub(super) fn settings(environment: &Environment) -> (Option<Settings>, Findings) {
    let mut parser = Parser { environment, findings: Findings::default() };
    let settings = parser.settings();
    parser.refuse_unknown_of_our_own();
    let findings = parser.findings;
    (settings.filter(|_| findings.errors.is_empty()), findings)
}

struct Parser<'a> {
    environment: &'a Environment,
    findings: Findings,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum RunMode {
    Both,
    File,
    Proxy,
}

impl Parser<'_> {
    fn settings(&mut self) -> Option<Settings> {
        let mode = self.run_mode();
        let proxy = self.proxy();
        let files = match mode {
            RunMode::Both | RunMode::File => {
                secret_files::parse(self.environment, &mut self.findings)
            }
            RunMode::Proxy => {
                secret_files::warn_of_unused(self.environment, &mut self.findings);
                Vec::new()
            }
        };
        let vault = self.vault();
        let on_outage = self.on_outage();
        self.warn_of_empty_hands(on_outage, proxy.as_ref());
        let identity = self.identity(vault.as_ref());
        let listen = proxy.as_ref().and_then(|proxy| proxy.listen);
        if let (Some(vault), Some(listen)) = (&vault, listen) {
            self.refuse_own_address(&vault.address, listen.port());
        }
        let token_grace = self.token_grace();
        let revoke = self.choice(
            v::STRONGROOM_REVOKE,
            &[("auto", Revoke::Auto), ("always", Revoke::Always), ("never", Revoke::Never)],
        );
        let missing_secret = self.choice(
            v::STRONGROOM_MISSING_SECRET,
            &[("fail", MissingSecret::Fail), ("null", MissingSecret::Null)],
        );
        // What it says is asked elsewhere: it counts though there are other errors.
        self.choice(v::STRONGROOM_DOCTOR, &[("0", ()), ("1", ())]);
        let refresh = self.refresh();
        let references = self.references();
        let waits = self.waits();
        let proxy = proxy.filter(|_| mode != RunMode::File);
        let socket = self.socket(&references, waits, proxy.as_ref());
        self.refuse_wrapping(&references, &files);
        let init_timeout = self.init_timeout();
        Some(Settings {
            vault: vault?,
            on_outage,
            identity: identity?,
            token_grace,
            revoke,
            files,
            missing_secret,
            refresh,
            references,
            socket,
            waits,
            proxy,
            init_timeout,
        })
    }

    fn run_mode(&mut self) -> RunMode {
        match self.environment.trimmed(v::VAULT_RUN_MODE).map(str::to_ascii_lowercase).as_deref() {
            None | Some("default") => RunMode::Both,
            Some("file") => RunMode::File,
            Some("proxy") => RunMode::Proxy,
            Some(_) => {
                self.findings
                    .warning(v::VAULT_RUN_MODE, "is none of default, file, proxy: default is used");
                RunMode::Both
            }
        }
    }

    /// The proxy's own port as Vault's address would have the extension call itself for ever.
    fn refuse_own_address(&mut self, address: &Address, proxy_port: u16) {
        let Address::Tcp(origin) = address else { return };
        let is_default = self.environment.client(v::VAULT_ADDR).is_none();
        if origin.is_loopback() && origin.port() == proxy_port && origin.scheme == Scheme::Http {
            self.findings.error(
                v::VLE_VAULT_ADDR,
                "is unset and VAULT_ADDR is the extension's own proxy: set VLE_VAULT_ADDR to the address of Vault",
            );
        } else if is_default && origin.is_loopback() && origin.port() == proxy_port {
            self.findings.error(v::VAULT_ADDR, "is unset: set it to the address of Vault");
        }
    }

    fn token_grace(&mut self) -> SignedMilliseconds {
        match self.environment.trimmed(v::VAULT_TOKEN_EXPIRY_GRACE_PERIOD).map(duration::parse) {
            None => DEFAULT_GRACE,
            Some(Some(grace)) => grace,
            Some(None) => {
                self.findings.error(
                    v::VAULT_TOKEN_EXPIRY_GRACE_PERIOD,
                    "is no duration with a unit: write for example 10s",
                );
                DEFAULT_GRACE
            }
        }
    }

    fn init_timeout(&mut self) -> Option<Duration> {
        let timeout = duration::above_zero(self.environment.trimmed(v::STRONGROOM_INIT_TIMEOUT)?);
        if timeout.is_none() {
            self.findings.error(
                v::STRONGROOM_INIT_TIMEOUT,
                "is no duration above zero: write for example 8s",
            );
        }
        timeout
    }

    fn is_snap_start(&self) -> bool {
        self.environment.value(v::AWS_LAMBDA_INITIALIZATION_TYPE) == Some("snap-start")
    }

    /// A mistyped name would otherwise be a setting that silently does nothing.
    fn refuse_unknown_of_our_own(&mut self) {
        let unknown: Vec<_> = self
            .environment
            .names_with_prefix("STRONGROOM_")
            .filter(|name| !v::is_known(name))
            .map(str::to_owned)
            .collect();
        for name in unknown {
            self.findings.error(
                name,
                "is no setting of this version: check its spelling in docs/variables.md",
            );
        }
    }
}

const DEFAULT_GRACE: SignedMilliseconds = SignedMilliseconds(10_000);
