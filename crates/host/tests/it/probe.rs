//! The test extension and bootstrap: what they shall do, and what they recorded.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde_json::{Value, json};
use strongroom_host::{Config, Credentials, Function, Host, Layer, Runtime};
use tempfile::TempDir;

const PROBE: &str = include_str!("../fixtures/probe.py");

/// A function and a layer made of probes.
#[derive(Debug)]
pub(crate) struct Stage {
    root: TempDir,
}

impl Stage {
    /// Lays out a probe for each name in `plan`; `bootstrap` is the runtime, the others are
    /// extensions.
    pub(crate) fn new(plan: &Value) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["layer/extensions", "code", "tmp"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let stage = Self { root };
        write(&stage.layer().join("plan.json"), &plan.to_string(), 0o644);
        for name in plan.as_object().unwrap().keys() {
            match name.as_str() {
                "bootstrap" => write(&stage.code().join(name), PROBE, 0o755),
                _ => write(&stage.layer().join("extensions").join(name), PROBE, 0o755),
            }
        }
        stage
    }

    pub(crate) fn code(&self) -> PathBuf {
        self.root.path().join("code")
    }

    pub(crate) fn layer(&self) -> PathBuf {
        self.root.path().join("layer")
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// What becomes `/tmp` under AWS's emulator.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// The processes' environment on a host, started.
    pub(crate) async fn start(&self) -> Host {
        Host::start(self.config()).await.unwrap()
    }

    pub(crate) fn config(&self) -> Config {
        let function = Function {
            code: self.code(),
            handler: "probe.handler".to_owned(),
            runtime: Runtime::Provided,
        };
        let mut config = Config::new(function, credentials("AKIDPROBE"));
        config.layers = vec![Layer::Directory(self.layer())];
        // Translated where processes do not see Lambda's paths.
        config.variables = [("PROBE_OPT", "/opt"), ("PROBE_TMP", "/tmp")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        config
    }
}

pub(crate) fn credentials(access_key_id: &str) -> Credentials {
    Credentials {
        access_key_id: access_key_id.to_owned(),
        expiration: "2030-01-01T00:00:00Z".to_owned(),
        secret_access_key: SecretString::from("probe-secret"),
        session_token: SecretString::from("probe-token"),
    }
}

/// The runtime that gives back each event.
pub(crate) fn echo() -> Value {
    json!(["echo"])
}

/// What probes recorded, in order.
pub(crate) fn record(tmp: &Path) -> Vec<Value> {
    let text = fs::read_to_string(tmp.join("record.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What one probe recorded.
pub(crate) fn record_of(tmp: &Path, who: &str) -> Vec<Value> {
    record(tmp).into_iter().filter(|entry| entry["who"] == who).collect()
}

/// What one probe noted of that name, once.
pub(crate) fn noted(tmp: &Path, who: &str, name: &str) -> Value {
    let mut found: Vec<_> =
        record_of(tmp, who).into_iter().filter(|entry| entry.get(name).is_some()).collect();
    assert_eq!(found.len(), 1, "{who} noted {name}: {found:?}");
    found.remove(0)[name].take()
}

/// The requests that one probe made, with their statuses.
pub(crate) fn requests_of(tmp: &Path, who: &str) -> Vec<String> {
    record_of(tmp, who)
        .iter()
        .filter_map(|entry| {
            Some(format!("{} {}", entry.get("request")?.as_str()?, entry["status"]))
        })
        .collect()
}

/// Whether tests may do what only root may; else it says so past the harness's capture.
pub(crate) fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped(test, "needs root");
    }
    root
}

/// Says that a test was not run, past the harness's capture.
pub(crate) fn skipped(test: &str, reason: &str) {
    use std::io::Write as _;
    let line = format!("SKIPPED: {test}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "fixtures, no secrets")]
pub(crate) fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
