//! A managed runtime of any language: what Lambda's bootstrap starts, and by what.

use std::fs;

use serde_json::json;
use strongroom_host::{Host, HostError, Paths, Runtime};

use crate::probe::{Stage, write};

/// An interpreter that says how it was started, and leaves.
const INTERPRETER: &str = "#!/bin/sh\necho \"$AWS_EXECUTION_ENV: $0 $*\"\n";
const WRAPPER: &str = "#!/bin/sh\necho \"wrapped: $# words\"\nexec \"$@\"\n";

fn stage() -> (Stage, Runtime) {
    let stage = Stage::new(&json!({}));
    let language = stage.path().join("language");
    fs::create_dir_all(language.join("bin")).unwrap();
    write(&language.join("bin/interpreter"), INTERPRETER, 0o755);
    write(&stage.layer().join("wrapper"), WRAPPER, 0o755);
    let words = ["/var/lang/bin/interpreter", "/var/lang/lib/*:/var/task", "it's"];
    let command = words.map(str::to_owned).to_vec();
    (stage, Runtime::Managed { command, language, name: "language1.x".to_owned() })
}

#[tokio::test]
async fn the_command_is_started_with_the_handler_in_lambdas_paths_or_where_they_lie() {
    for paths in [Paths::LambdaIfAllowed, Paths::Translated] {
        let (stage, runtime) = stage();
        let Runtime::Managed { language, .. } = &runtime else { unreachable!() };
        let here = language.display().to_string();
        let code = stage.code().display().to_string();
        let mut config = stage.config();
        config.paths = paths;
        config.function.runtime = runtime.clone();
        let host = Host::start(config).await.unwrap();
        host.initialize().await.unwrap_err();

        let lines = host.logs();
        let said = lines.iter().find(|line| line.text.starts_with("AWS_Lambda_language1.x: "));
        let said = &said.unwrap_or_else(|| panic!("{lines:?}")).text;
        let expected = "/var/lang/bin/interpreter /var/lang/lib/*:/var/task it's probe.handler";
        let translated = expected.replace("/var/lang", &here).replace("/var/task", &code);
        // Where Lambda's paths cannot be had, they are translated, too.
        let started = said.strip_prefix("AWS_Lambda_language1.x: ").unwrap();
        assert!(started == translated || (paths != Paths::Translated && started == expected));
    }
}

#[tokio::test]
async fn the_exec_wrapper_starts_the_command() {
    let (stage, runtime) = stage();
    let mut config = stage.config();
    config.function.runtime = runtime;
    let wrapper = ("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/opt/wrapper".to_owned());
    config.variables.extend([wrapper]);
    let host = Host::start(config).await.unwrap();
    host.initialize().await.unwrap_err();
    let lines = host.logs();
    // Interpreter, two words and the handler.
    assert!(lines.iter().any(|line| line.text == "wrapped: 4 words"), "{lines:?}");
    assert!(lines.iter().any(|line| line.text.ends_with(" it's probe.handler")), "{lines:?}");
}

#[tokio::test]
async fn a_language_without_programs_is_no_language() {
    let (stage, runtime) = stage();
    let Runtime::Managed { command, language, name } = runtime else { unreachable!() };
    fs::remove_dir_all(language.join("bin")).unwrap();
    let mut config = stage.config();
    config.function.runtime = Runtime::Managed { command, language: language.clone(), name };
    let error = Host::start(config).await.unwrap_err();
    let HostError::Directory { what, .. } = error else { panic!("{error}") };
    assert_eq!(what, language.display().to_string());
}
