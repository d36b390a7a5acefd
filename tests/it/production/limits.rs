//! Lambda's sandbox: another user, a small `/tmp`, few descriptors and little memory, shared with the function.

use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_host::Identity;
use strongroom_tests::stage::client::Client;
use strongroom_tests::stage::{
    Environment, SECRET_FILE, SECRET_PATH, SECRET_URL, SECRET_VALUE, Stage, within,
};
use tokio::task::JoinSet;

use super::stage_of_root;

/// Clients that are served at once: a quarter of Lambda's 1,024 descriptors.
const PLACES: usize = 256;
/// The function's time-out, where a test waits for it.
const DEADLINE: Duration = Duration::from_secs(5);

/// The user, the limits and the invocation that Lambda has.
fn as_lambda(stage: &mut Stage, timeout: Duration) {
    stage.config.identity = Identity::LAMBDA;
    stage.config.open_files = Some(1024);
    stage.config.timeout = timeout;
}

#[tokio::test]
async fn a_full_tmp_is_named_with_its_remedy_and_nothing_is_left() {
    let name = "a full /tmp is named with its remedy and nothing is left";
    let Some(mut stage) = stage_of_root(name).await else { return };
    stage.deliver_file();
    stage.config.tmp_bytes = Some(64 * 1024);
    stage.write(SECRET_PATH, json!({ "data": { "api-key": "x".repeat(200_000) } })).await;
    let environment = stage.start().await;
    assert_eq!(environment.init_failure().await, "exit status 10", "{}", environment.log());
    let line = environment.line("[ERROR]").await;
    for part in [SECRET_FILE, "ephemeral storage", "Extension.StrongroomFile"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    let left = std::fs::read_dir(environment.host.tmp().join("secrets")).unwrap().flatten();
    assert_eq!(left.map(|entry| entry.file_name()).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn lambdas_user_and_limits_are_enough_for_three_hundred_clients() {
    let name = "Lambda's user and limits are enough for three hundred clients";
    let Some(mut stage) = stage_of_root(name).await else { return };
    as_lambda(&mut stage, Duration::from_secs(25));
    stage.deliver_file();
    let environment = stage.ready().await;
    let seen = environment.invoke(&[SECRET_FILE], &[SECRET_URL]).await;
    assert!(seen["files"][0].to_string().contains(SECRET_VALUE), "{seen}");

    let mut clients = JoinSet::new();
    for _ in 0..300 {
        let address = environment.proxy();
        clients.spawn(async move {
            // Those that find no place at first get that of one that has left.
            let mut client = Client::connect(address).await.unwrap();
            for _ in 0..4 {
                let answer = within("an answer", client.get(SECRET_URL)).await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        });
    }
    clients.join_all().await;
    let requests = stage.faults.requests().len();
    assert!(requests > 1200, "{requests}");
    assert!(stage.faults.connections() <= 1 + 64 + 64, "{}", stage.faults.connections());
    let held = environment.memory("VmRSS");
    assert!(held < 48 * 1024, "{held} KiB of the function's 128 MB are ours");
}

#[tokio::test]
async fn clients_without_a_place_wait_and_are_told_when_to_come_again() {
    let name = "clients without a place wait and are told when to come again";
    let Some(mut stage) = stage_of_root(name).await else { return };
    as_lambda(&mut stage, DEADLINE);
    let environment = stage.ready().await;
    environment.invoke(&[], &[SECRET_URL]).await;
    let invoked = Instant::now();
    let clients = take_every_place(&environment).await;
    let mut late = JoinSet::new();
    for _ in 0..2 {
        let address = environment.proxy();
        late.spawn(async move {
            let mut client = Client::connect(address).await.unwrap();
            within("an answer", client.get(SECRET_URL)).await.unwrap()
        });
    }
    for answer in late.join_all().await {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(answer.json()["errors"][0].as_str().unwrap().contains("256"), "{}", answer.text());
    }
    let waited = invoked.elapsed();
    assert!(waited > DEADLINE - Duration::from_secs(1) && waited < 2 * DEADLINE, "{waited:?}");
    drop(clients);
    let answer = environment.get(SECRET_URL).await;
    assert_eq!(answer.status, 200, "every place is free again: {}", answer.text());
}

#[tokio::test]
async fn a_place_that_became_free_unnoticed_is_given_to_the_next_client() {
    let name = "a place that became free unnoticed is given to the next client";
    let Some(mut stage) = stage_of_root(name).await else { return };
    as_lambda(&mut stage, DEADLINE);
    let environment = stage.ready().await;
    environment.invoke(&[], &[SECRET_URL]).await;
    let clients = take_every_place(&environment).await;
    // Nobody else comes before the deadline is over.
    tokio::time::sleep(DEADLINE + Duration::from_secs(1)).await;
    drop(clients);
    let answer = environment.get(SECRET_URL).await;
    assert_eq!(answer.status, 200, "every place is free: {}", answer.text());
}

/// So many connections that no further one is served.
async fn take_every_place(environment: &Environment) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..PLACES {
        let mut client = Client::connect(environment.proxy()).await.unwrap();
        assert_eq!(client.get(SECRET_URL).await.unwrap().status, 200);
        clients.push(client);
    }
    clients
}
