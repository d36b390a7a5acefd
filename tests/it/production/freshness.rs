//! Files of an environment that lives: how old they are after an invocation, and what their leases become.
//!
//! The rule that is tested: a file is at most `STRONGROOM_REFRESH` old at the last INVOKE that was finished.

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_devvault::Release;
use strongroom_faults::{Fault, Rule};
use strongroom_host::InitializationType;
use strongroom_tests::stage::{Environment, SECRET_FILE, SECRET_PATH, SECRET_VALUE, Stage, within};

use super::{stage, stage_with};

/// Any age is too old.
const AT_ONCE: &str = "1ms";

async fn with_file(test: &str, refresh: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    stage.deliver_file();
    stage.set("STRONGROOM_FILE_FORMAT", "raw:api-key");
    stage.set("STRONGROOM_REFRESH", refresh);
    Some(stage)
}

/// A stage whose function has leased credentials in a file.
pub(super) async fn with_leased_file(test: &str, ttl: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    stage.add_database(ttl).await;
    stage.set("VAULT_SECRET_PATH", "database/creds/app");
    stage.set("VAULT_SECRET_FILE", SECRET_FILE);
    stage.set("STRONGROOM_FILE_FORMAT", "data");
    Some(stage)
}

pub(super) fn user(environment: &Environment) -> String {
    let held: Value = serde_json::from_str(&environment.file(SECRET_FILE)).unwrap();
    held["username"].as_str().unwrap().to_owned()
}

/// Invokes the function until it is so.
pub(super) async fn invoke_until(environment: &Environment, mut is_so: impl FnMut() -> bool) {
    within("what an invocation brings about", async {
        while !is_so() {
            environment.invoke(&[], &[]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn after_an_invocation_a_file_is_as_young_as_it_must_be() {
    let Some(stage) = with_file("after an invocation a file is young", AT_ONCE).await else {
        return;
    };
    let environment = stage.ready().await;
    let mut held_open = File::open(environment.host.tmp().join("secrets/app.json")).unwrap();
    for value in ["second", "third"] {
        stage.write_secret(value).await;
        environment.invoke(&[], &[]).await;
        assert_eq!(environment.file(SECRET_FILE), value);
    }
    let mut old = String::new();
    held_open.read_to_string(&mut old).unwrap();
    assert_eq!(old, SECRET_VALUE, "a reader that holds the old file keeps it");
}

#[tokio::test]
async fn a_file_that_is_young_enough_costs_nothing() {
    for refresh in ["1h", "off"] {
        let Some(stage) = with_file("a file that is young enough", refresh).await else { return };
        let environment = stage.ready().await;
        stage.write_secret("second").await;
        environment.invoke(&[], &[]).await;
        environment.invoke(&[], &[]).await;
        assert_eq!(environment.file(SECRET_FILE), SECRET_VALUE);
        assert_eq!(stage.reads_of(SECRET_PATH), 1);
    }
}

#[tokio::test]
async fn a_file_that_the_function_has_removed_comes_back() {
    let Some(stage) = with_file("a file that the function has removed", AT_ONCE).await else {
        return;
    };
    let environment = stage.ready().await;
    std::fs::remove_dir_all(environment.host.tmp().join("secrets")).unwrap();
    environment.invoke(&[], &[]).await;
    assert_eq!(environment.file(SECRET_FILE), SECRET_VALUE, "{}", environment.log());
}

#[tokio::test]
async fn a_secret_that_has_not_changed_does_not_change_its_file() {
    for format in ["response", "data"] {
        let Some(mut stage) = with_file("a secret that has not changed", AT_ONCE).await else {
            return;
        };
        stage.set("STRONGROOM_FILE_FORMAT", format);
        let environment = stage.ready().await;
        use std::os::unix::fs::MetadataExt as _;
        let inode =
            || std::fs::metadata(environment.host.tmp().join("secrets/app.json")).unwrap().ino();
        let before = inode();
        invoke_until(&environment, || stage.reads_of(SECRET_PATH) >= 3).await;
        assert_eq!(inode(), before, "{format}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_again_leaves_its_file_and_says_so() {
    let Some(mut stage) = with_file("what cannot be read again leaves its file", AT_ONCE).await
    else {
        return;
    };
    stage.set("VAULT_MAX_RETRIES", "0");
    let environment = stage.ready().await;
    let outage = stage.faults.inject(Rule::new(Fault::unavailable()).path("/v1/kv/data/app"));
    environment.invoke(&[SECRET_FILE], &[]).await;
    assert_eq!(environment.file(SECRET_FILE), SECRET_VALUE);
    let line = environment.line("a file keeps an older secret").await;
    assert!(line.contains("kv/data/app") && line.contains("503"), "{line}");
    // And it is not asked for at every invocation.
    let asked = stage.faults.requests().len();
    environment.invoke(&[SECRET_FILE], &[]).await;
    assert_eq!(stage.faults.requests().len(), asked);
    stage.faults.remove(outage);
}

#[tokio::test]
async fn a_vault_that_hangs_does_not_hold_up_an_invocation_for_long() {
    let Some(stage) = with_file("a Vault that hangs does not hold up", AT_ONCE).await else {
        return;
    };
    let environment = stage.ready().await;
    stage.faults.inject(Rule::new(Fault::Silence).path("/v1/kv/data/app"));
    let invocation = environment.try_invoke(&[SECRET_FILE], &[]).await;
    assert_eq!(invocation.function_error, None);
    environment.invoke(&[SECRET_FILE], &[]).await;
    let line = environment.line("a file keeps an older secret").await;
    assert!(line.contains("kv/data/app"), "{line}");
}

#[tokio::test]
async fn a_lease_is_renewed_and_its_secret_stays() {
    // It would end within the invocation: renewed as soon as it is older than the difference.
    let Some(mut stage) = with_leased_file("a lease is renewed", "20s").await else { return };
    stage.config.timeout = Duration::from_millis(19_900);
    let environment = stage.ready().await;
    let before = user(&environment);
    invoke_until(&environment, || stage.requests("PUT", "sys/leases/renew") >= 2).await;
    assert_eq!(user(&environment), before);
    assert_eq!((stage.vault.leases().len(), stage.reads_of("database/creds/app")), (1, 1));
}

#[tokio::test]
async fn when_a_lease_is_over_its_secret_is_read_again() {
    let Some(mut stage) = with_leased_file("when a lease is over", "20s").await else { return };
    stage.config.timeout = Duration::from_millis(19_900);
    let environment = stage.ready().await;
    let before = user(&environment);
    stage.vault.clock().advance(Duration::from_secs(60));
    assert_eq!(stage.vault.leases().len(), 0);
    invoke_until(&environment, || user(&environment) != before).await;
    assert_eq!((stage.vault.leases().len(), stage.logins()), (1, 1));
}

#[tokio::test]
async fn a_lease_that_ended_with_its_token_is_replaced_with_the_token() {
    for release in [Release::V1_14, Release::V1_21] {
        let parts = [strongroom_tests::beds::Part::Extension];
        let name = "a lease that ended with its token";
        if stage_with(name, &parts, release).await.is_none() {
            return;
        }
        let Some(mut stage) = with_leased_file(name, "20s").await else { return };
        stage.config.timeout = Duration::from_millis(19_900);
        let environment = stage.ready().await;
        let before = user(&environment);
        stage.revoke_logins().await;
        assert_eq!(stage.vault.leases().len(), 0, "{release:?}");
        invoke_until(&environment, || user(&environment) != before).await;
        assert_eq!((stage.vault.leases().len(), stage.logins()), (1, 2), "{release:?}");
    }
}

#[tokio::test]
async fn on_managed_instances_a_timer_keeps_files_fresh() {
    let Some(mut stage) = with_file("on Managed Instances a timer keeps files fresh", "1s").await
    else {
        return;
    };
    stage.config.initialization = InitializationType::ManagedInstances;
    let environment = stage.ready().await;
    stage.write_secret("second").await;
    let reads = stage.reads_of(SECRET_PATH);
    within("the timer", async {
        while stage.reads_of(SECRET_PATH) == reads {
            environment.invoke(&[], &[]).await;
        }
    })
    .await;
    within("the file", async {
        while environment.file(SECRET_FILE) != "second" {
            environment.invoke(&[], &[]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_was_deleted_is_kept_or_null_as_it_was_wished() {
    for (missing, expect) in [("fail", SECRET_VALUE), ("null", "null")] {
        let Some(mut stage) = with_file("a secret that was deleted", AT_ONCE).await else { return };
        stage.set("STRONGROOM_MISSING_SECRET", missing);
        let environment = stage.ready().await;
        stage.write("kv/delete/app", json!({ "versions": [1] })).await;
        environment.invoke(&[], &[]).await;
        assert_eq!(environment.file(SECRET_FILE), expect, "{}", environment.log());
    }
}
