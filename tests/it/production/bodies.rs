//! Bodies larger than anything that may be held, and clients that leave in the middle of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::BodyExt as _;
use strongroom_tests::stage::stub::{self, Stub};
use strongroom_tests::stage::{client, within};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::stage;

const TOKEN: &str = "hvs.of-the-stage";
/// Vault's own limit for what it is sent.
const LARGE: usize = 32 << 20;
/// How much more memory may be touched meanwhile, in KiB.
const LITTLE: u64 = 6 * 1024;

#[tokio::test]
async fn large_bodies_pass_both_ways_in_constant_memory() {
    let name = "large bodies pass both ways in constant memory";
    let Some(mut stage) = stage(name).await else { return };
    let body = Bytes::from(vec![b'x'; LARGE]);
    let received = Arc::new(AtomicUsize::new(0));
    let (sent, counted) = (body.clone(), Arc::clone(&received));
    let vault = Stub::start(move |request| {
        let (sent, counted) = (sent.clone(), Arc::clone(&counted));
        async move {
            if request.method() == Method::GET {
                return Response::new(stub::whole(sent));
            }
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                counted.fetch_add(length, Ordering::SeqCst);
            }
            stub::json(200, &serde_json::json!({}))
        }
    })
    .await;
    stage.talk_to(vault.address(), TOKEN);
    let environment = stage.ready().await;
    assert_eq!(environment.ask("POST", "/v1/small", &[], "{}").await.status, 200);
    received.store(0, Ordering::SeqCst);
    let before = environment.memory("VmHWM");
    assert_eq!(environment.ask("POST", "/v1/large", &[], body.clone()).await.status, 200);
    assert_eq!(received.load(Ordering::SeqCst), LARGE);
    let answer = environment.get("/v1/large").await;
    assert!(answer.status == 200 && answer.body == body, "{} bytes", answer.body.len());
    let growth = environment.memory("VmHWM") - before;
    assert!(growth < LITTLE, "{growth} KiB for a body of {} KiB", LARGE / 1024);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_frees_vaults_connection() {
    let name = "a client that leaves in the middle frees Vault's connection";
    let Some(mut stage) = stage(name).await else { return };
    let vault = Stub::start(async |request| match request.uri().path() {
        "/v1/endless" => Response::new(stub::halfway("the first half")),
        _ => {
            // An upload that breaks off has no answer.
            drop(request.into_body().collect().await);
            stub::json(200, &serde_json::json!({}))
        }
    })
    .await;
    stage.talk_to(vault.address(), TOKEN);
    let environment = stage.ready().await;

    // In the middle of an answer.
    let mut answer = client::begin(environment.proxy(), "/v1/endless").await.unwrap();
    within("the first half", answer.piece()).await.unwrap().unwrap();
    vault.until_open(1).await;
    drop(answer);
    vault.until_open(0).await;

    // In the middle of its own body.
    let mut upload = TcpStream::connect(environment.proxy()).await.unwrap();
    let head =
        format!("POST /v1/upload HTTP/1.1\r\nhost: localhost\r\ncontent-length: {LARGE}\r\n\r\n");
    upload.write_all(head.as_bytes()).await.unwrap();
    upload.write_all(&[b'x'; 100_000]).await.unwrap();
    vault.until_open(1).await;
    drop(upload);
    vault.until_open(0).await;

    assert_eq!(environment.get("/v1/whole").await.status, 200, "{}", environment.log());
}
