//! The practice with AWS's own Python client, under AWS's emulator and under the local Lambda of `host`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Audit, Launch, Moto, Part, Rie, Vault, practice, shared_moto};
use strongroom_tests::stage::PATIENCE;
use strongroom_tests::stage::practice::Practice;

use super::{LOGIN, REVOCATION, read_of_secret};

/// A function that reads the secret by file and by proxy.
const READER: &str = include_str!("reader.py");

const UNDER_EMULATOR: [Part; 6] =
    [Part::Extension, Part::Moto, Part::PrivateNetwork, Part::Python, Part::Rie, Part::Vault];

/// What the function saw is what Vault holds, in a file for nobody else.
#[track_caller]
fn check(seen: &Value, vault: &Vault) {
    let held = vault.read(practice::SECRET_PATH)["data"].clone();
    assert_eq!(held["data"], json!({practice::SECRET_KEY: practice::SECRET_VALUE}));
    assert_eq!((&seen["file"]["data"], &seen["proxy"]["data"]), (&held, &held), "{seen}");
    assert_eq!((&seen["mode"], &seen["owner"]), (&json!("0o600"), &seen["user"]), "{seen}");
}

/// The one login's token, which must be the only one.
#[track_caller]
fn accessor_of_login(vault: &Vault) -> String {
    let accessors = vault.login_accessors();
    let [accessor] = &accessors[..] else { panic!("not one login but {accessors:?}") };
    accessor.clone()
}

/// Nothing of what was printed, at any level, is a secret of the login or of the function.
#[track_caller]
fn check_discreet(printed: &str, moto: &Moto) {
    let token = moto.session.token.as_deref().expect("a session has a token");
    for secret in [practice::SECRET_VALUE, &moto.session.secret, token, "hvs."] {
        assert!(!printed.contains(secret), "a secret is printed");
    }
}

#[track_caller]
fn check_revoked(vault: &Vault, accessor: &str) {
    let answer = vault.look_up(accessor);
    // The status of this is 400 in old releases and 403 in new ones.
    assert!(answer.text().contains("invalid accessor"), "{}: {}", answer.status, answer.text());
    assert_eq!(vault.login_accessors(), [""; 0]);
}

#[test]
fn under_the_emulator_the_function_reads_what_vault_holds_and_the_token_ends_with_it() {
    if !beds::available("the practice under RIE", &UNDER_EMULATOR) {
        return;
    }
    beds::in_private_network(|| {
        let moto = Moto::start();
        let vault = Vault::start();
        vault.set_up_practice(&moto);
        let audit = Audit::of(&vault);
        let mut launch = Launch::practice(READER, &beds::extension(), &vault, &moto.session);
        launch.set("VAULT_LOG_LEVEL", "TRACE");
        let mut rie = Rie::start(&launch);
        for _ in 0..2 {
            let answer =
                rie.invoke(&json!({})).unwrap_or_else(|error| panic!("{error}: {}", rie.output()));
            check(&answer.json(), &vault);
        }
        let accessor = accessor_of_login(&vault);
        rie.shut_down();
        let read = read_of_secret();
        // The file, then each invocation.
        assert_eq!(audit.requests(), [LOGIN, &read, &read, &read, REVOCATION]);
        check_revoked(&vault, &accessor);
        check_discreet(&rie.output(), &moto);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn under_the_local_lambda_the_function_reads_what_vault_holds_and_the_token_ends_with_it() {
    let parts = [Part::Extension, Part::Moto, Part::Python, Part::Vault];
    if !beds::available("the practice under the local Lambda", &parts) {
        return;
    }
    let mut practice = Practice::of_python(READER, shared_moto());
    practice.set("VAULT_LOG_LEVEL", "TRACE");
    let environment = practice.ready().await;
    for _ in 0..2 {
        let answer = environment.host.invoke("{}").await.unwrap();
        assert_eq!(answer.function_error, None, "{}", environment.log());
        check(&serde_json::from_slice(&answer.payload).unwrap(), &practice.vault);
    }
    let accessor = accessor_of_login(&practice.vault);
    let ended = environment.shut_down().await;
    assert_eq!(ended.exit(&environment.source()), Some("exit status 0"), "{ended:?}");
    let read = read_of_secret();
    assert_eq!(practice.audit.requests(), [LOGIN, &read, &read, &read, REVOCATION]);
    check_revoked(&practice.vault, &accessor);
    check_discreet(&environment.log(), shared_moto());
}

/// The Python client's workers come up one after the other and do not say so;
/// an invocation for which there is none yet is refused, and Lambda's callers try again.
fn invoke_where_there_is_room(rie: &Rie, event: &Value) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = rie.invoke(event).unwrap().json();
        if answer["errorType"] != "Runtime.Unavailable" {
            return answer;
        }
        assert!(Instant::now() < deadline, "no worker; it printed:\n{}", rie.output());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn on_managed_instances_invocations_at_once_read_as_lambdas_own_user() {
    if !beds::available("the practice on RIE's managed instances", &UNDER_EMULATOR) {
        return;
    }
    const TOGETHER: usize = 3;
    beds::in_private_network(|| {
        let moto = Moto::start();
        let vault = Vault::start();
        vault.set_up_practice(&moto);
        let audit = Audit::of(&vault);
        let mut launch = Launch::practice(READER, &beds::extension(), &vault, &moto.session);
        launch.managed_instances(4);
        launch.set("VAULT_LOG_LEVEL", "TRACE");
        let mut rie = Rie::start(&launch);
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let invoke = || invoke_where_there_is_room(&rie, &json!({"together": TOGETHER}));
            let invocations: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(invoke)).collect();
            invocations.into_iter().map(|invocation| invocation.join().unwrap()).collect()
        });
        for seen in &answers {
            check(seen, &vault);
            assert_eq!(seen["user"], 993, "{seen}");
        }
        let accessor = accessor_of_login(&vault);
        rie.shut_down();
        // The emulator refuses INVOKE there, and all that is left to register for is SHUTDOWN.
        let output = rie.output();
        assert!(output.contains("this environment has no INVOKE event for extensions"), "{output}");
        let read = read_of_secret();
        let mut expected = vec![LOGIN, &read];
        expected.extend([read.as_str(); TOGETHER]);
        expected.push(REVOCATION);
        assert_eq!(audit.requests(), expected);
        check_revoked(&vault, &accessor);
        check_discreet(&output, &moto);
    });
}
