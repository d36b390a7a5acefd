//! A file that is due while Vault or the machine misbehaves: the invocation is held up for a bounded time, the file
//! stays whole, and it is new when the trouble is over.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_faults::{Fault, Rule};
use strongroom_tests::stage::{
    Environment, SECRET_FILE, SECRET_PATH, SECRET_URL, SECRET_VALUE, Stage,
};
use tokio::task::JoinSet;

use super::{stage, stage_of_root};

/// What an invocation may take that is held up for the three seconds that we allow ourselves, on a slow machine.
const BOUND: Duration = Duration::from_secs(10);
/// Longer than that.
const TOO_LONG: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
/// How long a secret that could not be read is not asked for again; more than a freeze needs to be one.
const PAUSE: Duration = Duration::from_secs(10);

/// Has the secret in a file that any invocation finds too old.
fn refresh_at_once(stage: &mut Stage) {
    stage.deliver_file();
    stage.config.timeout = TOO_LONG;
    stage.set("STRONGROOM_FILE_FORMAT", "raw:api-key");
    stage.set("STRONGROOM_REFRESH", "1ms");
}

async fn with_file(test: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    refresh_at_once(&mut stage);
    Some(stage)
}

/// Invokes the function and returns what it saw in the file.
async fn seen(environment: &Environment) -> String {
    let invocation = environment.try_invoke(&[SECRET_FILE], &[]).await;
    assert_eq!(invocation.function_error, None, "{invocation:?}\n{}", environment.log());
    assert!(invocation.duration < BOUND, "{:?}\n{}", invocation.duration, environment.log());
    let seen: Value = serde_json::from_slice(&invocation.payload).unwrap();
    seen["files"][0].as_str().unwrap().to_owned()
}

/// Waits for all of these, side by side.
async fn all(checks: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    checks.collect::<JoinSet<_>>().join_all().await;
}

#[tokio::test]
async fn trouble_that_lasts_leaves_the_file_whole_and_the_invocation_in_time() {
    let troubles = [
        (Rule::latency(TOO_LONG), "waiting for"),
        (Rule::new(Fault::HalfAnswer), ""),
        (Rule::new(Fault::Reset), ""),
        (Rule::new(Fault::too_many_requests(TOO_LONG)), "429"),
        (Rule::new(Fault::unavailable()), "503"),
    ];
    all(troubles.into_iter().map(|(rule, word)| lasts(rule, word))).await;
}

async fn lasts(rule: Rule, word: &str) {
    let Some(stage) = with_file("trouble that lasts leaves the file whole").await else { return };
    let environment = stage.ready().await;
    stage.write_secret("a longer one that is not to be seen in part").await;
    stage.faults.inject(rule.path(SECRET_URL));
    assert_eq!(seen(&environment).await, SECRET_VALUE, "{word}");
    assert_eq!(environment.file(SECRET_FILE), SECRET_VALUE, "{word}");
    let line = environment.line("a file keeps an older secret").await;
    assert!(line.contains(SECRET_PATH) && line.contains(word), "{word} in {line}");
}

#[tokio::test]
async fn trouble_that_passes_is_over_within_the_invocation() {
    let troubles = [
        Rule::latency(SECOND),
        Rule::new(Fault::HalfAnswer),
        Rule::new(Fault::Reset),
        Rule::new(Fault::too_many_requests(SECOND)),
        Rule::new(Fault::precondition_failed()),
        Rule::new(Fault::unavailable()),
    ];
    all(troubles.into_iter().map(passes)).await;
}

async fn passes(rule: Rule) {
    let name = "trouble that passes is over within the invocation";
    let Some(stage) = with_file(name).await else { return };
    let environment = stage.ready().await;
    stage.write_secret("second").await;
    stage.faults.inject(rule.clone().path(SECRET_URL).times(1));
    seen(&environment).await;
    assert_eq!(environment.file(SECRET_FILE), "second", "{rule:?}\n{}", environment.log());
}

#[tokio::test]
async fn trouble_with_one_secret_does_not_keep_the_others_old() {
    let Some(mut stage) = with_file("trouble with one secret does not keep the others old").await
    else {
        return;
    };
    // In the order of their names, the one in trouble comes first.
    stage.set("VAULT_SECRET_PATH_A", "kv/data/silent");
    stage.set("VAULT_SECRET_FILE_A", "/tmp/secrets/silent");
    stage.set("VAULT_SECRET_PATH_Z", "kv/data/other");
    stage.set("VAULT_SECRET_FILE_Z", "/tmp/secrets/other");
    let versions = async |value: &str| {
        for path in [SECRET_PATH, "kv/data/silent", "kv/data/other"] {
            stage.write(path, json!({ "data": { "api-key": value } })).await;
        }
    };
    versions("first").await;
    let environment = stage.ready().await;
    versions("second").await;
    stage.faults.inject(Rule::new(Fault::Silence).path("/v1/kv/data/silent"));
    seen(&environment).await;
    let held = ["/tmp/secrets/silent", SECRET_FILE, "/tmp/secrets/other"];
    assert_eq!(
        held.map(|file| environment.file(file)),
        ["first", "second", "second"],
        "{}",
        environment.log()
    );
}

#[tokio::test]
async fn a_full_tmp_leaves_the_older_file_whole_and_is_named_with_its_remedy() {
    let name = "a full /tmp leaves the older file whole";
    let Some(mut stage) = stage_of_root(name).await else { return };
    refresh_at_once(&mut stage);
    stage.config.tmp_bytes = Some(64 * 1024);
    let environment = stage.ready().await;
    stage.write_secret(&"x".repeat(200_000)).await;
    assert_eq!(seen(&environment).await, SECRET_VALUE);
    assert_eq!(environment.file(SECRET_FILE), SECRET_VALUE);
    let line = environment.line("a file keeps an older secret").await;
    for part in [SECRET_FILE, "ephemeral storage"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    let left = std::fs::read_dir(environment.host.tmp().join("secrets")).unwrap().flatten();
    assert_eq!(left.map(|entry| entry.file_name()).collect::<Vec<_>>(), ["app.json"]);
}

/// Here the wall clock has to pass, once for the freeze and for the pause.
#[tokio::test]
async fn after_a_freeze_the_first_invocation_may_read_the_older_file_and_leaves_the_new_one() {
    let name = "after a freeze the first invocation may read the older file";
    let Some(mut stage) = with_file(name).await else { return };
    stage.set("VAULT_MAX_RETRIES", "0");
    let environment = stage.ready().await;
    let outage = stage.faults.inject(Rule::new(Fault::unavailable()).path(SECRET_URL));
    assert_eq!(seen(&environment).await, SECRET_VALUE);
    environment.line("a file keeps an older secret").await;

    environment.host.freeze().await.unwrap();
    stage.faults.remove(outage);
    stage.faults.silence_open_connections();
    stage.write_secret("second").await;
    tokio::time::sleep(PAUSE + SECOND).await;
    let first = seen(&environment).await;
    assert!([SECRET_VALUE, "second"].contains(&first.as_str()), "{first}");
    assert_eq!(environment.file(SECRET_FILE), "second", "{}", environment.log());
    assert_eq!(seen(&environment).await, "second");
}
