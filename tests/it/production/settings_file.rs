//! The settings file in the function's code: what Lambda's 4 KB of variables have no place for.

use serde_json::Value;
use strongroom_tests::stage::{SECRET_FILE, SECRET_VALUE};

use super::formats::add_to_code;
use super::stage;
use super::variables::wrapped;

const TWO_SECRETS: &str = r#"
VAULT_AUTH_ROLE = "lambda-role"
VAULT_ADDR = "http://127.0.0.1:1"
STRONGROOM_FILE_FORMAT = "response"

[[secret]]
path = "kv/data/app"
file = "/tmp/secrets/app.json"
format = "data"

[[secret]]
path = "kv/data/app"
field = "api-key"
variable = "API_KEY"

[[secret]]
path = "kv/data/none"
field = "a"
variable = "OWN"
"#;

#[tokio::test]
async fn what_it_says_is_done_and_variables_win_over_it() {
    let Some(mut stage) = wrapped("what a settings file says is done").await else { return };
    add_to_code(&stage, "strongroom.toml", TWO_SECRETS);
    stage.config.variables.remove("VAULT_AUTH_ROLE");
    // The stage's VAULT_ADDR wins; so does a variable of the function, whose secret is not there.
    stage.set("OWN", "of the function");
    let environment = stage.ready().await;
    // The wrapper, which reads no file, is given them by the extension.
    let seen = environment.variables(&["API_KEY", "OWN"]).await;
    let expect = [SECRET_VALUE, "of the function"].map(|value| Some(value.to_owned()));
    assert_eq!(seen, expect, "{}", environment.log());
    let held: Value = serde_json::from_str(&environment.file(SECRET_FILE)).unwrap();
    assert_eq!(held["api-key"], SECRET_VALUE);
}

#[tokio::test]
async fn mistakes_in_it_end_init_with_file_and_line_of_each() {
    let check = async |text: &str, words: &[&str]| {
        let Some(mut stage) = stage("mistakes in a settings file end init").await else { return };
        add_to_code(&stage, "settings.toml", text);
        stage.set("STRONGROOM_CONFIG", "/var/task/settings.toml");
        let environment = stage.start().await;
        assert_eq!(environment.init_failure().await, "exit status 2", "{}", environment.log());
        for word in words {
            assert!(environment.log().contains(word), "no {word} in {}", environment.log());
        }
        assert!(!environment.log().contains("hunter2"), "{}", environment.log());
        assert_eq!(stage.logins(), 0);
    };
    check(
        "STRONGROOM_REFRSH = \"1m\"\nSTRONGROOM_REVOKE = \"hunter2\"\n[[secret]]\nfile = \"x\"\n",
        &[
            "/var/task/settings.toml:1: STRONGROOM_REFRSH",
            "did you mean STRONGROOM_REFRESH",
            "/var/task/settings.toml:2: STRONGROOM_REVOKE",
            "/var/task/settings.toml:3: [[secret]] has no path",
        ],
    )
    .await;
    check("\n\nA = hunter2\n", &["/var/task/settings.toml:3: ", "no TOML"]).await;
    check(
        "[[secret]]\nvariable = \"VAULT_TOKEN\"\npath = \"a\"\nfield = \"b\"",
        &["/var/task/settings.toml:2: variable"],
    )
    .await;
}

#[tokio::test]
async fn one_that_is_named_must_be_there() {
    let Some(mut stage) = stage("a settings file that is named must be there").await else {
        return;
    };
    stage.set("STRONGROOM_CONFIG", "/var/task/none.toml");
    let environment = stage.start().await;
    assert_eq!(environment.init_failure().await, "exit status 2");
    let line = environment.line("/var/task/none.toml").await;
    assert!(line.contains("STRONGROOM_CONFIG"), "{line}");
}
