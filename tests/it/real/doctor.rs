//! `strongroom doctor` before faults that are planted one at a time: for each it names the broken link, and no other.
//!
//! Vault is HashiCorp's own wherever it can be made to say it; each table says what stands in elsewhere.

mod certificate;
mod health;
mod laptop;
mod layer;
mod login;
mod paths;
mod refusals;
mod surroundings;
mod token;
mod variables;
mod way;

use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use strongroom_tests::beds::{self, AccessKey, Part, ROOT_TOKEN, Vault, practice, shared_moto};
use tempfile::TempDir;

/// What is planted, and what is to be said of it.
struct Fault {
    /// What is wrong, for the table.
    name: &'static str,
    /// Makes it so.
    plant: fn(&mut Bed),
    /// The link that is named.
    check: &'static str,
    /// Whether it is one that a function gets by with.
    outcome: &'static str,
    /// What is said of it in four lines, all of these.
    words: &'static [&'static str],
}

/// A fault.
const fn fault(
    name: &'static str,
    plant: fn(&mut Bed),
    check: &'static str,
    words: &'static [&'static str],
) -> Fault {
    Fault { name, plant, check, outcome: "fault", words }
}

/// A surprise.
const fn warning(
    name: &'static str,
    plant: fn(&mut Bed),
    check: &'static str,
    words: &'static [&'static str],
) -> Fault {
    Fault { name, plant, check, outcome: "warning", words }
}

const SECRET: &str = "the-canary-of-the-secret";
const NEEDED: [Part; 3] = [Part::CommandLine, Part::Moto, Part::Vault];

/// A function whose secrets come from a Vault, as the operator sees it; nothing is wrong with it.
struct Bed {
    /// What the function is told.
    variables: BTreeMap<String, String>,
    /// What the operator's shell is told.
    shell: BTreeMap<String, String>,
    arguments: Vec<String>,
    directory: TempDir,
    vault: Vault,
    /// What must not end before the examination.
    held: Vec<Box<dyn Any>>,
}

/// What an examination came to.
struct Examined {
    code: Option<i32>,
    findings: Vec<Value>,
    /// What a person reads.
    text: String,
    errors: String,
}

impl Bed {
    fn new() -> Self {
        Self::on(Vault::start())
    }

    fn on(vault: Vault) -> Self {
        vault.set_up_practice(shared_moto());
        vault.write("sys/mounts/secret", &json!({"type": "kv", "options": {"version": "2"}}));
        vault.write("sys/mounts/old", &json!({"type": "kv", "options": {"version": "1"}}));
        let mut bed = Self {
            variables: BTreeMap::new(),
            shell: BTreeMap::new(),
            arguments: Vec::new(),
            directory: TempDir::new().unwrap(),
            vault,
            held: Vec::new(),
        };
        bed.allow(r#"path "secret/data/*" { capabilities = ["read"] } path "old/*" { capabilities = ["read"] }"#);
        bed.write_secret("secret/data/app", json!({"data": {"user": "me", "password": SECRET}}));
        bed.vault.write("old/app", &json!({"password": SECRET}));
        let address = bed.vault.address.clone();
        for (name, value) in [
            ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/strongroom/exec"),
            ("AWS_REGION", practice::REGION),
            ("DB_PASSWORD", "vault:secret/data/app#password"),
            ("VAULT_ADDR", &address),
            ("VAULT_AUTH_PROVIDER", "aws"),
            ("VAULT_AUTH_ROLE", practice::ROLE),
            ("VAULT_IAM_SERVER_ID", practice::SERVER_ID),
            ("VAULT_SECRET_PATH", "secret/data/app"),
        ] {
            bed.set(name, value);
        }
        bed.act_as(&shared_moto().session);
        bed
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Gives the function these credentials.
    fn act_as(&mut self, key: &AccessKey) {
        self.set("AWS_ACCESS_KEY_ID", &key.id);
        self.set("AWS_SECRET_ACCESS_KEY", &key.secret);
        self.set("AWS_SESSION_TOKEN", key.token.as_deref().unwrap_or_default());
    }

    /// Has the policy of the function's role say this.
    fn allow(&self, policy: &str) {
        self.vault.write("sys/policies/acl/lambda", &json!({ "policy": policy }));
    }

    /// Changes the Vault role.
    fn role(&self, change: &Value) {
        self.vault.write(&format!("auth/aws/role/{}", practice::ROLE), change);
    }

    /// Changes what Vault knows of AWS.
    fn client(&self, change: &Value) {
        self.vault.write("auth/aws/config/client", change);
    }

    /// A new KV v2 mount is being upgraded for a moment.
    fn write_secret(&self, path: &str, body: Value) {
        for _ in 0..2_000 {
            let answer = self.vault.request("POST", path, ROOT_TOKEN, Some(&body));
            if answer.status < 300 {
                return;
            }
            assert!(answer.text().contains("Upgrading"), "{}", answer.text());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("the upgrade does not end");
    }

    /// A file of this test; returns its path.
    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a file of this test alone")]
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs what a stand-in needs of the async runtime.
    fn wait<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| runtime.block_on(future))
    }

    fn command(&self, more: &[&str]) -> Output {
        let lines: Vec<String> =
            self.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let file = self.file("function.env", lines.join("\n").as_bytes());
        let mut command = Command::new(beds::command_line());
        command.arg("doctor").args(&self.arguments).args(more);
        if !self.arguments.iter().any(|argument| argument == "--function") {
            command.arg("--env-file").arg(file);
        }
        command
            .env_clear()
            .env("HOME", self.directory.path())
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(&self.shell);
        let output = command.output().unwrap();
        self.check_canaries(&output);
        output
    }

    /// No secret, token or key is in what was printed, whatever happened.
    fn check_canaries(&self, output: &Output) {
        let printed = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let printed = String::from_utf8_lossy(&printed);
        let mut canaries =
            vec![SECRET.to_owned(), ROOT_TOKEN.to_owned(), "hvs.".to_owned(), "hvb.".to_owned()];
        canaries.push(practice::SECRET_VALUE.to_owned());
        for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "STRONGROOM_APPROLE_SECRET_ID"] {
            let values =
                [&self.variables, &self.shell].map(|variables| variables.get(name).cloned());
            canaries.extend(values.into_iter().flatten().filter(|value| !value.is_empty()));
        }
        for canary in canaries {
            assert!(!printed.contains(&canary), "a secret was printed:\n{printed}");
        }
    }

    fn examine(&self) -> Examined {
        let text = self.command(&[]);
        let output = self.command(&["--json"]);
        assert_eq!(text.status.code(), output.status.code());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Examined {
            code: output.status.code(),
            findings: report["findings"].as_array().cloned().unwrap_or_default(),
            text: String::from_utf8_lossy(&text.stdout).into_owned(),
            errors,
        }
    }
}

impl Examined {
    /// The findings of this outcome, each as its link and all that is said.
    fn of(&self, outcome: &str) -> Vec<(&str, String)> {
        let findings = self.findings.iter().filter(|finding| finding["outcome"] == outcome);
        findings
            .map(|finding| {
                let said = ["tried", "came_back", "means", "type"];
                let said = said.map(|name| finding[name].as_str().unwrap_or_default());
                (finding["check"].as_str().unwrap_or_default(), said.join(" | "))
            })
            .collect()
    }
}

/// Plants each fault on a bed of its own; tells of all that were not named as they should be.
fn check(test: &str, faults: &[Fault]) {
    check_on(test, Bed::new, faults);
}

/// The same, on beds that are made in another way.
fn check_on(test: &str, make: fn() -> Bed, faults: &[Fault]) {
    if !beds::available(test, &NEEDED) {
        return;
    }
    let mut wrong = Vec::new();
    for fault in faults {
        let mut bed = make();
        (fault.plant)(&mut bed);
        let examined = bed.examine();
        if let Err(reason) = judge(fault, &examined) {
            let Examined { text, errors, .. } = examined;
            wrong.push(format!("== {}: {reason}\n{text}{errors}", fault.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn judge(fault: &Fault, examined: &Examined) -> Result<(), String> {
    let faults = examined.of("fault");
    let code = if fault.outcome == "fault" { 1 } else { 0 };
    if examined.code != Some(code) {
        return Err(format!("it exits with {:?}", examined.code));
    }
    if fault.outcome == "warning" && !faults.is_empty() {
        return Err(format!("faults: {faults:?}"));
    }
    let [(check, said)] = &examined.of(fault.outcome)[..] else {
        return Err(format!("not one {}: {:?}", fault.outcome, examined.of(fault.outcome)));
    };
    if *check != fault.check {
        return Err(format!("it names {check}, not {}", fault.check));
    }
    match fault.words.iter().find(|word| !said.contains(**word)) {
        Some(word) => Err(format!("it does not say {word:?}")),
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_where_nothing_is_wrong_and_nothing_is_left_behind() {
    if !beds::available("doctor finds nothing", &NEEDED) {
        return;
    }
    let bed = Bed::new();
    let examined = bed.examine();
    assert_eq!(examined.code, Some(0), "{}", examined.text);
    assert!(examined.text.ends_with("no fault\n"), "{}", examined.text);
    let found: Vec<_> = examined.of("ok").into_iter().map(|(check, _)| check).collect();
    for check in ["variables", "tcp", "health", "clock", "auth-mount", "region", "login", "token"] {
        assert!(found.contains(&check), "no {check}: {}", examined.text);
    }
    for check in ["mount", "policy", "secret", "field", "wrapper", "time-outs"] {
        assert!(found.contains(&check), "no {check}: {}", examined.text);
    }
    assert_eq!(bed.vault.login_accessors(), [""; 0], "its tokens are revoked");
}
