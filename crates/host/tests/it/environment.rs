//! What processes find: variables, directories, user, limits, network.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use strongroom_host::{Host, Identity, Layer, Network, Paths, What};
use zip::write::SimpleFileOptions;

use crate::probe::{Stage, echo, is_root, noted, record_of, write};

#[tokio::test]
async fn extensions_do_not_see_the_runtimes_own_variables() {
    let stage = Stage::new(&json!({
        "bootstrap": ["variable_names", "echo"],
        "guard": ["variable_names", "register", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.variables.extend([
        ("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/opt/wrapper".to_owned()),
        ("_HIDDEN".to_owned(), "yes".to_owned()),
        // Not the customer's to set.
        ("AWS_REGION".to_owned(), "nowhere".to_owned()),
    ]);
    let host = Host::start(config).await.unwrap();
    host.invoke("1").await.unwrap();

    let names = |who: &str| -> Vec<String> {
        // Python's own.
        let own = ["LC_CTYPE"];
        serde_json::from_value::<Vec<String>>(noted(host.tmp(), who, "names"))
            .unwrap()
            .into_iter()
            .filter(|name| !own.contains(&name.as_str()))
            .collect()
    };
    let shared = [
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_LAMBDA_EXEC_WRAPPER",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LANG",
        "LD_LIBRARY_PATH",
        "PATH",
        "PROBE_OPT",
        "PROBE_TMP",
        "TZ",
    ];
    assert_eq!(names("guard"), shared);
    let only: Vec<_> =
        names("bootstrap").into_iter().filter(|name| !shared.contains(&&**name)).collect();
    assert_eq!(
        only,
        [
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_XRAY_CONTEXT_MISSING",
            "AWS_XRAY_DAEMON_ADDRESS",
            "LAMBDA_RUNTIME_DIR",
            "LAMBDA_TASK_ROOT",
            "_HANDLER",
            "_HIDDEN",
        ]
    );
}

#[tokio::test]
async fn the_platforms_variables_are_not_the_customers() {
    let stage = Stage::new(&json!({
        "bootstrap": [["variables", "AWS_REGION", "LANG", "AWS_LAMBDA_FUNCTION_NAME"], "echo"],
    }));
    let mut config = stage.config();
    for name in ["AWS_REGION", "LANG", "AWS_LAMBDA_FUNCTION_NAME"] {
        config.variables.insert(name.to_owned(), "mine".to_owned());
    }
    config.region = "ap-northeast-2".to_owned();
    let host = Host::start(config).await.unwrap();
    host.invoke("1").await.unwrap();
    assert_eq!(
        noted(host.tmp(), "bootstrap", "variables"),
        json!({
            "AWS_REGION": "ap-northeast-2",
            "LANG": "mine",
            "AWS_LAMBDA_FUNCTION_NAME": "function"
        })
    );
}

#[tokio::test]
async fn later_layers_lie_over_earlier_ones() {
    let stage = Stage::new(&json!({
        "bootstrap": [
            ["read", "/opt/both"], ["read", "/opt/deep/only-directory"], ["read", "/opt/only-zip"],
            "echo",
        ],
    }));
    std::fs::create_dir(stage.layer().join("deep")).unwrap();
    write(&stage.layer().join("deep/only-directory"), "directory", 0o644);
    write(&stage.layer().join("both"), "directory", 0o644);
    let archive = stage.path().join("layer.zip");
    zip_layer(&archive, &[("both", 0o644, "zip"), ("only-zip", 0o644, "zip")]);
    let mut config = stage.config();
    config.layers.push(Layer::Zip(archive));
    let host = Host::start(config).await.unwrap();
    if !sees_lambdas_paths(&host) {
        return crate::probe::skipped("layers", "no mount namespace here");
    }
    host.invoke("1").await.unwrap();
    let contents: Vec<_> = record_of(host.tmp(), "bootstrap")
        .into_iter()
        .filter_map(|mut entry| Some(entry.get_mut("content")?.take()))
        .collect();
    assert_eq!(contents, ["zip", "directory", "zip"]);
}

#[tokio::test]
async fn an_extension_from_an_archive_is_executable() {
    let stage = Stage::new(&json!({
        "bootstrap": echo(),
        "guard": ["register", "events_until_shutdown"],
    }));
    let probe = std::fs::read_to_string(stage.layer().join("extensions/guard")).unwrap();
    std::fs::remove_file(stage.layer().join("extensions/guard")).unwrap();
    let archive = stage.path().join("layer.zip");
    zip_layer(&archive, &[("extensions/guard", 0o755, &probe)]);
    let mut config = stage.config();
    config.layers.push(Layer::Zip(archive));
    let host = Host::start(config).await.unwrap();
    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
    assert_eq!(record_of(host.tmp(), "guard").len(), 2);
}

#[tokio::test]
async fn without_a_mount_namespace_paths_are_translated() {
    let stage = Stage::new(&json!({
        "bootstrap": [
            ["variables", "LAMBDA_TASK_ROOT", "FILE", "OTHER", "LOOKALIKE"], ["touch", "here"], "echo"
        ],
        "guard": ["register", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.paths = Paths::Translated;
    config.variables.extend([
        ("FILE".to_owned(), "/tmp/vault/secret.json".to_owned()),
        ("LOOKALIKE".to_owned(), "/option".to_owned()),
        ("OTHER".to_owned(), "http://127.0.0.1/opt".to_owned()),
    ]);
    let host = Host::start(config).await.unwrap();
    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
    let variables = noted(host.tmp(), "bootstrap", "variables");
    assert_eq!(variables["LAMBDA_TASK_ROOT"], stage.code().to_str().unwrap());
    assert_eq!(variables["FILE"], host.tmp().join("vault/secret.json").to_str().unwrap());
    assert_eq!(variables["OTHER"], "http://127.0.0.1/opt");
    assert_eq!(variables["LOOKALIKE"], "/option");
    assert!(host.tmp().join("here").exists());
    assert!(!sees_lambdas_paths(&host), "a note says so");
}

#[tokio::test]
async fn processes_run_as_lambdas_user_with_its_limits() {
    if !is_root("processes_run_as_lambdas_user_with_its_limits") {
        return;
    }
    let stage = Stage::new(&json!({
        "bootstrap": ["limits", "echo"],
        "guard": ["limits", "register", "events_until_shutdown"],
    }));
    let mut config = stage.config();
    config.identity = Identity::LAMBDA;
    config.open_files = Some(1024);
    let host = Host::start(config).await.unwrap();
    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
    for who in ["bootstrap", "guard"] {
        for (name, value) in [("uid", 993), ("gid", 990), ("files", 1024)] {
            let entries = record_of(host.tmp(), who);
            let entry = entries.iter().find(|entry| entry.get(name).is_some()).unwrap();
            assert_eq!(entry[name], Value::from(value), "{who}");
        }
    }
}

#[tokio::test]
async fn an_isolated_network_holds_the_runtime_api_and_nothing_of_ours() {
    if !is_root("an_isolated_network_holds_the_runtime_api_and_nothing_of_ours") {
        return;
    }
    let ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = ours.local_addr().unwrap().port();
    for (network, connected) in [(Network::Shared, true), (Network::Isolated, false)] {
        let stage = Stage::new(&json!({ "bootstrap": [["connect", port], "echo"] }));
        let mut config = stage.config();
        config.network = network;
        let host = Host::start(config).await.unwrap();
        assert_eq!(host.invoke("1").await.unwrap().payload, "1");
        assert_eq!(noted(host.tmp(), "bootstrap", "connected"), connected, "{network:?}");
    }
}

#[tokio::test]
async fn tmp_may_be_small() {
    if !is_root("tmp_may_be_small") {
        return;
    }
    let stage = Stage::new(&json!({
        "bootstrap": [["fill", "too-much", 2_000_000], ["fill", "enough", 500_000], "echo"],
    }));
    let mut config = stage.config();
    config.tmp_bytes = Some(1024 * 1024);
    let host = Host::start(config).await.unwrap();
    assert_eq!(host.invoke("1").await.unwrap().payload, "1");
    let filled: Vec<_> = record_of(host.tmp(), "bootstrap")
        .iter()
        .filter_map(|e| e.get("filled").cloned())
        .collect();
    assert_eq!(filled, ["ENOSPC", "all"]);
    assert_eq!(host.tmp().join("enough").metadata().unwrap().len(), 500_000);
}

fn sees_lambdas_paths(host: &Host) -> bool {
    let translated =
        |what: &What| matches!(what, What::Note(note) if note.contains("no mount namespace"));
    !host.observations().iter().any(|seen| translated(&seen.what))
}

fn zip_layer(path: &Path, files: &[(&str, u32, &str)]) {
    let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, mode, content) in files {
        archive.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
}
