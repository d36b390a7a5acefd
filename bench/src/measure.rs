//! What is measured, in which order.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::client::Client;
use crate::extension::{Extension, Mode};
use crate::server::{SECRET, SECRET_PATH, Server};

/// A figure, by its name in the report.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Figure {
    AnonymousAfterInit,
    CachedLatency,
    CachedOverDirect,
    CpuInInit,
    CpuPerCached,
    CpuPerUncached,
    DirectLatency,
    Init,
    InvokeToNext,
    Register,
    RssAfterInit,
    RssAfterLoad,
    ShutdownRevoked,
    UncachedLatency,
    UncachedOverhead,
}

/// Samples of each figure, in its unit.
pub(crate) type Samples = BTreeMap<Figure, Vec<f64>>;

/// Measures everything `rounds` times.
pub(crate) fn run(binary: &Path, rounds: u32) -> Result<Samples> {
    let folder = tempfile::tempdir()?;
    let certificate = folder.path().join("certificate.pem");
    let server = Server::start(&certificate)?;
    let mut samples = Samples::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds} ...");
        for _ in 0..STARTS {
            start(binary, &server, &certificate, &mut samples)?;
        }
        requests(binary, &server, &certificate, &mut samples)?;
    }
    Ok(samples)
}

fn start(binary: &Path, server: &Server, certificate: &Path, samples: &mut Samples) -> Result<()> {
    let extension = Extension::start(binary, server, certificate, Mode::FileAndProxy)?;
    let cpu = extension.cpu()?;
    add(samples, Figure::Init, milliseconds(extension.ready - extension.started));
    add(samples, Figure::CpuInInit, milliseconds(cpu));
    // What was freed settles within the time that a first invocation leaves.
    std::thread::sleep(SETTLE);
    let (rss, anonymous) = extension.memory()?;
    add(samples, Figure::RssAfterInit, rss as f64);
    add(samples, Figure::AnonymousAfterInit, anonymous as f64);
    add(samples, Figure::ShutdownRevoked, milliseconds(extension.shut_down()?));

    let extension = Extension::start(binary, server, certificate, Mode::Proxy)?;
    add(samples, Figure::Register, milliseconds(extension.registered - extension.started));
    extension.shut_down()?;
    Ok(())
}

fn requests(
    binary: &Path,
    server: &Server,
    certificate: &Path,
    samples: &mut Samples,
) -> Result<()> {
    let extension = Extension::start(binary, server, certificate, Mode::Proxy)?;
    let mut direct = Client::tls(server.address, certificate, SECRET_PATH)?;
    let mut uncached = Client::plain(extension.proxy, SECRET_PATH, "")?;
    let mut cached =
        Client::plain(extension.proxy, SECRET_PATH, "X-Vault-Cache-Control: cache\r\n")?;
    for client in [&mut direct, &mut uncached, &mut cached] {
        median(client, WARM_UP)?;
    }
    let direct = median(&mut direct, REQUESTS)?;
    let before = extension.cpu()?;
    let uncached = median(&mut uncached, REQUESTS)?;
    let between = extension.cpu()?;
    let cached = median(&mut cached, REQUESTS)?;
    let after = extension.cpu()?;
    let each = |time: Duration| microseconds(time) / f64::from(REQUESTS);
    add(samples, Figure::CpuPerUncached, each(between - before));
    add(samples, Figure::CpuPerCached, each(after - between));
    add(samples, Figure::DirectLatency, direct);
    add(samples, Figure::UncachedLatency, uncached);
    add(samples, Figure::CachedLatency, cached);
    add(samples, Figure::UncachedOverhead, uncached - direct);
    add(samples, Figure::CachedOverDirect, cached / direct);

    load(&extension)?;
    std::thread::sleep(SETTLE);
    add(samples, Figure::RssAfterLoad, extension.memory()?.0 as f64);
    let mut invocations =
        (0..INVOCATIONS).map(|_| extension.invoke()).collect::<Result<Vec<_>>>()?;
    invocations.sort_unstable();
    add(samples, Figure::InvokeToNext, microseconds(invocations[invocations.len() / 2]));
    extension.shut_down()?;
    Ok(())
}

/// 50,000 requests on 16 connections.
fn load(extension: &Extension) -> Result<()> {
    let proxy = extension.proxy;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(move || -> Result<()> {
                    let mut client = Client::plain(proxy, SECRET_PATH, "")?;
                    (0..LOAD / CONNECTIONS).try_for_each(|_| client.get(SECRET))
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().ok().context("a client panicked")?)
    })
}

/// The median latency of so many requests, in microseconds.
fn median(client: &mut Client, requests: u32) -> Result<f64> {
    let mut times = Vec::with_capacity(requests as usize);
    for _ in 0..requests {
        let start = Instant::now();
        client.get(SECRET)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(microseconds(times[times.len() / 2]))
}

fn add(samples: &mut Samples, figure: Figure, value: f64) {
    samples.entry(figure).or_default().push(value);
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

const CONNECTIONS: u32 = 16;
const INVOCATIONS: usize = 500;
const LOAD: u32 = 50_000;
const REQUESTS: u32 = 5_000;
const SETTLE: Duration = Duration::from_millis(100);
const STARTS: usize = 5;
const WARM_UP: u32 = 300;
