//! A name server that knows nothing, is slow, or changes its mind.

use std::net::Ipv4Addr;
use std::time::Duration;

use strongroom_faults::{Faults, Protocol};
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::names::{NameServer, Reply, in_private_network};
use strongroom_tests::stage::{SECRET_URL, Stage};

use super::stage;

const HOST: &str = "vault.test";
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn can_run(test: &str) -> bool {
    beds::available(test, &[Part::Extension, Part::PrivateNetwork])
}

/// A stage whose Vault is known by name.
async fn named_stage(test: &str) -> Stage {
    let mut stage = stage(test).await.expect("it was asked whether it can run");
    let port = stage.faults.address().port();
    stage.set("VAULT_ADDR", &format!("http://{HOST}:{port}"));
    stage
}

#[test]
fn a_name_that_nobody_knows_is_named() {
    let name = "a name that nobody knows is named";
    if !can_run(name) {
        return;
    }
    in_private_network(async {
        let server = NameServer::start(Reply::NoSuchName).await;
        let stage = named_stage(name).await;
        let environment = stage.start().await;
        assert_eq!(environment.init_failure().await, "exit status 6", "{}", environment.log());
        let line = environment.line("[ERROR]").await;
        for part in [HOST, "VAULT_ADDR", "name resolution"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
        // Retried, as a name server may be wrong for a moment.
        assert!(server.asked().iter().filter(|asked| *asked == HOST).count() > 2);
    });
}

#[test]
fn a_slow_name_server_is_waited_for_and_named() {
    let name = "a slow name server is waited for and named";
    if !can_run(name) {
        return;
    }
    in_private_network(async {
        let _server = NameServer::start(Reply::Late(FIRST, Duration::from_secs(2))).await;
        let stage = named_stage(name).await;
        let environment = stage.ready().await;
        let line = environment.line("after 1 s").await;
        let waiting = format!("waiting for the name server to say where {HOST} is");
        assert!(line.contains("[WARN]") && line.contains(&waiting), "{line}");
        let seen = environment.invoke(&[], &[SECRET_URL]).await;
        assert_eq!(seen["get"][0]["status"], 200, "{seen}");
    });
}

#[test]
fn a_name_that_moves_is_followed() {
    let name = "a name that moves is followed";
    if !can_run(name) {
        return;
    }
    in_private_network(async {
        let server = NameServer::start(Reply::Address(FIRST)).await;
        let mut stage = named_stage(name).await;
        let environment = stage.ready().await;
        assert_eq!(environment.get(SECRET_URL).await.status, 200);

        let port = stage.faults.address().port();
        let target = stage.vault.address();
        let moved = Faults::start_at((SECOND, port).into(), target, Protocol::Http).await.unwrap();
        stage.take_vault_away().await;
        server.set(Reply::NoSuchName);
        let answer = environment.get(SECRET_URL).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(answer.text().contains(HOST), "{}", answer.text());
        server.set(Reply::Address(SECOND));
        let answer = environment.get(SECRET_URL).await;
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), environment.log());
        assert_eq!(moved.requests().len(), 1);
        assert_eq!(stage.logins(), 1);
    });
}
