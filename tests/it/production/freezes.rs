//! Environments that stand still for longer than their connections live.
//!
//! Here the wall clock has to pass: the extension takes a gap of more than five seconds for a freeze.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use http::Response;
use strongroom_faults::{Fault, Faults, Protocol, Rule};
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::names::in_private_network;
use strongroom_tests::stage::stub::{self, Stub};
use strongroom_tests::stage::{
    Environment, PATIENCE, SECRET_FILE, SECRET_URL, Stage, client, within,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::stage;

const LOGIN: &str = "/v1/auth/aws/login";
const GAP: Duration = Duration::from_secs(6);
/// How soon after a thaw an answer must be there: the clock is looked at once a second.
const PROMPT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn connections_that_died_without_a_word_are_not_used_after_a_freeze() {
    let name = "connections that died without a word are not used after a freeze";
    let Some(stage) = stage(name).await else { return };
    let environment = stage.ready().await;
    environment.invoke(&[], &[SECRET_URL]).await;
    environment.host.freeze().await.unwrap();
    stage.faults.silence_open_connections();
    assert!(stage.faults.open_connections() > 0, "there was one to go silent");
    tokio::time::sleep(GAP).await;
    let invocation = environment.try_invoke(&[], &[SECRET_URL]).await;
    let seen: serde_json::Value = serde_json::from_slice(&invocation.payload).unwrap();
    assert_eq!(seen["get"][0]["status"], 200, "{seen}\n{}", environment.log());
    assert!(invocation.duration < Duration::from_secs(1), "{:?}", invocation.duration);
}

#[tokio::test]
async fn a_login_that_was_frozen_under_way_is_begun_anew() {
    let name = "a login that was frozen under way is begun anew";
    let Some(mut stage) = stage(name).await else { return };
    stage.deliver_file();
    stage.set("STRONGROOM_INIT_TIMEOUT", "20s");
    stage.faults.inject(Rule::new(Fault::Silence).path(LOGIN).times(1));
    let environment = stage.start().await;
    let (_, thawed) =
        tokio::join!(environment.initialize(), freeze_when_asked(&stage, &environment, 1));
    assert!(thawed.elapsed() < PROMPT, "{:?}\n{}", thawed.elapsed(), environment.log());
    environment.invoke(&[SECRET_FILE], &[]).await;
    assert_eq!(stage.faults.requests().iter().filter(|seen| seen.path == LOGIN).count(), 2);
}

#[tokio::test]
async fn a_read_that_was_frozen_before_its_answer_is_begun_anew() {
    let name = "a read that was frozen before its answer is begun anew";
    let Some(stage) = stage(name).await else { return };
    let environment = stage.ready().await;
    stage.faults.inject(Rule::new(Fault::Silence).path(SECRET_URL).times(1));
    let seen = stage.faults.requests().len();
    let (seen, thawed) = tokio::join!(
        environment.invoke(&[], &[SECRET_URL]),
        freeze_when_asked(&stage, &environment, seen + 1)
    );
    assert_eq!(seen["get"][0]["status"], 200, "{seen}\n{}", environment.log());
    assert!(thawed.elapsed() < PROMPT, "{:?}", thawed.elapsed());
}

#[tokio::test]
async fn a_write_that_was_frozen_ends_with_an_error_and_is_not_repeated() {
    let name = "a write that was frozen ends with an error and is not repeated";
    let Some(stage) = stage(name).await else { return };
    let environment = stage.ready().await;
    stage.faults.inject(Rule::new(Fault::Silence).method("POST").times(1));
    let seen = stage.faults.requests().len();
    let body = r#"{"data":{"api-key":"new"}}"#;
    let (answer, thawed) = tokio::join!(
        environment.ask("POST", SECRET_URL, &[], body),
        freeze_when_asked(&stage, &environment, seen + 1)
    );
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains("frozen"), "{}", answer.text());
    assert!(thawed.elapsed() < PROMPT, "{:?}", thawed.elapsed());
    let writes = stage.faults.requests().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(writes, 1);
}

#[tokio::test]
async fn an_answer_that_was_frozen_halfway_ends_and_the_next_is_whole() {
    let name = "an answer that was frozen halfway ends and the next is whole";
    let Some(stage) = stage(name).await else { return };
    let environment = stage.ready().await;
    // Of unknown length, so that it is passed on as it comes.
    let endless = Stub::start(async |_| Response::new(stub::halfway("the first half"))).await;
    stage.faults.set_target(endless.address());
    stage.faults.reset_open_connections();
    let mut answer = client::begin(environment.proxy(), SECRET_URL).await.unwrap();
    assert_eq!(within("the first half", answer.piece()).await.unwrap().unwrap(), "the first half");

    environment.host.freeze().await.unwrap();
    tokio::time::sleep(GAP).await;
    stage.faults.set_target(stage.vault.address());
    environment.host.thaw().await.unwrap();
    let thawed = Instant::now();
    let rest = within("the end of the answer", answer.piece()).await.unwrap();
    assert!(rest.is_err(), "an answer that was cut is not to look whole: {rest:?}");
    assert!(thawed.elapsed() < PROMPT, "{:?}", thawed.elapsed());
    let seen = environment.invoke(&[], &[SECRET_URL]).await;
    assert_eq!(seen["get"][0]["status"], 200, "{seen}\n{}", environment.log());
}

#[test]
fn a_connection_that_was_frozen_before_it_stood_is_begun_anew() {
    let name = "a connection that was frozen before it stood is begun anew";
    if !beds::available(name, &[Part::Extension, Part::PrivateNetwork]) {
        return;
    }
    in_private_network(async {
        knock_as_ever();
        let mut stage = stage(name).await.expect("it was asked whether it can run");
        stage.set("STRONGROOM_INIT_TIMEOUT", "30s");
        let full = Full::listen().await;
        let address = full.address;
        stage.set("VAULT_ADDR", &format!("http://{address}"));
        let environment = stage.start().await;
        let frozen = async {
            let waiting = format!("after 1 s, waiting for a TCP connection to {address}");
            environment.line(&waiting).await;
            environment.host.freeze().await.unwrap();
            // Beyond the knock after 7 seconds; the next one comes after 15.
            tokio::time::sleep(GAP + Duration::from_secs(2)).await;
            drop(full);
            let vault = stand_in_at(address, stage.vault.address()).await;
            environment.host.thaw().await.unwrap();
            (vault, Instant::now())
        };
        let ((), (_vault, thawed)) = tokio::join!(environment.initialize(), frozen);
        assert!(thawed.elapsed() < PROMPT, "{:?}\n{}", thawed.elapsed(), environment.log());
    });
}

/// Lets the kernel try a connection again after 1, 3, 7 and 15 seconds, as before Linux 6.5, in this network.
/// <https://docs.kernel.org/networking/ip-sysctl.html>
#[expect(clippy::disallowed_methods, reason = "a setting of the kernel, no secret")]
fn knock_as_ever() {
    let setting = Path::new("/proc/sys/net/ipv4/tcp_syn_linear_timeouts");
    if setting.exists() {
        std::fs::write(setting, "0").unwrap();
    }
}

/// Stands before `target` at an address that somebody has just left.
async fn stand_in_at(address: SocketAddr, target: SocketAddr) -> Faults {
    let attempts = async {
        loop {
            // A process that another test starts holds the listener, too, until it executes its program.
            if let Ok(faults) = Faults::start_at(address, target, Protocol::Http).await {
                return faults;
            }
            tokio::task::yield_now().await;
        }
    };
    within("the address", attempts).await
}

/// A listener whose queue is full: the kernel answers no further connection.
struct Full {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    async fn listen() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}

/// Freezes the environment when so many requests have arrived; returns when it went on.
async fn freeze_when_asked(stage: &Stage, environment: &Environment, requests: usize) -> Instant {
    assert!(stage.faults.wait_for_requests(requests, PATIENCE).await, "{}", environment.log());
    environment.host.freeze().await.unwrap();
    tokio::time::sleep(GAP).await;
    environment.host.thaw().await.unwrap();
    Instant::now()
}
