//! What happens while the canaries are watched.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use strongroom_devvault::{DevVault, server_config};
use strongroom_faults::{Fault, Rule};
use strongroom_tests::stage::stub::{self, Stub};
use strongroom_tests::stage::tap::signature;
use strongroom_tests::stage::{SECRET_FILE, SECRET_URL, client};

use super::{CLIENT_TOKEN, FORMATS, SECRET, WRITTEN, Watched};

#[tokio::test]
async fn a_good_life_gives_no_secret_away() {
    for format in FORMATS {
        let name = "a good life gives no secret away";
        let Some(mut watched) = Watched::new(name, format).await else { return };
        watched.deliver_file();
        watched.stage.set("VAULT_DEFAULT_CACHE_TTL", "1m");
        watched.stage.set("VAULT_DEFAULT_CACHE_ENABLED", "true");
        let environment = watched.stage.ready().await;
        let seen = environment.invoke(&[SECRET_FILE], &[SECRET_URL, SECRET_URL]).await;
        assert_eq!(seen.to_string().matches(SECRET).count(), 3, "{seen}");
        watched.search_command_lines();
        let own = [("x-vault-token", CLIENT_TOKEN)];
        watched.told(&environment.ask("GET", SECRET_URL, &own, "").await);
        let body = json!({ "data": { "api-key": WRITTEN } }).to_string();
        assert_eq!(environment.ask("POST", "/v1/kv/data/new", &[], body).await.status, 200);
        watched.stage.revoke_logins().await;
        assert_eq!(environment.get("/v1/kv/data/new").await.status, 200);
        environment.shut_down().await;
        assert!(watched.tap.passed().contains(WRITTEN) && watched.tap.passed().contains(SECRET));
        assert_eq!((watched.tap.tokens().len(), watched.tap.signatures().len()), (2, 2));
        assert!(environment.log().contains("DEBUG"), "{}", environment.log());
        watched.search(name, &environment);
    }
}

#[tokio::test]
async fn a_refused_login_gives_no_secret_away() {
    for format in FORMATS {
        let name = "a refused login gives no secret away";
        let Some(watched) = Watched::new(name, format).await else { return };
        let echoed = Arc::new(Mutex::new(String::new()));
        let record = Arc::clone(&echoed);
        let vault = Stub::start(move |request| {
            let record = Arc::clone(&record);
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let said = as_sts_refuses(&serde_json::from_slice(&body).unwrap());
                record.lock().unwrap().clone_from(&said);
                stub::json(400, &json!({ "errors": [said] }))
            }
        })
        .await;
        watched.stage.faults.set_target(vault.address());
        let environment = watched.stage.start().await;
        assert_eq!(environment.init_failure().await, "exit status 8", "{}", environment.log());
        assert!(environment.log().contains("SignatureDoesNotMatch"), "{}", environment.log());
        watched.search(name, &environment);
        let echoed = echoed.lock().unwrap();
        let signature = echoed.rsplit_once("Signature=").unwrap().1;
        assert!(signature.len() == 64 && !environment.log().contains(signature));
        let token = watched.canaries().swap_remove(2).1;
        assert!(echoed.contains(&token), "the refusal repeated the session token");
    }
}

/// STS's words for a wrong signature, as Vault passes them on: they repeat what was signed.
fn as_sts_refuses(login: &Value) -> String {
    let headers = login["iam_request_headers"].as_str().unwrap();
    let signature = signature(headers).unwrap();
    let headers: Value = serde_json::from_slice(&STANDARD.decode(headers).unwrap()).unwrap();
    let signed: String = headers
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("{}:{}\n", name.to_lowercase(), value[0].as_str().unwrap()))
        .collect();
    format!(
        "error making upstream request: received error code 403 from STS: <ErrorResponse \
         xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>Sender</Type>\n    \
         <Code>SignatureDoesNotMatch</Code>\n    <Message>The request signature we calculated does not match the \
         signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation \
         for details.\n\nThe Canonical String for this request should have been\n'POST\n/\n\n{signed}'\n\nThe \
         String-to-Sign should have been\n'AWS4-HMAC-SHA256'</Message>\n  </Error>\n</ErrorResponse>\nSignature={signature}"
    )
}

#[tokio::test]
async fn a_refused_or_missing_secret_gives_no_other_away() {
    for format in FORMATS {
        for (path, status) in [("kv/data/forbidden", 8), ("kv/data/nothing", 9), ("kv/app", 9)] {
            let name = "a refused or missing secret gives no other away";
            let Some(mut watched) = Watched::new(name, format).await else { return };
            watched.stage.set("VAULT_SECRET_PATH", "kv/data/app");
            watched.stage.set("VAULT_SECRET_FILE", SECRET_FILE);
            watched.stage.set("VAULT_SECRET_PATH_OTHER", path);
            watched.stage.set("VAULT_SECRET_FILE_OTHER", "/tmp/secrets/other.json");
            let environment = watched.stage.start().await;
            let end = environment.init_failure().await;
            assert_eq!(end, format!("exit status {status}"), "{path}: {}", environment.log());
            assert!(watched.tap.passed().contains(SECRET) && watched.tap.tokens().len() == 1);
            watched.search(path, &environment);
        }
    }
}

#[tokio::test]
async fn broken_answers_give_no_secret_away() {
    for format in FORMATS {
        let name = "broken answers give no secret away";
        // A login whose answer is cut behind the token, then a read whose answer is cut behind the secret.
        let cut = [
            ("/v1/auth/aws/login", format!("{{\"auth\":{{\"client_token\":\"{CLIENT_TOKEN}\",")),
            (SECRET_URL, format!("{{\"data\":{{\"data\":{{\"api-key\":\"{SECRET}\",")),
        ];
        for (path, body) in cut {
            let Some(mut watched) = Watched::new(name, format).await else { return };
            watched.deliver_file();
            let fault = Fault::Answer { body, retry_after: None, status: 200 };
            watched.stage.faults.inject(Rule::new(fault).path(path));
            let environment = watched.stage.start().await;
            assert_eq!(environment.init_failure().await, "exit status 8", "{}", environment.log());
            assert!(environment.log().contains(path), "{}", environment.log());
            watched.search(path, &environment);
        }
    }
}

#[tokio::test]
async fn a_failed_handshake_gives_no_secret_away() {
    for format in FORMATS {
        let name = "a failed handshake gives no secret away";
        let Some(mut watched) = Watched::new(name, format).await else { return };
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = own.signing_key.serialize_pem();
        let mut config = strongroom_devvault::Config::new("root".into());
        config.tls = Some(server_config(own.cert.pem().as_bytes(), key.as_bytes()).unwrap());
        let vault = DevVault::start(config).await.unwrap();
        watched.stage.set("VAULT_ADDR", &vault.url().replace("127.0.0.1", "localhost"));
        let environment = watched.stage.start().await;
        assert_eq!(environment.init_failure().await, "exit status 7", "{}", environment.log());
        watched.search(name, &environment);
    }
}

#[tokio::test]
async fn wrong_settings_are_named_and_not_repeated() {
    for format in FORMATS {
        let name = "wrong settings are named and not repeated";
        let Some(mut watched) = Watched::new(name, format).await else { return };
        watched.stage.set("VAULT_TOKEN", CLIENT_TOKEN);
        watched.stage.set("STRONGROOM_REVOKE", SECRET);
        watched.stage.set("VAULT_HEADERS", &format!("{{\"x-key\":\"{WRITTEN}\""));
        watched.stage.set("VAULT_CACERT_BYTES", SECRET);
        let environment = watched.stage.start().await;
        assert_eq!(environment.init_failure().await, "exit status 2", "{}", environment.log());
        for variable in ["VAULT_HEADERS", "STRONGROOM_REVOKE"] {
            assert!(environment.log().contains(variable), "{}", environment.log());
        }
        watched.search(name, &environment);
    }
}

#[tokio::test]
async fn errors_of_the_local_api_give_no_secret_away() {
    for format in FORMATS {
        let name = "errors of the local API give no secret away";
        let Some(mut watched) = Watched::new(name, format).await else { return };
        watched.stage.set("STRONGROOM_INIT_TIMEOUT", "5s");
        let environment = watched.stage.ready().await;
        let own = [("x-vault-token", CLIENT_TOKEN), ("authorization", CLIENT_TOKEN)];
        let body = json!({ "data": { "api-key": WRITTEN } }).to_string();
        let faults = [
            Rule::new(Fault::HalfAnswer),
            Rule::new(Fault::Reset),
            Rule::new(Fault::unavailable()),
            Rule::new(Fault::precondition_failed()),
            Rule::new(Fault::too_many_requests(Duration::from_secs(1))),
        ];
        for fault in faults {
            for (method, headers, body) in [("GET", &[][..], ""), ("POST", &own[..], body.as_str())]
            {
                let rule = watched.stage.faults.inject(fault.clone().path(SECRET_URL));
                let url = format!("{SECRET_URL}?version=2");
                let answer = environment.ask(method, &url, headers, body.to_owned()).await;
                watched.told(&answer);
                watched.stage.faults.remove(rule);
            }
        }
        // A dead token, then a login that is refused.
        watched
            .stage
            .vault
            .aws()
            .delete_access_key(&watched.stage.config.credentials.access_key_id);
        watched.stage.revoke_logins().await;
        watched.told(&environment.get(SECRET_URL).await);
        // Requests that are none.
        let url = format!("http://elsewhere.test/v1/{WRITTEN}");
        watched.told(&environment.ask("GET", &url, &own, body.clone()).await);
        let big = "x".repeat(200_000);
        let headers = [("x-vault-token", CLIENT_TOKEN), ("x-big", big.as_str())];
        // It may be told so or cut off.
        drop(client::ask(environment.proxy(), "GET", SECRET_URL, &headers, "").await);
        assert!(watched.tap.passed().contains(SECRET), "the half answers were halves of it");
        assert_eq!(watched.tap.tokens().len(), 1);
        watched.search(name, &environment);
    }
}
