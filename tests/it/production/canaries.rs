//! Secrets must be where they are meant to be and nowhere else: not in a log line at any level, not in an error, not in
//! a file but the one asked for, not on a command line.
//!
//! Each scenario runs at the most talkative level, in both formats. The secrets are real ones: those that the stand-ins
//! gave out, taken from the wire. A scenario in which one never passed proves nothing and fails.

mod deliveries;
mod scenarios;

use std::fs;
use std::path::Path;

use secrecy::ExposeSecret as _;
use strongroom_tests::beds::Answer;
use strongroom_tests::stage::tap::Tap;
use strongroom_tests::stage::{Environment, SECRET_FILE, SECRET_PATH, Stage};

use super::stage;

/// What the secret holds.
const SECRET: &str = "canary-of-the-secret-5d41402abc4b2a76";
/// What a client of the local Vault API sends as its own token.
const CLIENT_TOKEN: &str = "hvs.CanaryOfTheClient5d41402abc4b2a76b9719d";
/// What a client writes.
const WRITTEN: &str = "canary-of-what-is-written-7d793037a076";
const FORMATS: [&str; 2] = ["Text", "JSON"];

/// A stage whose wire to Vault is tapped.
struct Watched {
    stage: Stage,
    tap: Tap,
    /// Everything else that came out: bodies and headers of errors.
    answers: Vec<String>,
    /// What else must be seen nowhere, as the scenario makes it.
    made: Vec<(&'static str, String)>,
    /// The files that secrets are meant for.
    wished: Vec<&'static str>,
}

impl Watched {
    async fn new(test: &str, format: &str) -> Option<Self> {
        let mut stage = stage(test).await?;
        stage.write_secret(SECRET).await;
        stage.set("VAULT_LOG_LEVEL", "TRACE");
        stage.set("AWS_LAMBDA_LOG_FORMAT", format);
        let tap = Tap::start(stage.vault.address()).await;
        stage.faults.set_target(tap.address());
        let (answers, made, wished) = (Vec::new(), Vec::new(), vec![SECRET_FILE]);
        Some(Self { stage, tap, answers, made, wished })
    }

    /// Notes what a client was told, which is not to be a secret.
    fn told(&mut self, answer: &Answer) {
        assert!(answer.status >= 400, "an answer with a secret in it: {}", answer.status);
        self.answers.push(format!("{:?} {}", answer.headers, answer.text()));
    }

    /// What must be seen nowhere, each with its name.
    fn canaries(&self) -> Vec<(&'static str, String)> {
        let credentials = &self.stage.config.credentials;
        let mut canaries = vec![
            ("secret", SECRET.to_owned()),
            ("AWS secret key", credentials.secret_access_key.expose_secret().to_owned()),
            ("AWS session token", credentials.session_token.expose_secret().to_owned()),
            ("token of a client", CLIENT_TOKEN.to_owned()),
            ("written value", WRITTEN.to_owned()),
        ];
        let named = |name, values: Vec<String>| values.into_iter().map(move |value| (name, value));
        canaries.extend(self.made.iter().cloned());
        canaries.extend(named("Vault token", self.tap.tokens()));
        canaries.extend(named("signature of a login", self.tap.signatures()));
        canaries.extend(named("headers of a login", self.tap.login_headers()));
        canaries
    }

    /// Searches everything that came out.
    fn search(&self, scenario: &str, environment: &Environment) {
        let mut places = vec![
            ("log".to_owned(), environment.log()),
            ("observations".to_owned(), format!("{:?}", environment.host.observations())),
        ];
        places.extend(self.answers.iter().map(|answer| ("answer".to_owned(), answer.clone())));
        files_below(environment.host.tmp(), &self.wished, &mut places);
        let canaries = self.canaries();
        for (place, text) in &places {
            for (name, canary) in &canaries {
                assert!(canary.len() > 15, "{name} is too short to search for");
                assert!(!text.contains(canary), "{scenario}: the {name} is in {place}: {text}");
            }
        }
        let talked = environment.log();
        assert!(!talked.is_empty(), "{scenario}: nothing was logged");
    }

    /// Searches the command lines of processes, while they run.
    fn search_command_lines(&self) {
        let canaries = self.canaries();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(line) = fs::read_to_string(entry.path().join("cmdline")) else { continue };
            for (name, canary) in &canaries {
                assert!(!line.contains(canary), "the {name} is on a command line: {line:?}");
            }
        }
    }

    fn deliver_file(&mut self) {
        self.stage.set("VAULT_SECRET_PATH", SECRET_PATH);
        self.stage.set("VAULT_SECRET_FILE", SECRET_FILE);
    }
}

/// Every file below a directory but those that secrets are meant for.
fn files_below(directory: &Path, wished: &[&str], places: &mut Vec<(String, String)>) {
    let is_wished =
        |path: &Path| wished.iter().any(|file| path.ends_with(file.trim_start_matches("/tmp/")));
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            files_below(&path, wished, places);
        } else if !is_wished(&path) {
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            places.push((path.display().to_string(), content));
        }
        places.push(("a file's name".to_owned(), path.display().to_string()));
    }
}
