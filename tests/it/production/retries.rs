//! What the local Vault API asks again, and what it passes on as it is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use strongroom_faults::{ConnectionFault, Fault, Rule};
use strongroom_tests::stage::stub::{self, Stub};
use strongroom_tests::stage::{SECRET_URL, Stage};

use super::stage;

/// How often a path was asked for.
fn asked(stage: &Stage, path: &str) -> usize {
    stage.faults.requests().iter().filter(|seen| seen.path == path).count()
}

#[tokio::test]
async fn reads_are_asked_again_and_writes_are_not() {
    let Some(stage) = stage("reads are asked again and writes are not").await else { return };
    let environment = stage.ready().await;
    for (method, body, fault, expect) in [
        ("GET", "", Fault::unavailable(), (200, 2)),
        ("LIST", "", Fault::unavailable(), (405, 2)),
        ("HEAD", "", Fault::unavailable(), (405, 2)),
        ("GET", "", Fault::precondition_failed(), (200, 2)),
        ("GET", "", Fault::too_many_requests(Duration::from_secs(1)), (200, 2)),
        ("POST", r#"{"data":{}}"#, Fault::unavailable(), (503, 1)),
        ("DELETE", "", Fault::unavailable(), (503, 1)),
        // What Vault asks us to wait for is more than there is.
        ("GET", "", Fault::too_many_requests(Duration::from_secs(600)), (429, 1)),
    ] {
        let before = asked(&stage, SECRET_URL);
        stage.faults.inject(Rule::new(fault.clone()).path(SECRET_URL).times(1));
        let answer = environment.ask(method, SECRET_URL, &[], body).await;
        let tries = asked(&stage, SECRET_URL) - before;
        assert_eq!(tries, expect.1, "{method} {fault:?}: {}", answer.text());
        if method != "HEAD" {
            assert_eq!(answer.status, expect.0, "{method} {fault:?}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_write_is_sent_again_only_if_nothing_of_it_was_sent() {
    let name = "a write is sent again only if nothing of it was sent";
    let Some(mut stage) = stage(name).await else { return };
    let environment = stage.ready().await;
    let write = r#"{"data":{"api-key":"new"}}"#;
    // A connection that breaks after the request was sent: Vault may have taken it.
    stage.faults.inject(Rule::new(Fault::Reset).path(SECRET_URL).times(1));
    let before = asked(&stage, SECRET_URL);
    let answer = environment.ask("POST", SECRET_URL, &[], write).await;
    assert_eq!((answer.status, asked(&stage, SECRET_URL) - before), (502, 1), "{}", answer.text());
    // No connection at all, and then one.
    stage.take_vault_away().await;
    let (answer, ()) = tokio::join!(environment.ask("POST", SECRET_URL, &[], write), async {
        environment.line("trying again").await;
        stage.faults.listen_again().await.unwrap();
    });
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn the_settings_say_how_often() {
    for (setting, expect) in [("off", 1), ("2", 2), ("4", 4)] {
        let Some(mut stage) = stage("the settings say how often").await else { return };
        stage.set("STRONGROOM_RETRY", setting);
        let environment = stage.ready().await;
        stage.faults.inject(Rule::new(Fault::unavailable()).path(SECRET_URL));
        assert_eq!(environment.get(SECRET_URL).await.status, 503);
        assert_eq!(asked(&stage, SECRET_URL), expect, "STRONGROOM_RETRY={setting}");
    }
}

#[tokio::test]
async fn the_health_of_a_node_is_an_answer_whatever_it_is() {
    let Some(stage) = stage("the health of a node is an answer").await else { return };
    let environment = stage.ready().await;
    let health = "/v1/sys/health";
    stage.faults.inject(Rule::new(Fault::unavailable()).path(health));
    for _ in 0..10 {
        assert_eq!(environment.get(health).await.status, 503);
    }
    assert_eq!(asked(&stage, health), 10);
    assert_eq!(environment.get(SECRET_URL).await.status, 200, "they do not count as failures");
}

#[tokio::test]
async fn a_broken_connection_costs_a_read_nothing() {
    let Some(stage) = stage("a broken connection costs a read nothing").await else { return };
    let environment = stage.ready().await;
    stage.faults.reset_open_connections();
    stage.faults.inject_on_connections(ConnectionFault::Reset, 2);
    assert_eq!(environment.get(SECRET_URL).await.status, 200, "{}", environment.log());
}

#[tokio::test]
async fn a_read_asks_for_what_the_write_before_it_changed() {
    let name = "a read asks for what the write before it changed";
    let Some(mut stage) = stage(name).await else { return };
    let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let state =
        |cluster: &str, index: u32| STANDARD.encode(format!("v1:{cluster}:{index}:{index}:hmac"));
    let answers = [state("a", 1), state("a", 2), state("b", 1)];
    let given = answers.clone();
    let vault = Stub::start(move |request| {
        let asked = request.headers().get_all("x-vault-index");
        let asked = asked.iter().map(|state| state.to_str().unwrap().to_owned()).collect();
        let is_read = request.method() == Method::GET;
        let number = {
            let mut noted = noted.lock().unwrap();
            noted.push(asked);
            noted.len() - 1
        };
        let index = given.get(number / 2).cloned();
        async move {
            let mut response = stub::json(200, &serde_json::json!({ "data": {} }));
            if let Some(index) = index.filter(|_| !is_read) {
                response.headers_mut().insert("x-vault-index", index.parse().unwrap());
            }
            response
        }
    })
    .await;
    stage.talk_to(vault.address(), "hvs.stub");
    let environment = stage.ready().await;
    for _ in 0..3 {
        environment.ask("POST", "/v1/kv/data/app", &[], "{}").await;
        environment.get("/v1/kv/data/app").await;
    }
    let own = [("x-vault-index", "my own")];
    environment.ask("GET", "/v1/kv/data/app", &own, "").await;
    let [a1, a2, b1] = &answers;
    let reads: Vec<Vec<String>> = seen.lock().unwrap().iter().skip(1).step_by(2).cloned().collect();
    let expect = [vec![a1.clone()], vec![a2.clone()], vec![a2.clone(), b1.clone()]];
    assert_eq!(reads[..3], expect);
    assert_eq!(seen.lock().unwrap().last().unwrap(), &["my own"]);
}
