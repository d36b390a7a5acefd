//! The handlers on the pages of Python and Node: each as it stands there is a function under the local Lambda, started by
//! the wrapper, and must not fail.

use std::fs;

use strongroom_tests::beds::{self, Language, Part};
use strongroom_tests::stage::{PATIENCE, SECRET_PATH, Stage, within};
use tempfile::TempDir;

use super::reading;

/// The stage brings a function of its own, whose place the page's takes.
const FUNCTION: &str = env!("CARGO_BIN_EXE_strongroom-tests-function");
/// The pages name Lambda's own paths, which only root can mount.
const NEEDED: [Part; 3] = [Part::Extension, Part::PrivateNetwork, Part::Wrapper];

/// Runs each block that is marked with `word`, in a file of the name that belongs to it.
async fn check(language: Language, page: &str, word: &str, files: &[&str]) {
    let test = format!("the handlers of {page}");
    if !beds::available(&test, &[language.parts(), &NEEDED].concat()) {
        return;
    }
    let blocks = reading::page(page).blocks(word);
    assert_eq!(blocks.len(), files.len(), "{page}");
    for (block, file) in blocks.iter().zip(files) {
        let mut stage = Stage::new(FUNCTION.as_ref()).await;
        stage.start_by_wrapper();
        // Other tests run at once, each with a port of its own.
        let source = block.replace("127.0.0.1:8200", &format!("127.0.0.1:{}", stage.port()));
        let code = TempDir::new().unwrap();
        #[expect(clippy::disallowed_methods, reason = "what a page shows, no secret")]
        fs::write(code.path().join(file), source).unwrap();
        stage.config.function = language.function();
        stage.config.function.code = code.path().to_owned();
        stage.config.init_timeout = PATIENCE;
        let reference = format!("vault:{SECRET_PATH}#api-key");
        for (name, value) in [
            ("API_KEY", reference.as_str()),
            ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/strongroom/exec"),
            ("NODE_PATH", "/var/lang/node_modules"),
            ("STRONGROOM_FILE_FORMAT_API", "raw:api-key"),
            ("VAULT_SECRET_FILE_API", "/tmp/vault/api-key"),
            ("VAULT_SECRET_PATH_API", SECRET_PATH),
        ] {
            stage.set(name, value);
        }
        let environment = stage.ready().await;
        let invocation = within("the invocation", environment.host.invoke("{}")).await.unwrap();
        let log = environment.log();
        assert_eq!(invocation.function_error, None, "{block}\n{invocation:?}\n{log}");
        environment.shut_down().await;
    }
}

#[tokio::test]
async fn the_handlers_on_the_page_of_python_read_their_secret() {
    check(Language::Python, "docs/runtimes/python.md", "python", &["app.py", "app.py"]).await;
}

#[tokio::test]
async fn the_handlers_on_the_page_of_node_read_their_secret() {
    check(Language::Node, "docs/runtimes/node.md", "js", &["app.mjs", "app.js"]).await;
}
