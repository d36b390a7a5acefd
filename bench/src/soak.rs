//! A soak: many requests, among logins, renewals and refreshes, while the memory of the extension is watched.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use strongroom_bench_chart::{Axis, Chart, Line};

use crate::client::Client;
use crate::extension::{Extension, Mode};
use crate::machine;
use crate::server::{Counts, SECRET, Server};

/// The resident memory after so many requests.
#[derive(Clone, Copy, Debug)]
struct Sample {
    requests: usize,
    resident_kb: u64,
    anonymous_kb: u64,
}

/// What came of it.
struct Outcome {
    samples: Vec<Sample>,
    counts: Counts,
    invocations: usize,
    took: Duration,
}

/// Soaks the extension and writes soak.json, soak.md and soak.svg into `folder`.
///
/// # Errors
/// A request was not answered with the secret, or a file cannot be written.
#[expect(clippy::disallowed_methods, reason = "results hold no secrets")]
pub(crate) fn run(binary: &Path, requests: usize, folder: &Path) -> Result<()> {
    ensure!(requests >= 2 * WARM_UP, "at least {} requests are needed", 2 * WARM_UP);
    let directory = tempfile::tempdir()?;
    let server = Server::with_tokens_of(directory.path().join("certificate.pem"), TOKEN_SECONDS)?;
    let outcome = soak(binary, &server, requests)?;
    std::fs::create_dir_all(folder)?;
    let text = text(&outcome);
    std::fs::write(folder.join("soak.md"), &text)?;
    std::fs::write(folder.join("soak.svg"), plot(&outcome.samples))?;
    let samples: Vec<_> = outcome
        .samples
        .iter()
        .map(|sample| json!([sample.requests, sample.resident_kb, sample.anonymous_kb]))
        .collect();
    let counts = outcome.counts;
    let results = json!({
        "machine": machine::describe(), "load": machine::load(), "seconds": outcome.took.as_secs(),
        "reads_of_vault": counts.reads, "logins": counts.logins, "renewals_of_tokens": counts.renewals,
        "renewals_of_leases": counts.lease_renewals, "invocations": outcome.invocations,
        "growth_after_warm_up_kb": growth(&outcome.samples),
        "samples_requests_resident_kb_anonymous_kb": samples,
    });
    std::fs::write(folder.join("soak.json"), serde_json::to_string(&results)? + "\n")?;
    println!("{text}");
    Ok(())
}

fn soak(binary: &Path, server: &Server, requests: usize) -> Result<Outcome> {
    let (extension, started) = Extension::start(binary, server, Mode::Soak)?;
    let (sent, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut samples = vec![sample(&extension, 0)?];
    let mut invocations = 0;
    std::thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (proxy, sent, is_over) = (extension.proxy, &sent, &is_over);
                scope.spawn(move || {
                    let outcome = ask(proxy, number, requests, sent);
                    if outcome.is_err() {
                        is_over.store(true, Ordering::Relaxed);
                    }
                    outcome
                })
            })
            .collect();
        let mut invoked = Instant::now();
        let watched = loop {
            let done = sent.load(Ordering::Relaxed).min(requests);
            if done >= samples.len() * EACH {
                samples.push(sample(&extension, done)?);
            }
            if done == requests || is_over.load(Ordering::Relaxed) {
                break Ok(());
            }
            if invoked.elapsed() > INVOKE_EACH {
                invoked = Instant::now();
                if let Err(error) = extension.invoke() {
                    break Err(error);
                }
                invocations += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        // They stop when nothing is left to send.
        if watched.is_err() {
            sent.store(requests, Ordering::Relaxed);
        }
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        watched
    })?;
    let took = started.elapsed();
    let counts = server.counts()?;
    ensure!(
        counts.logins > 1 && counts.renewals > 0 && counts.lease_renewals > 0,
        "over before all was to be done that is to be watched: send more requests: {counts:?}"
    );
    extension.shut_down()?;
    Ok(Outcome { samples, counts, invocations, took })
}

/// Requests of one client, which comes with a new connection now and then.
fn ask(proxy: SocketAddr, number: usize, requests: usize, sent: &AtomicUsize) -> Result<()> {
    let headers = if number.is_multiple_of(2) { "X-Vault-Cache-Control: cache\r\n" } else { "" };
    let mut turn = 0;
    loop {
        let path = format!("kv/data/{}", (turn * CLIENTS + number) % PATHS);
        let mut client = Client::plain(proxy, &path, headers)?;
        for _ in 0..REQUESTS_OF_CONNECTION {
            if sent.fetch_add(1, Ordering::Relaxed) >= requests {
                return Ok(());
            }
            client.get(SECRET).with_context(|| format!("request {turn} of client {number}"))?;
        }
        turn += 1;
    }
}

fn sample(extension: &Extension, requests: usize) -> Result<Sample> {
    let (resident_kb, anonymous_kb) = extension.memory()?;
    Ok(Sample { requests, resident_kb, anonymous_kb })
}

/// By how much the resident memory grew at most after the first requests, in kB.
fn growth(samples: &[Sample]) -> u64 {
    let mut after = samples.iter().filter(|sample| sample.requests >= WARM_UP);
    let Some(first) = after.next() else { return 0 };
    after.map(|sample| sample.resident_kb).max().unwrap_or(0).saturating_sub(first.resident_kb)
}

fn text(outcome: &Outcome) -> String {
    let Outcome { samples, counts, invocations, took } = outcome;
    let kilobytes = |sample: Option<&Sample>| sample.map_or(0, |sample| sample.resident_kb);
    let growth = growth(samples);
    format!(
        "Measured by `cargo xtask soak` on {} (load {} at the end): {} requests of {CLIENTS} clients in {} s, over TLS \
         to a server in another process on the same machine, half of them asking for held answers, which are held for \
         500 ms; a new connection after each {REQUESTS_OF_CONNECTION}.\n\n\
         Meanwhile {} logins, {} renewals of tokens, {} of leases, {invocations} invocations each of which refreshes \
         two files; {} reads reached the server.\n\n\
         | resident memory | kB |\n|---|--:|\n| at the start | {} |\n| after {WARM_UP} requests | {} |\n| at the end \
         | {} |\n| growth after the first {WARM_UP}, at most | {growth} (target 1,024: {}) |\n\n\
         ![Resident memory over requests](soak.svg)\n",
        machine::describe(),
        machine::load(),
        samples.last().map_or(0, |sample| sample.requests),
        took.as_secs(),
        counts.logins,
        counts.renewals,
        counts.lease_renewals,
        counts.reads,
        kilobytes(samples.first()),
        kilobytes(samples.iter().find(|sample| sample.requests >= WARM_UP)),
        kilobytes(samples.last()),
        if growth <= 1024 { "met" } else { "missed" },
    )
}

/// Resident and anonymous memory over requests.
fn plot(samples: &[Sample]) -> String {
    let most_kb = samples.iter().map(|sample| sample.resident_kb).max().unwrap_or(1);
    let all = samples.last().map_or(1, |sample| sample.requests);
    let megabytes = 0..=most_kb.div_ceil(1024).max(1);
    let up =
        Axis { marks: megabytes.map(|at| ((at * 1024) as f64, format!("{at} MiB"))).collect() };
    let quarters = (0..=4).map(|part| all * part / 4);
    let across = Axis { marks: quarters.map(|at| (at as f64, at.to_string())).collect() };
    let line = |name: &str, colour, kilobytes: fn(&Sample) -> u64| Line {
        name: format!("{name} memory over requests"),
        colour,
        is_dashed: false,
        points: samples.iter().map(|s| (s.requests as f64, kilobytes(s) as f64)).collect(),
    };
    let lines = vec![
        line("resident", "#1f6fb4", |sample| sample.resident_kb),
        line("anonymous", "#c0392b", |sample| sample.anonymous_kb),
    ];
    Chart { across, up, lines }.to_string()
}

const CLIENTS: usize = 8;
/// Requests between two samples.
const EACH: usize = 10_000;
const INVOKE_EACH: Duration = Duration::from_millis(300);
/// Paths that are asked for: all of them before the warm-up is over.
const PATHS: usize = 200;
const REQUESTS_OF_CONNECTION: usize = 50;
const TOKEN_SECONDS: u64 = 3;
/// Requests after which the memory is to stay what it is.
const WARM_UP: usize = 10_000;
