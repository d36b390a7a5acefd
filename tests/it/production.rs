//! What fails in production, over the real extension and its stand-ins: each test is a statement of what the function
//! then sees, and of what stands in the log.

mod bodies;
mod canaries;
mod dotenv;
mod formats;
mod freezes;
mod freshness;
mod init;
mod lazy;
mod leases;
mod limits;
mod names;
mod outages;
mod preparation;
mod refreshing;
mod retries;
mod settings_file;
mod shutdown;
mod snapstart;
mod socket;
mod stale;
mod tokens;
mod variables;
mod who_may_ask;
mod wrapper;

use std::path::Path;

use strongroom_devvault::Release;
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::Stage;

/// A stage on which nothing has gone wrong yet, unless there is no extension to test.
async fn stage(test: &str) -> Option<Stage> {
    stage_with(test, &[Part::Extension], Release::default()).await
}

/// The same where the machine lets us mount and limit as we like.
async fn stage_of_root(test: &str) -> Option<Stage> {
    let parts = [Part::Extension, Part::PrivateNetwork];
    stage_with(test, &parts, Release::default()).await
}

/// The same with a Vault of that release's manners.
async fn stage_with(test: &str, parts: &[Part], release: Release) -> Option<Stage> {
    if !beds::available(test, parts) {
        return None;
    }
    let function = Path::new(env!("CARGO_BIN_EXE_strongroom-tests-function"));
    Some(Stage::of_release(function, release).await)
}
