//! `STRONGROOM_ON_OUTAGE=lazy`: the environment starts without Vault, and who needs a secret waits for it.

use std::time::{Duration, Instant};

use serde_json::Value;
use strongroom_faults::{Fault, Rule};
use strongroom_tests::stage::{SECRET_FILE, SECRET_URL, SECRET_VALUE, Stage, within};

use super::stage;

async fn lazy_stage(test: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    stage.set("STRONGROOM_ON_OUTAGE", "lazy");
    stage.config.timeout = Duration::from_secs(6);
    Some(stage)
}

#[tokio::test]
async fn who_needs_a_secret_waits_until_vault_is_back() {
    let Some(mut stage) = lazy_stage("who needs a secret waits for it").await else { return };
    stage.deliver_file();
    stage.take_vault_away().await;
    let environment = stage.ready().await;
    environment.line("the environment starts without Vault").await;

    let files = &[SECRET_FILE];
    let urls = &[SECRET_URL];
    let (seen, ()) = tokio::join!(environment.invoke(files, urls), async {
        environment.line("trying again").await;
        stage.faults.listen_again().await.unwrap();
    });
    assert_eq!(seen["get"][0]["status"], 200, "{seen}");
    assert!(seen["files"][0]["error"].is_string(), "it was not there at the start: {seen}");
    let comes = async {
        loop {
            let file = &environment.invoke(files, &[]).await["files"][0];
            if let Value::String(text) = file {
                return text.clone();
            }
        }
    };
    assert!(within("the file", comes).await.contains(SECRET_VALUE));
}

#[tokio::test]
async fn who_waits_in_vain_is_told_why_before_the_invocation_times_out() {
    let Some(mut stage) = lazy_stage("who waits in vain is told why").await else { return };
    stage.take_vault_away().await;
    let environment = stage.ready().await;
    let begun = Instant::now();
    let seen = environment.invoke(&[], &[SECRET_URL]).await;
    assert!(begun.elapsed() < Duration::from_secs(6));
    // Login and request have the same deadline: either may be the first to say so, and the login's last try may have been
    // the one that asked Vault again.
    let status = seen["get"][0]["status"].as_u64();
    assert!(matches!(status, Some(500 | 503 | 504)), "{seen}");
    let body = seen["get"][0]["body"].as_str().unwrap();
    let address = stage.faults.address().to_string();
    assert!(body.contains(&address) && body.contains("cannot connect"), "{body}");
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_still_fails_init() {
    let Some(mut stage) = lazy_stage("wrong settings still fail a lazy init").await else { return };
    stage.set("VAULT_AUTH_ROLE", "no-such-role");
    let environment = stage.start().await;
    assert_eq!(environment.init_failure().await, "exit status 8");
}

#[tokio::test]
async fn a_vault_that_is_slow_at_the_start_does_not_hold_it_up() {
    let Some(stage) = lazy_stage("a slow Vault does not hold a lazy start up").await else {
        return;
    };
    let slow = Rule::new(Fault::Silence).path("/v1/auth/aws/login").times(1);
    stage.faults.inject(slow);
    let begun = Instant::now();
    let environment = stage.ready().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(environment.get(SECRET_URL).await.status, 200, "{}", environment.log());
}
