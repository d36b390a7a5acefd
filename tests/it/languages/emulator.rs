//! The examples under AWS's emulator, with HashiCorp Vault and moto.

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Language, Launch, Moto, Part, Rie, Vault, practice};

use super::{fingerprints, parts, variables};

const NEEDED: [Part; 6] =
    [Part::Extension, Part::Moto, Part::PrivateNetwork, Part::Rie, Part::Vault, Part::Wrapper];

fn check(language: Language) {
    let test = format!("the example in {language:?} under RIE");
    if !beds::available(&test, &parts(language, &NEEDED)) {
        return;
    }
    beds::in_private_network(|| {
        let moto = Moto::start();
        let vault = Vault::start();
        vault.set_up_practice(&moto);
        let mut launch = Launch::practice(language, &beds::extension(), &vault, &moto.session);
        launch.exec = Some(beds::exec());
        launch.unset("VAULT_SECRET_PATH");
        for (name, value) in variables(language, practice::SECRET_PATH) {
            launch.set(name, &value);
        }
        launch.set("VLE_VAULT_ADDR", &vault.address);
        launch.set("VAULT_ADDR", "http://127.0.0.1:8200");
        launch.set("VAULT_LOG_LEVEL", "TRACE");
        // On a busy machine Java alone takes seconds to start.
        launch.set("AWS_LAMBDA_FUNCTION_TIMEOUT", "30");

        let mut rie = Rie::start(&launch);
        let before = invoke(&rie);
        vault.write_secret("rotated");
        let after = invoke(&rie);
        rie.shut_down();

        let held = practice::SECRET_VALUE;
        assert_eq!(before, fingerprints(held, held, held));
        assert_eq!(after, fingerprints(held, held, "rotated"));
        assert_eq!(vault.login_accessors(), [""; 0], "a token lives: {}", rie.output());
        // Neither function, wrapper nor extension has printed a secret, at any level.
        for secret in [held, "rotated", &moto.session.secret, "hvs."] {
            assert!(!rie.output().contains(secret), "a secret is printed");
        }
    });
}

#[track_caller]
fn invoke(rie: &Rie) -> Value {
    let answer = rie.invoke(&json!({})).unwrap_or_else(|error| panic!("{error}: {}", rie.output()));
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), rie.output());
    let seen = answer.json();
    assert!(seen.get("errorType").is_none(), "{seen}\n{}", rie.output());
    seen
}

#[test]
fn an_example_in_go_reads_its_secret_in_three_ways_on_real_parts() {
    check(Language::Go);
}

#[test]
fn an_example_in_java_reads_its_secret_in_three_ways_on_real_parts() {
    check(Language::Java);
}

#[test]
fn an_example_in_node_reads_its_secret_in_three_ways_on_real_parts() {
    check(Language::Node);
}

#[test]
fn an_example_in_python_reads_its_secret_in_three_ways_on_real_parts() {
    check(Language::Python);
}

#[test]
fn an_example_in_rust_reads_its_secret_in_three_ways_on_real_parts() {
    check(Language::Rust);
}
