//! `STRONGROOM_DOCTOR=1`: what is wrong, said in the log before the start, which goes on as if nothing had been asked.
//!
//! The chain to Vault is walked by `strongroom-vault`; here is what only the sandbox knows: what lies in `/opt`, and
//! whether the runtime heeds the exec wrapper.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::diagnosis::{
    Architecture, Check, Entry, Finding, HEAD, NOTHING_OF_VAULT, Outcome, Report, Runtime,
    TimeOuts, Wanted, WrapperSetting, judge_layer, judge_time_outs, judge_variables, judge_wrapper,
};
use strongroom_core::settings::{Environment, Settings, variables as v};
use strongroom_core::wrapper::default_init_timeout;
use strongroom_vault::doctor::{Subject, prepare, walk};

use crate::USER_AGENT;
use crate::assembly::lookup_in;
use crate::lifecycle::wrapper::RUNTIMES_OF_AWS;

/// Writes the report to the log; returns how long that took.
pub(crate) async fn examine(environment: &Arc<Environment>, own_name: &str) -> Duration {
    let clock = crate::clock::start();
    let began = clock.now();
    let mut report = Report::default();
    let initialization_type = environment.value(v::AWS_LAMBDA_INITIALIZATION_TYPE);
    let mut time_outs = TimeOuts { initialization_type, ..TimeOuts::default() };
    let settings = judge_variables(&mut report, environment);
    let setting = settings.as_ref().map(|settings| WrapperSetting {
        configured: environment.value(v::AWS_LAMBDA_EXEC_WRAPPER),
        waits: settings.waits,
        references: settings.references.len(),
    });
    match settings {
        Some(settings) => {
            time_outs.init_timeout = settings.init_timeout;
            let budget =
                settings.init_timeout.unwrap_or_else(|| default_init_timeout(initialization_type));
            // What is left is for the start itself.
            let patience = (budget * 3 / 8).min(LONGEST);
            time_outs.took = walk_to_secrets(settings, environment, patience, &mut report).await;
        }
        None => report.not_made(Check::Login, NOTHING_OF_VAULT, &[]),
    }
    let needs_wrapper = setting.is_some_and(|setting| setting.references > 0);
    let architecture =
        if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };
    judge_layer(&mut report, &installed(own_name), Some(architecture), needs_wrapper);
    if let Some(setting) = setting {
        let runtime = match Path::new(RUNTIMES_OF_AWS).is_dir() {
            true => Runtime::Managed("the runtime"),
            false => Runtime::OsOnly("this runtime"),
        };
        judge_wrapper(&mut report, setting, runtime);
    }
    judge_time_outs(&mut report, time_outs);
    report.findings.iter().for_each(log);
    let faults = report.count(Outcome::Fault);
    tracing::info!("doctor: faults: {faults}, warnings: {}", report.count(Outcome::Warning));
    Duration::from_millis(clock.now().saturating_sub(began))
}

async fn walk_to_secrets(
    settings: Settings,
    environment: &Arc<Environment>,
    patience: Duration,
    report: &mut Report,
) -> Option<Duration> {
    let wanted = Wanted::of(&settings);
    let lookup = Box::new(lookup_in(environment));
    let (client, access) =
        prepare(settings.vault, settings.identity, lookup, None, USER_AGENT, report)?;
    let subject = Subject {
        client: &client,
        access: &access,
        wanted: &wanted,
        function_timeout: None,
        deadline: client.clock().deadline_in(patience),
    };
    walk(&subject, report).await
}

/// What the layers have brought, as far as Lambda or we execute it. Whatever this program is called, it runs.
fn installed(own_name: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let names = fs::read_dir("/opt/extensions").into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        let shown = if name == own_name { "strongroom" } else { &name };
        entries.extend(entry(&format!("extensions/{name}"), &format!("extensions/{shown}")));
    }
    entries.extend(entry("strongroom/exec", "strongroom/exec"));
    entries
}

/// A file below `/opt`; `None` if there is none.
fn entry(path: &str, shown: &str) -> Option<Entry> {
    let path = Path::new("/opt").join(path);
    let metadata = fs::metadata(&path).ok().filter(|metadata| metadata.is_file())?;
    let mut head = Vec::new();
    // What cannot be read is no executable.
    let _ = File::open(&path).map(|file| file.take(HEAD as u64).read_to_end(&mut head));
    let mode = Some(metadata.permissions().mode());
    Some(Entry { path: shown.to_owned(), mode, size: metadata.len(), head })
}

fn log(finding: &Finding) {
    let Finding { check, outcome, tried, came_back, means, remedy } = finding;
    let name = outcome.name();
    if means.is_empty() {
        tracing::info!("doctor: {name} {check}: {came_back}");
        return;
    }
    let line = format!(
        "doctor: {name} {check}: tried: {tried}; came back: {came_back}; means: {means}; type: {remedy}"
    );
    match outcome {
        Outcome::Fault => tracing::error!("{line}"),
        _ => tracing::warn!("{line}"),
    }
}

/// However much time there is: nothing that goes well takes longer.
const LONGEST: Duration = Duration::from_secs(10);
