//! The examples under the local Lambda of `host`, with the embedded Vault.

use serde_json::Value;
use strongroom_tests::beds::{self, Language, Part};
use strongroom_tests::stage::{Environment, PATIENCE, SECRET_PATH, SECRET_VALUE, Stage, within};

use super::{fingerprints, parts, variables};

/// The stage brings a function of its own, whose place the example takes.
const FUNCTION: &str = env!("CARGO_BIN_EXE_strongroom-tests-function");
/// The examples name Lambda's own paths, which only root can mount.
const NEEDED: [Part; 3] = [Part::Extension, Part::PrivateNetwork, Part::Wrapper];

async fn check(language: Language) {
    let test = format!("the example in {language:?} under the local Lambda");
    if !beds::available(&test, &parts(language, &NEEDED)) {
        return;
    }
    let mut stage = Stage::new(FUNCTION.as_ref()).await;
    // Puts the wrapper into the layer; the function itself is the example.
    stage.start_by_wrapper();
    stage.config.function = language.function();
    // On a busy machine Java alone takes seconds to start.
    stage.config.init_timeout = PATIENCE;
    for (name, value) in variables(language, SECRET_PATH) {
        stage.set(name, &value);
    }
    let vault = stage.faults.url();
    stage.set("VLE_VAULT_ADDR", &vault);
    let local = format!("http://127.0.0.1:{}", stage.port());
    stage.set("VAULT_ADDR", &local);

    let environment = stage.ready().await;
    let before = invoke(&environment).await;
    stage.write_secret("rotated").await;
    let after = invoke(&environment).await;
    let ended = environment.shut_down().await;

    assert_eq!(before, fingerprints(SECRET_VALUE, SECRET_VALUE, SECRET_VALUE));
    // A variable is what it was when the process started, and the file is not old enough to be read again.
    assert_eq!(after, fingerprints(SECRET_VALUE, SECRET_VALUE, "rotated"));
    assert_eq!(ended.exit(&environment.source()), Some("exit status 0"), "{ended:?}");
    // One for all that is read before the function starts, then one for each invocation.
    let requests = stage.vault.requests().into_iter();
    let is_read = |method: &str, path: &str| method == "GET" && path.ends_with(SECRET_PATH);
    let reads = requests.filter(|request| is_read(&request.method, &request.path)).count();
    assert_eq!(reads, 3, "{}", environment.log());
    assert_eq!(stage.logins(), 1);
}

async fn invoke(environment: &Environment) -> Value {
    let invocation = within("the invocation", environment.host.invoke("{}")).await.unwrap();
    assert_eq!(invocation.function_error, None, "{invocation:?}\n{}", environment.log());
    serde_json::from_slice(&invocation.payload).unwrap()
}

#[tokio::test]
async fn an_example_in_go_reads_its_secret_in_three_ways() {
    check(Language::Go).await;
}

#[tokio::test]
async fn an_example_in_java_reads_its_secret_in_three_ways() {
    check(Language::Java).await;
}

#[tokio::test]
async fn an_example_in_node_reads_its_secret_in_three_ways() {
    check(Language::Node).await;
}

#[tokio::test]
async fn an_example_in_python_reads_its_secret_in_three_ways() {
    check(Language::Python).await;
}

#[tokio::test]
async fn an_example_in_rust_reads_its_secret_in_three_ways() {
    check(Language::Rust).await;
}
