//! Environments that are prepared otherwise than on demand: from a snapshot, or for many invocations at once.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use strongroom_faults::Rule;
use strongroom_host::{InitializationType, What};
use strongroom_tests::stage::{SECRET_URL, within};
use tokio::task::JoinSet;

use super::stage;

#[tokio::test]
async fn nothing_that_was_valid_before_a_snapshot_is_valid_after_it() {
    let name = "nothing that was valid before a snapshot is valid after it";
    let Some(mut stage) = stage(name).await else { return };
    stage.config.initialization = InitializationType::SnapStart;
    stage.set("VAULT_DEFAULT_CACHE_TTL", "1h");
    stage.set("VAULT_DEFAULT_CACHE_ENABLED", "true");
    let environment = stage.ready().await;
    assert_eq!(stage.logins(), 1, "a role that cannot log in is found out before the snapshot");
    assert_eq!(stage.login_accessors().await.len(), 0, "{}", environment.log());

    let restored = stage.new_session();
    let key = restored.access_key_id.clone();
    assert_ne!(
        restored.session_token.expose_secret(),
        stage.config.credentials.session_token.expose_secret()
    );
    stage.vault.aws().delete_access_key(&stage.config.credentials.access_key_id);
    environment.host.replace_credentials(restored).await.unwrap();
    let seen = environment.invoke(&[], &[SECRET_URL, SECRET_URL]).await;
    assert_eq!(seen["get"][0]["status"], 200, "{seen}\n{}", environment.log());
    assert_eq!(stage.logins(), 2);
    let requests = stage.vault.aws().requests();
    let last = requests.iter().rfind(|request| request.action == "GetCallerIdentity").unwrap();
    assert_eq!(last.access_key_id.as_ref(), Some(&key), "the new credentials were used");
}

#[tokio::test]
async fn managed_instances_are_served_many_invocations_at_once() {
    let name = "managed instances are served many invocations at once";
    let Some(mut stage) = stage(name).await else { return };
    stage.config.initialization = InitializationType::ManagedInstances;
    stage.config.max_concurrency = 4;
    let environment = Arc::new(stage.ready().await);
    let registered = |what: &What| matches!(what, What::Registered { external: true, .. });
    let registered = within("the registration", environment.host.observed(registered)).await;
    assert!(
        matches!(&registered.what, What::Registered { events, .. } if events == &["SHUTDOWN"]),
        "{registered:?}"
    );
    // None is answered before all four are there.
    let slow = stage.faults.inject(Rule::latency(Duration::from_secs(2)).path(SECRET_URL));
    let seen = stage.faults.requests().len();
    let mut invocations = JoinSet::new();
    for _ in 0..4 {
        let environment = Arc::clone(&environment);
        invocations.spawn(async move { environment.invoke(&[], &[SECRET_URL]).await });
    }
    assert!(stage.faults.wait_for_requests(seen + 4, Duration::from_secs(2)).await);
    assert!(invocations.try_join_next().is_none(), "they ran one after the other");
    for seen in invocations.join_all().await {
        assert_eq!(seen["get"][0]["status"], 200, "{seen}\n{}", environment.log());
    }
    stage.faults.remove(slow);
    assert_eq!(stage.logins(), 1);
    // Nothing tells the extension of an invocation here: a dead token is found out all the same.
    stage.revoke_logins().await;
    let seen = environment.invoke(&[], &[SECRET_URL]).await;
    assert_eq!(seen["get"][0]["status"], 200, "{seen}");
    let end = environment.shut_down().await;
    assert_eq!(end.exit(&environment.source()), Some("exit status 0"));
    assert_eq!(stage.login_accessors().await.len(), 0);
}
