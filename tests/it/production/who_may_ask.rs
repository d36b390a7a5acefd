//! Who may ask the local Vault API, where, and for what.

use strongroom_tests::stage::{SECRET_URL, SECRET_VALUE, Stage, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::stage;
use super::variables::wrapped;

/// Sends a request on the extension's socket, and reads all of the answer.
async fn ask_on_socket(environment: &strongroom_tests::stage::Environment, head: &str) -> String {
    let asked = async {
        let mut stream = UnixStream::connect(environment.socket()).await.unwrap();
        stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    within("an answer on the socket", asked).await
}

async fn allowing(test: &str, patterns: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    stage.set("STRONGROOM_ALLOW", patterns);
    Some(stage)
}

#[tokio::test]
async fn what_is_not_allowed_never_reaches_vault() {
    let name = "what is not allowed never reaches Vault";
    let Some(stage) = allowing(name, "kv/data/app").await else { return };
    let environment = stage.ready().await;
    for path in ["/v1/kv/data/app", "/v1/kv/data/%61pp"] {
        assert_eq!(environment.get(path).await.status, 200, "{path}");
    }
    let before = stage.vault.requests().len();
    for path in [
        "/v1/kv/data/other",
        "/v1/kv/data/app/../other",
        "/v1/kv/data/app/%2e%2e/other",
        "/v1/kv//data/app",
        "/v1/kv/data%2Fapp",
        "/v1/kv/data/%2561pp",
        "/v1/sys/mounts",
    ] {
        for method in ["GET", "LIST", "PUT", "DELETE"] {
            let answer = environment.ask(method, path, &[], "").await;
            let text = String::from_utf8(answer.body).unwrap();
            assert_eq!(answer.status, 403, "{method} {path}: {text}");
            assert!(text.contains("errors") && text.contains("STRONGROOM_ALLOW"), "{text}");
        }
    }
    for namespaces in [
        &[("x-vault-namespace", "team")][..],
        &[("x-vault-namespace", ""), ("x-vault-namespace", "team")],
    ] {
        let answer = environment.ask("GET", SECRET_URL, namespaces, "").await;
        assert_eq!(answer.status, 403, "{namespaces:?}");
    }
    assert_eq!(stage.vault.requests().len(), before, "nothing was asked of Vault");
}

#[tokio::test]
async fn a_guarded_api_answers_only_what_is_meant_for_vault() {
    let Some(mut stage) = stage("a guarded API answers what is meant for Vault").await else {
        return;
    };
    stage.set("STRONGROOM_GUARD_HTTP", "on");
    let environment = stage.ready().await;
    let says_so = ("x-vault-request", "true");
    assert_eq!(environment.ask("GET", SECRET_URL, &[says_so], "").await.status, 200);
    let before = stage.vault.requests().len();
    for headers in [
        &[][..],
        &[("x-vault-token", "dummy")],
        &[says_so, ("origin", "http://localhost:8200")],
        &[says_so, ("sec-fetch-site", "same-origin")],
        &[says_so, ("x-forwarded-for", "127.0.0.1")],
        &[says_so, ("forwarded", "for=127.0.0.1")],
        &[says_so, ("host", "rebound.test")],
    ] {
        let answer = environment.ask("GET", SECRET_URL, headers, "").await;
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    assert_eq!(stage.vault.requests().len(), before, "nothing was asked of Vault");
}

#[tokio::test]
async fn the_wrapper_gives_the_function_a_token_that_passes_the_guard_and_goes_no_further() {
    let Some(mut stage) = wrapped("the wrapper gives a token that passes the guard").await else {
        return;
    };
    stage.set("STRONGROOM_GUARD_HTTP", "on");
    let environment = stage.ready().await;
    let found = environment.variables(&["STRONGROOM_GUARD_TOKEN", "VAULT_TOKEN"]).await;
    let token = found[0].clone().unwrap();
    assert_eq!(found[1].as_deref(), Some(token.as_str()));
    // Where any dummy would go up with the request.
    for path in [SECRET_URL, "/v1/sys/wrapping/lookup"] {
        let answer = environment.ask("GET", path, &[("x-vault-token", &token)], "").await;
        assert_eq!(answer.status == 200, path == SECRET_URL, "{path}");
    }
    let refused = environment.ask("GET", SECRET_URL, &[("x-vault-token", &token[1..])], "").await;
    assert_eq!(refused.status, 403);
    assert!(!environment.log().contains(&token));
}

#[tokio::test]
async fn the_socket_alone_serves_the_api_where_nothing_listens() {
    let Some(mut stage) = stage("the socket alone serves the API").await else { return };
    stage.config.variables.remove("STRONGROOM_PROXY_PORT");
    stage.set("STRONGROOM_LISTEN", "off");
    stage.set("STRONGROOM_ALLOW", "kv/data/app");
    let environment = stage.ready().await;
    let answer =
        ask_on_socket(&environment, "GET /v1/kv/data/app HTTP/1.1\r\nHost: localhost").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(SECRET_VALUE), "{answer}");
    let answer =
        ask_on_socket(&environment, "GET /v1/kv/data/other HTTP/1.1\r\nHost: localhost").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(std::net::TcpStream::connect(environment.proxy()).is_err());
}

#[tokio::test]
async fn a_client_may_have_the_token_revoked() {
    let Some(stage) = stage("a client may have the token revoked").await else { return };
    let environment = stage.ready().await;
    let logins = stage.logins();
    let wish = [("x-vault-token-options", "revoke")];
    assert_eq!(environment.ask("GET", SECRET_URL, &wish, "").await.status, 200);
    assert_eq!(stage.requests("PUT", "auth/token/revoke-self"), 1, "{}", environment.log());
    assert_eq!(stage.logins(), logins + 1);
}

#[tokio::test]
async fn the_holder_of_a_taken_port_is_named() {
    let Some(stage) = stage("the holder of a taken port is named").await else { return };
    let environment = stage.start().await;
    let _taken = std::net::TcpListener::bind(environment.proxy()).unwrap();
    assert_eq!(environment.init_failure().await, "exit status 3");
    let line = environment.line("[ERROR]").await;
    assert!(line.contains(&format!("process {} (", std::process::id())), "{line}");
}
