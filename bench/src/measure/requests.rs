//! What the running extension does: requests, invocations, refreshes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Figure, SETTLE, Samples, add, median, microseconds};
use crate::client::Client;
use crate::extension::{Extension, Mode};
use crate::server::{SECRET, SECRET_PATH, Server};

/// Requests one at a time, then many, then invocations with nothing due.
pub(super) fn measure(binary: &Path, server: &Server, samples: &mut Samples) -> Result<()> {
    let (extension, _) = Extension::start(binary, server, Mode::Proxy)?;
    let mut direct = Client::tls(server, SECRET_PATH)?;
    let mut uncached = Client::plain(extension.proxy, SECRET_PATH, "")?;
    let mut cached =
        Client::plain(extension.proxy, SECRET_PATH, "X-Vault-Cache-Control: cache\r\n")?;
    for client in [&mut direct, &mut uncached, &mut cached] {
        latency(client, WARM_UP)?;
    }
    let direct = latency(&mut direct, REQUESTS)?;
    let before = extension.cpu()?;
    let uncached = latency(&mut uncached, REQUESTS)?;
    let between = extension.cpu()?;
    let cached = latency(&mut cached, REQUESTS)?;
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
    let invocations = (0..INVOCATIONS).map(|_| extension.invoke()).collect::<Result<_>>()?;
    add(samples, Figure::InvokeToNext, microseconds(median(invocations)));
    extension.shut_down()?;
    Ok(())
}

/// Invocations that each find the secret of a file too old, and so have it read once.
pub(super) fn measure_refresh(binary: &Path, server: &Server, samples: &mut Samples) -> Result<()> {
    let (extension, _) = Extension::start(binary, server, Mode::FileAlwaysDue)?;
    let before = server.counts()?.reads;
    let invoke = |pause| {
        std::thread::sleep(pause);
        extension.invoke()
    };
    let refreshes = (0..REFRESHES).map(|_| invoke(UNTIL_DUE)).collect::<Result<_>>()?;
    add(samples, Figure::InvokeToNextDue, microseconds(median(refreshes)));
    let after_pause = invoke(UNTIL_DISCONNECTED)?;
    add(samples, Figure::InvokeToNextDueAfterPause, microseconds(after_pause));
    let read = server.counts()?.reads - before;
    ensure!(read == REFRESHES + 1, "{read} reads in {} invocations", REFRESHES + 1);
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
fn latency(client: &mut Client, requests: u32) -> Result<f64> {
    let mut times = Vec::with_capacity(requests as usize);
    for _ in 0..requests {
        let start = Instant::now();
        client.get(SECRET)?;
        times.push(start.elapsed());
    }
    Ok(microseconds(median(times)))
}

const CONNECTIONS: u32 = 16;
const INVOCATIONS: usize = 500;
const LOAD: u32 = 50_000;
const REFRESHES: usize = 100;
const REQUESTS: u32 = 5_000;
/// After it the extension does not use its connection to the server again.
const UNTIL_DISCONNECTED: Duration = Duration::from_millis(5_500);
/// After it a file is older than [`Mode::FileAlwaysDue`] lets it be.
const UNTIL_DUE: Duration = Duration::from_millis(3);
const WARM_UP: u32 = 300;
