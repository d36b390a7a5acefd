//! A shell on a site, in which the commands of a page are typed one after the other.
//!
//! `strongroom` and `aws` are the real ones. `vault` is `vault.py`. What no stand-in can do is done beside it here, and
//! nowhere else: [`Session::run`] says what.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use strongroom_tests::beds::{self, ROOT_TOKEN, practice, request};
use strongroom_tests::stage::site::{Run, Site};
use strongroom_tests::stage::{Environment, within};

/// The shell, and the function's environment once it was called.
#[derive(Debug)]
pub(super) struct Session {
    site: Site,
    environment: Option<Environment>,
}

/// The layer, where `cargo xtask layer` would have written it.
pub(super) const LAYER: &str = "target/layer/strongroom-layer-x86_64.zip";
/// The function of all pages.
const FUNCTION: &str = "orders";
/// Each command begins where the one before has ended, with its variables and in its directory.
const SHELL: &str = r#"set -e
if [ -f "$HOME/.session/state" ]; then . "$HOME/.session/state"; fi
. "$HOME/.session/command"
export -p > "$HOME/.session/state"
printf 'cd "%s"\n' "$PWD" >> "$HOME/.session/state"
printf '%s' "$PWD" > "$HOME/.session/directory"
"#;

impl Session {
    /// A site with the layer's zip, and whatever else the page takes for granted.
    pub(super) fn new(prepare: fn(&mut Site)) -> Self {
        let mut site = Site::new();
        // Functions are run by the local Lambda, never by moto, which would want Docker for that.
        let config = format!("{}/moto-api/config", site.account.address);
        let json_type = [("content-type", "application/json")];
        let answer = request("POST", &config, &json_type, br#"{"lambda": {"use_docker": false}}"#);
        assert_eq!(answer.unwrap().status, 201);
        // The pages have `kv` for themselves.
        let answer = site.vault.request("DELETE", "sys/mounts/kv/data/test", ROOT_TOKEN, None);
        assert_eq!(answer.status, 204);
        for folder in ["target/layer", ".session", "bin"] {
            fs::create_dir_all(site.path(folder)).unwrap();
        }
        site.write_layer(LAYER);
        site.write(".session/shell", SHELL);
        let python = beds::python().display().to_string();
        program(&site, "aws", &beds::aws_cli().display().to_string());
        program(&site, "python3", &python);
        program(&site, "strongroom", &beds::command_line().display().to_string());
        program(&site, "vault", &format!("{python} {}", script("vault.py").display()));
        let path = format!("{}:/usr/bin:/bin", site.path("bin").display());
        site.set("PATH", &path);
        let address = site.vault.address.clone();
        site.set("VAULT_ADDR", &address);
        // Version 1 of AWS's command line knows the region by no other name.
        site.set("AWS_DEFAULT_REGION", practice::REGION);
        prepare(&mut site);
        Self { site, environment: None }
    }

    /// Types a command and what it asks for, and looks for these words in what it prints.
    ///
    /// Beside the command this does what the stand-ins for AWS cannot: it tells Vault where they are, calls the function
    /// under the local Lambda where the page has Lambda call it, and ends its environment where Lambda would.
    pub(super) async fn run(&mut self, command: &str, answers: &str, says: &[&str], place: &str) {
        let typed = self.replaced(command);
        let run = self.type_in(&typed, answers);
        assert_eq!(run.code, Some(0), "{place}\n{}\n{}", run.out, run.err);
        let printed = format!("{}{}", run.out, run.err);
        for words in says {
            let words = self.replaced(words);
            assert!(printed.contains(&words), "{place}\nno {words:?} in:\n{printed}");
        }
        if command.starts_with("strongroom setup init") {
            self.add_endpoints();
        } else if command.starts_with("vault auth enable aws") {
            self.give_vault_a_key();
        } else if command.starts_with("aws lambda invoke") {
            self.invoke(command.rsplit(' ').next().unwrap()).await;
        } else if command.starts_with("aws lambda update-function-configuration") {
            self.end_environment().await;
        }
    }

    /// Ends what runs.
    pub(super) async fn end(mut self) {
        self.end_environment().await;
    }

    /// What the pages write for what differs from reader to reader; the account is the same here.
    fn replaced(&self, text: &str) -> String {
        let role = format!("arn:aws:iam::{}:role/of-the-reader", practice::ACCOUNT);
        text.replace("https://vault.example.com:8200", &self.site.vault.address)
            .replace("ROLE_ARN", &role)
            .replace("--runtime python3.12", &format!("--runtime {}", runtime()))
    }

    fn type_in(&self, command: &str, answers: &str) -> Run {
        self.site.write(".session/command", &format!("{command}\n"));
        let shell = self.site.path(".session/shell");
        // Who asks wants a terminal.
        let mut shell = match answers {
            "" => {
                let mut plain = self.site.command("/bin/sh".as_ref());
                plain.arg(shell);
                plain
            }
            _ => {
                let mut terminal = self.site.command(&beds::python());
                terminal.arg(script("terminal.py")).arg("/bin/sh").arg(shell);
                terminal
            }
        };
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        // A command that does not ask may have ended.
        let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { code: status.code(), out: text(&stdout), err: text(&stderr) }
    }

    /// A file where the shell is.
    fn here(&self, name: &str) -> PathBuf {
        let directory = fs::read_to_string(self.site.path(".session/directory")).unwrap();
        Path::new(&directory).join(name)
    }

    fn write_here(&self, name: &str, content: &[u8]) {
        #[expect(clippy::disallowed_methods, reason = "what a page's commands would write")]
        fs::write(self.here(name), content).unwrap();
    }

    /// A real Vault asks the real AWS; this one is told of the stand-in.
    fn add_endpoints(&self) {
        let text = fs::read_to_string(self.here("strongroom.toml")).unwrap();
        let (aws, region) = (&self.site.account.address, practice::REGION);
        let table = "[setup.vault]\n";
        let endpoints = format!(
            "{table}sts_endpoint = '{aws}'\niam_endpoint = '{aws}'\nsts_region = '{region}'\n"
        );
        assert!(text.contains(table), "{text}");
        self.write_here("strongroom.toml", text.replace(table, &endpoints).as_bytes());
    }

    /// Where the page has Vault's own identity look roles up.
    fn give_vault_a_key(&self) {
        let statement = json!({"Effect": "Allow", "Action": "iam:GetRole", "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let key = self.site.account.user_with_policy("vault", &policy);
        let aws = &self.site.account.address;
        let client = json!({
            "access_key": key.id, "secret_key": key.secret, "iam_endpoint": aws, "sts_endpoint": aws,
            "sts_region": practice::REGION,
        });
        self.site.vault.write("auth/aws/config/client", &client);
        role(&self.site, "of-the-reader");
    }

    /// Calls the function as it is configured in the account, and writes its answer where the command has.
    async fn invoke(&mut self, file: &str) {
        let configuration = self.site.function(FUNCTION);
        assert_ne!(configuration["Layers"], Value::Null, "the function has the layer");
        let environment = match self.environment.take() {
            Some(environment) => environment,
            None => {
                let source = fs::read_to_string(self.here("app.py")).unwrap();
                // Other tests run at once, each with a port of its own.
                let source = source.replace(
                    r#""http://127.0.0.1:8200/v1/kv/data/app""#,
                    r#"f"http://127.0.0.1:{os.environ['STRONGROOM_PROXY_PORT']}/v1/kv/data/app""#,
                );
                self.site.python_environment(&configuration, &source, LAYER).await
            }
        };
        let answer = within("the invocation", environment.host.invoke("{}")).await.unwrap();
        self.write_here(file, &answer.payload);
        // The next invocation after one that failed begins anew.
        match answer.function_error {
            None => self.environment = Some(environment),
            Some(_) => {
                environment.shut_down().await;
            }
        }
        // Lambda makes it with the first line of the log.
        self.type_in(
            &format!("aws logs create-log-group --log-group-name /aws/lambda/{FUNCTION}"),
            "",
        );
    }

    async fn end_environment(&mut self) {
        if let Some(environment) = self.environment.take() {
            environment.shut_down().await;
        }
    }
}

/// Lambda's name for the Python that is here.
fn runtime() -> String {
    let ask = "import sys; print('python3.%d' % sys.version_info[1])";
    let said = std::process::Command::new(beds::python()).args(["-c", ask]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// A program of these tests.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/docs").join(name)
}

/// Puts a program on the site's path.
fn program(site: &Site, name: &str, command: &str) {
    let file = format!("bin/{name}");
    site.write(&file, &format!("#!/bin/sh\nexec {command} \"$@\"\n"));
    fs::set_permissions(site.path(&file), fs::Permissions::from_mode(0o755)).unwrap();
}

/// An IAM role for Lambda, of somebody else's.
fn role(site: &Site, name: &str) {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }],
    });
    let document = ("AssumeRolePolicyDocument", &*trust.to_string());
    site.account.iam(&[("Action", "CreateRole"), ("RoleName", name), document]);
}

/// Mounts `kv` and writes the secret that the pages name.
pub(super) fn with_secret(site: &mut Site) {
    site.vault.write("sys/mounts/kv", &json!({"type": "kv", "options": {"version": "2"}}));
    site.vault.write("kv/data/app", &json!({"data": {"api-key": practice::SECRET_VALUE}}));
}

/// Beside the secret a function that somebody has deployed before.
pub(super) fn with_function(site: &mut Site) {
    with_secret(site);
    role(site, "of-the-reader");
    let package = "orders.zip";
    site.write_package(package);
    use base64::Engine as _;
    let zip =
        base64::engine::general_purpose::STANDARD.encode(fs::read(site.path(package)).unwrap());
    let function = json!({
        "FunctionName": FUNCTION,
        "Role": format!("arn:aws:iam::{}:role/of-the-reader", practice::ACCOUNT),
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Code": {"ZipFile": zip},
    });
    let made = site.account.lambda("POST", "/2015-03-31/functions", Some(&function));
    assert_eq!(made["FunctionName"], FUNCTION, "{made}");
}

/// Such a function, with the settings that the layer needs.
pub(super) fn with_settings(site: &mut Site) {
    with_function(site);
    change_function(
        site,
        &json!({"Environment": {"Variables": {
            "VAULT_ADDR": site.vault.address, "VAULT_AUTH_PROVIDER": "aws", "VAULT_AUTH_ROLE": "app",
        }}}),
    );
}

/// Such a function with HashiCorp's layer: the name is what counts.
pub(super) fn with_vle(site: &mut Site) {
    with_settings(site);
    site.run(&["layer", "publish", "--zip", LAYER, "--name", "vault-lambda-extension"]).good();
    let layer = "arn:aws:lambda:us-east-1:123456789012:layer:vault-lambda-extension:1";
    change_function(site, &json!({"Layers": [layer]}));
}

fn change_function(site: &Site, change: &Value) {
    let path = format!("/2015-03-31/functions/{FUNCTION}/configuration");
    site.account.lambda("PUT", &path, Some(change));
}
