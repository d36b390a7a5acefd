//! A model of Lambda: one environment from its cold start to the first invocation that has a token.
//!
//! An init that fails, or that is not done within 10 s, is run again within the invocation that waits for it, under the
//! function's time-out; if that fails too, the caller gets an error and calls again.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>

use std::sync::Arc;
use std::time::Duration;

use strongroom_core::settings::OnOutage;
use tokio::time::{sleep, timeout};

use crate::incumbent;
use crate::run::{Policy, World, between};
use crate::strongroom::Process;

/// How an init ends.
enum Init {
    /// Its extension has exited.
    Failed,
    /// The extension has a token.
    LoggedIn,
    /// It logs in when it is asked for something.
    Willing(Process),
}

/// The life of one environment; ends when an invocation has been served.
pub(crate) async fn environment(world: Arc<World>, policy: Policy) -> anyhow::Result<()> {
    sleep(between(Duration::ZERO, ARRIVAL)).await;
    let mut limit = INIT_LIMIT;
    loop {
        match timeout(limit, init(&world, policy)).await {
            Ok(Ok(Init::LoggedIn)) => break,
            Ok(Ok(Init::Willing(process))) => {
                invoke(&process).await;
                break;
            }
            Ok(Err(error)) => return Err(error),
            Ok(Ok(Init::Failed)) | Err(_) => {}
        }
        if limit == FUNCTION_TIMEOUT {
            sleep(between(CALLER_LEAST, CALLER_MOST)).await;
        }
        sleep(RESET).await;
        limit = FUNCTION_TIMEOUT;
    }
    world.note_served();
    Ok(())
}

async fn init(world: &World, policy: Policy) -> anyhow::Result<Init> {
    world.note_start();
    sleep(PROCESS_START).await;
    let has_token = match policy {
        Policy::Incumbent => incumbent::logs_in(&world.vault).await,
        Policy::Fail => Process::new(world, OnOutage::Fail)?.has_token_within(INIT_TIMEOUT).await,
        Policy::Lazy => {
            let process = Process::new(world, OnOutage::Lazy)?;
            if !process.has_token_within(LAZY_PATIENCE).await {
                return Ok(Init::Willing(process));
            }
            true
        }
    };
    Ok(if has_token { Init::LoggedIn } else { Init::Failed })
}

/// Calls the function, which asks for a secret, until that succeeds.
async fn invoke(process: &Process) {
    while !process.has_token_within(FUNCTION_TIMEOUT - MARGIN).await {
        sleep(between(CALLER_LEAST, CALLER_MOST)).await;
    }
}

/// All environments are asked for within this time.
const ARRIVAL: Duration = Duration::from_millis(500);
/// From one process's end to the start of the next in the same environment.
const RESET: Duration = Duration::from_millis(100);
/// Until the process of an extension sends its first byte.
const PROCESS_START: Duration = Duration::from_millis(10);
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib>
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// What the function's owner has set.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Until a caller that got an error calls again.
const CALLER_LEAST: Duration = Duration::from_millis(500);
const CALLER_MOST: Duration = Duration::from_millis(1500);
/// The default of `STRONGROOM_INIT_TIMEOUT`.
const INIT_TIMEOUT: Duration = Duration::from_secs(8);
/// How long the start waits for Vault with `STRONGROOM_ON_OUTAGE=lazy`.
const LAZY_PATIENCE: Duration = Duration::from_secs(2);
/// What the extension keeps of an invocation's time to answer the function.
const MARGIN: Duration = Duration::from_millis(200);
