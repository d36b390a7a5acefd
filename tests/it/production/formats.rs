//! Files in the shape that a program wants.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::json;
use strongroom_tests::stage::{SECRET_FILE, SECRET_VALUE, Stage};

use super::stage;

/// A stage whose function has [`SECRET_FILE`] in this format.
async fn stage_with_format(test: &str, format: &str) -> Option<Stage> {
    let mut stage = stage(test).await?;
    stage.deliver_file();
    stage.set("STRONGROOM_FILE_FORMAT", format);
    Some(stage)
}

/// Adds a file of the function's code.
pub(super) fn add_to_code(stage: &Stage, name: &str, text: &str) {
    #[expect(clippy::disallowed_methods, reason = "a template, no secret")]
    fs::write(stage.config.function.code.join(name), text).unwrap();
}

#[tokio::test]
async fn a_file_holds_what_its_format_says_and_nothing_else() {
    for (format, expect) in [
        ("data", "{\n  \"api-key\": \"ABCDEFG9876\"\n}"),
        ("raw:api-key", SECRET_VALUE),
        ("dotenv", "api-key='ABCDEFG9876'\n"),
    ] {
        let Some(stage) = stage_with_format("a file holds what its format says", format).await
        else {
            return;
        };
        let environment = stage.ready().await;
        assert_eq!(environment.file(SECRET_FILE), expect, "{format}");
    }
}

#[tokio::test]
async fn each_file_has_its_own_format_and_mode() {
    let Some(mut stage) = stage_with_format("each file has its own format and mode", "data").await
    else {
        return;
    };
    stage.set("VAULT_SECRET_PATH_KEY", "kv/data/app");
    stage.set("VAULT_SECRET_FILE_KEY", "/tmp/secrets/key");
    stage.set("STRONGROOM_FILE_FORMAT_KEY", "raw:api-key");
    stage.set("STRONGROOM_FILE_MODE_KEY", "0440");
    let environment = stage.ready().await;
    assert_eq!(environment.file("/tmp/secrets/key"), SECRET_VALUE);
    let mode = |name: &str| {
        let metadata = fs::metadata(environment.host.tmp().join("secrets").join(name)).unwrap();
        format!("{:o}", metadata.permissions().mode() & 0o7777)
    };
    assert_eq!((mode("key"), mode("app.json")), ("440".to_owned(), "600".to_owned()));
    assert_eq!(stage.reads_of("kv/data/app"), 1, "two files of one secret");
}

#[tokio::test]
async fn a_field_that_is_not_there_ends_init_with_the_names_of_those_that_are() {
    let Some(stage) = stage_with_format("a field that is not there", "raw:password").await else {
        return;
    };
    let environment = stage.start().await;
    assert_eq!(environment.init_failure().await, "exit status 9");
    let line = environment.line("no field password").await;
    assert!(line.contains("it has api-key") && line.contains("STRONGROOM_FILE_FORMAT"), "{line}");
}

#[tokio::test]
async fn a_template_is_made_of_several_secrets() {
    let template = "template:/var/task/settings.toml.j2";
    let Some(stage) = stage_with_format("a template is made of several secrets", template).await
    else {
        return;
    };
    let text = "key = {{ data['api-key'] | tojson }}\n\
                {% for name in secret('kv/data/list').names %}{{ name }} {% endfor %}\n\
                url = {{ secret(secret('kv/data/list').further).url }}\n\
                {{ data.none | default('fallback') }} {{ secret('kv/data/app', version=1)['api-key'] }}\n";
    add_to_code(&stage, "settings.toml.j2", text);
    let list = json!({ "names": ["a", "<b>"], "further": "kv/data/further" });
    stage.write("kv/data/list", json!({ "data": list })).await;
    stage.write("kv/data/further", json!({ "data": { "url": "https://x/?a&b" } })).await;
    let environment = stage.ready().await;
    assert_eq!(
        environment.file(SECRET_FILE),
        "key = \"ABCDEFG9876\"\na <b> \nurl = https://x/?a&b\nfallback ABCDEFG9876\n"
    );
    assert_eq!(stage.reads_of("kv/data/list"), 1);
}

#[tokio::test]
async fn a_template_finds_a_path_in_another_secret_and_keeps_numbers_numbers() {
    let name = "a template finds a path in another secret";
    let Some(stage) = stage_with_format(name, "template:/var/task/t").await else { return };
    let text = "{{ secret('kv/data/' ~ secret('kv/data/pointer').name) | tojson }}";
    add_to_code(&stage, "t", text);
    stage.write("kv/data/pointer", json!({ "data": { "name": "further" } })).await;
    let further = json!({ "whole": 7, "part": 1.5, "text": "1.5", "is_on": true });
    stage.write("kv/data/further", json!({ "data": further })).await;
    let environment = stage.ready().await;
    let held: serde_json::Value = serde_json::from_str(&environment.file(SECRET_FILE)).unwrap();
    assert_eq!(held, further);
}

#[tokio::test]
async fn what_a_template_does_not_find_ends_init_and_gives_nothing_away() {
    let template = "template:/var/task/t";
    for (text, words) in [
        ("{{ data['api-key'] }}{{ data.none }}", "undefined value at line 1"),
        ("{{ data['api-key'] }}\n{{ secret('kv/data/none').a }}", "no secret at kv/data/none"),
        ("{{ secret('kv/data/forbidden').a }}", "403"),
        ("\n{{ data['api-key'] | nonsense }}", "nonsense"),
        ("{% if %}", "syntax error"),
    ] {
        let Some(stage) = stage_with_format("what a template does not find", template).await else {
            return;
        };
        add_to_code(&stage, "t", text);
        let environment = stage.start().await;
        let status = environment.init_failure().await;
        let log = environment.log();
        assert!(
            ["exit status 10", "exit status 9", "exit status 8"].contains(&&*status),
            "{status}"
        );
        assert!(log.contains(words) && log.contains("/var/task/t"), "{words} in {log}");
        assert!(!log.contains(SECRET_VALUE), "{log}");
    }
    let Some(stage) =
        stage_with_format("a template that is not there", "template:/var/task/none").await
    else {
        return;
    };
    let environment = stage.start().await;
    assert_eq!(environment.init_failure().await, "exit status 10");
    environment.line("cannot use template /var/task/none").await;
}

#[tokio::test]
async fn a_shell_reads_from_a_dotenv_file_what_vault_holds() {
    let Some(stage) = stage_with_format("a shell reads a dotenv file", "dotenv").await else {
        return;
    };
    let values = [
        ("A", "a b $HOME `id` \"q\" #"),
        ("B", "it's"),
        ("C", "line\nline"),
        ("D", "C:\\new"),
        ("E", ""),
    ];
    let data: serde_json::Map<_, _> =
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    stage.write("kv/data/app", json!({ "data": data })).await;
    let environment = stage.ready().await;
    let file = environment.host.tmp().join("secrets/app.json");
    let script = r#". "$0"; printf '%s\0' "$A" "$B" "$C" "$D" "$E""#;
    let output = Command::new("sh").args(["-c", script]).arg(file).output().unwrap();
    let read: Vec<_> =
        output.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    assert_eq!(read[..5], values.map(|(_, value)| value));
}
