//! Lambda's sandbox: another user, a small `/tmp`, few descriptors and little memory, shared with the function.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Response;
use serde_json::json;
use strongroom_faults::Rule;
use strongroom_host::Identity;
use strongroom_tests::stage::client::{self, Client};
use strongroom_tests::stage::stub::{self, Stub};
use strongroom_tests::stage::{
    Environment, SECRET_FILE, SECRET_PATH, SECRET_URL, SECRET_VALUE, Stage, within,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::stage_of_root;

/// Clients that are served at once: a quarter of Lambda's 1,024 descriptors.
const PLACES: usize = 256;
/// The function's time-out, where a test waits for it.
const DEADLINE: Duration = Duration::from_secs(5);
/// The least memory that a function can have. Here it limits each process, by its address space.
const LEAST_MEMORY: u64 = 128 * 1024 * 1024;

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

#[tokio::test]
async fn a_thousand_clients_at_once_are_answered_or_told_when_to_come_again() {
    let name = "a thousand clients at once are answered or told when to come again";
    let Some(mut stage) = stage_of_root(name).await else { return };
    as_lambda(&mut stage, DEADLINE);
    stage.config.address_space = Some(LEAST_MEMORY);
    let environment = stage.ready().await;
    stage.faults.inject(Rule::latency(Duration::from_millis(200)).path(SECRET_URL));
    environment.invoke(&[], &[SECRET_URL]).await;
    let invoked = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..1_000 {
        let address = environment.proxy();
        clients.spawn(async move {
            let asked = client::ask(address, "GET", SECRET_URL, &[], "");
            within("an answer", asked).await.expect("nobody is turned away without a word")
        });
    }
    let answers = clients.join_all().await;
    let waited = invoked.elapsed();
    assert!(waited < 2 * DEADLINE, "{waited:?}");
    let with = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(with(200) + with(503), 1_000, "{}", environment.log());
    assert!(with(200) >= PLACES, "{} answered", with(200));
    for refused in answers.iter().filter(|answer| answer.status == 503) {
        assert_eq!(refused.headers["retry-after"], "1");
    }
    let answer = environment.get(SECRET_URL).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn clients_that_ask_for_much_and_do_not_read_take_no_more_than_there_is() {
    let name = "clients that do not read take no more memory than there is";
    let Some(mut stage) = stage_of_root(name).await else { return };
    as_lambda(&mut stage, Duration::from_secs(20));
    let large = "x".repeat(1_000_000);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let vault = Stub::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let large = large.clone();
        async move { Response::new(stub::whole(large)) }
    })
    .await;
    stage.talk_to(vault.address(), "hvs.stub");
    stage.config.address_space = Some(LEAST_MEMORY);
    let environment = stage.ready().await;
    let mut clients = Vec::new();
    for _ in 0..PLACES - 1 {
        // What fits into the kernel's buffers would not have to be held.
        let client = TcpSocket::new_v4().unwrap();
        client.set_recv_buffer_size(4096).unwrap();
        let mut client = client.connect(environment.proxy()).await.unwrap();
        client.write_all(b"GET /v1/kv/large HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        clients.push(client);
    }
    // As many as there are connections to Vault, and those whose answers are held.
    let many = async {
        while asked.load(Ordering::SeqCst) < 64 + 8 {
            tokio::task::yield_now().await;
        }
    };
    within("the requests in Vault", many).await;
    // If there were no bound, it would be passed in this time.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held = environment.memory("VmHWM");
    assert!(held < 64 * 1024, "{held} KiB of the function's 128 MB are ours");
    drop(clients);
    let answer = environment.get("/v1/kv/large").await;
    assert_eq!((answer.status, answer.body.len()), (200, 1_000_000), "{}", environment.log());
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
