//! Real HashiCorp Vault, in memory or with a storage that outlives it, from `beds/vault`.

mod storage;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{self, Answer};
use super::moto::Moto;
use super::practice;
use super::process::{PATIENCE, Process};

/// The token that may do everything.
pub const ROOT_TOKEN: &str = "strongroom-tests-root";

/// A running Vault; it forgets everything when it is dropped.
#[derive(Debug)]
pub struct Vault {
    /// Where it is, such as `http://127.0.0.1:40001`.
    pub address: String,
    authority: Option<String>,
    process: Process,
    storage: Option<TempDir>,
}

impl Vault {
    /// Starts Vault on a free port.
    ///
    /// # Panics
    /// If `STRONGROOM_VAULT` is not set or Vault does not become ready.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on("127.0.0.1:0")
    }

    /// Starts Vault on this address, for one that must come back where it was.
    ///
    /// # Panics
    /// As [`Vault::start`].
    #[must_use]
    pub fn start_on(address: &str) -> Self {
        Self::launch(&[], address, None)
    }

    /// Starts Vault as if on a machine of this region.
    ///
    /// # Panics
    /// As [`Vault::start`].
    #[must_use]
    pub fn start_in(region: &str) -> Self {
        Self::launch(&[], "127.0.0.1:0", Some(region))
    }

    /// Starts Vault on this address with TLS, for a certificate of the authority given; all three are PEM.
    ///
    /// # Panics
    /// As [`Vault::start`].
    #[must_use]
    pub fn start_with_tls(address: &str, certificate: &str, key: &str, authority: &str) -> Self {
        let mut vault = Self::start_with_tls_unasked(address, certificate, key);
        vault.authority = Some(authority.to_owned());
        // An answer says that the certificate has been read.
        let _ = vault.read("sys/health");
        vault
    }

    /// The same with a certificate that may be such that nobody can ask it anything.
    ///
    /// # Panics
    /// As [`Vault::start`].
    #[must_use]
    pub fn start_with_tls_unasked(address: &str, certificate: &str, key: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let file = |name: &str, content: &str| {
            let path = directory.path().join(name);
            #[expect(clippy::disallowed_methods, reason = "a key of this test alone")]
            fs::write(&path, content).expect("a file of the test");
            path
        };
        let (certificate, key) = (file("certificate", certificate), file("key", key));
        let options = ["-cert".as_ref(), certificate.as_os_str(), "-key".as_ref(), key.as_os_str()];
        let mut vault = Self::launch(&options, address, None);
        vault.address = vault.address.replacen("http://", "https://", 1);
        // Files that are read late are read from here.
        vault.storage = Some(directory);
        vault
    }

    fn launch(options: &[&OsStr], address: &str, region: Option<&str>) -> Self {
        let program = super::path("STRONGROOM_VAULT");
        let mut command = Command::new(program);
        command.env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION");
        command.envs(region.map(|region| ("AWS_REGION", region)));
        let mut process =
            Process::start(command.args(["-addr", address, "-root", ROOT_TOKEN]).args(options));
        let ready = process.wait_for("ready line of Vault", |line| {
            line.starts_with("ready ").then(|| line.to_owned())
        });
        let field = |name: &str| {
            let value =
                ready.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_else(|| panic!("no {name} in {ready:?}")).to_owned()
        };
        super::took_part(&format!("HashiCorp Vault {}", field("version")));
        let address = format!("http://{}", field("addr"));
        Self { address, authority: None, process, storage: None }
    }

    /// Everything that Vault has logged.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Stops the process where it stands: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on after [`Vault::freeze`].
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// One request of the HTTP API; `path` is what follows `/v1/`.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
        self.send(method, path, &[("x-vault-token", token)], body)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let url = format!("{}/v1/{path}", self.address);
        let body = body.map(Value::to_string).unwrap_or_default();
        let authority = self.authority.as_deref();
        client::request_trusting(authority, method, &url, headers, body.as_bytes())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Writes with the root token.
    ///
    /// # Panics
    /// If Vault refuses it.
    pub fn write(&self, path: &str, body: &Value) {
        let answer = self.request("POST", path, ROOT_TOKEN, Some(body));
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
    }

    /// Writes with the root token, and has the answer wrapped; returns the wrapping token.
    /// <https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>
    ///
    /// # Panics
    /// If Vault refuses it.
    #[must_use]
    pub fn wrapped(&self, path: &str, body: &Value, ttl: &str) -> String {
        let headers = [("x-vault-token", ROOT_TOKEN), ("x-vault-wrap-ttl", ttl)];
        let answer = self.send("POST", path, &headers, Some(body)).json();
        let token = answer["wrap_info"]["token"].as_str();
        token.unwrap_or_else(|| panic!("{path}: {answer}")).to_owned()
    }

    /// Reads with the root token.
    ///
    /// # Panics
    /// If Vault does not answer 200.
    #[must_use]
    pub fn read(&self, path: &str) -> Value {
        let answer = self.request("GET", path, ROOT_TOKEN, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Logs every request and answer to this file, one JSON object a line; secrets are hashed.
    pub fn audit_to(&self, file: &Path) {
        let options = json!({"file_path": file, "mode": "0644"});
        self.write("sys/audit/file", &json!({"type": "file", "options": options}));
    }

    /// The accessors of the living tokens that came of logins by AWS.
    ///
    /// # Panics
    /// If Vault does not answer as it should.
    #[must_use]
    pub fn login_accessors(&self) -> Vec<String> {
        let list = self.request("LIST", "auth/token/accessors", ROOT_TOKEN, None).json();
        let accessors = list["data"]["keys"].as_array().expect("a list of accessors");
        let accessors = accessors.iter().filter_map(Value::as_str).map(str::to_owned);
        let is_of_login = |accessor: &String| {
            let answer = self.look_up(accessor);
            answer.status == 200 && answer.json()["data"]["path"] == "auth/aws/login"
        };
        accessors.filter(is_of_login).collect()
    }

    /// What Vault says of the token with this accessor.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn look_up(&self, accessor: &str) -> Answer {
        let body = json!({"accessor": accessor});
        self.request("POST", "auth/token/lookup-accessor", ROOT_TOKEN, Some(&body))
    }

    /// Revokes every token that came of a login by AWS, as an operator would.
    pub fn revoke_logins(&self) {
        for accessor in self.login_accessors() {
            self.write("auth/token/revoke-accessor", &json!({"accessor": accessor}));
        }
    }

    /// Sets the whole practice up: AWS auth that asks this moto, the role and its policy, and the secret.
    pub fn set_up_practice(&self, moto: &Moto) {
        self.write("sys/auth/aws", &json!({"type": "aws"}));
        self.write(
            "auth/aws/config/client",
            &json!({
                "access_key": moto.vault_key.id,
                "secret_key": moto.vault_key.secret,
                "sts_endpoint": moto.address,
                "iam_endpoint": moto.address,
                "sts_region": practice::REGION,
                "iam_server_id_header_value": practice::SERVER_ID,
            }),
        );
        let read = format!(r#"path "{}" {{ capabilities = ["read"] }}"#, practice::SECRET_PATH);
        self.write("sys/policies/acl/lambda", &json!({"policy": read}));
        self.write(
            &format!("auth/aws/role/{}", practice::ROLE),
            &json!({
                "auth_type": "iam",
                "bound_iam_principal_arn":
                    format!("arn:aws:iam::{}:role/{}", practice::ACCOUNT, practice::ROLE),
                "token_policies": ["lambda"],
                "token_ttl": "1h",
            }),
        );
        self.write("sys/mounts/kv/data/test", &json!({"type": "kv", "options": {"version": "2"}}));
        self.write_secret(practice::SECRET_VALUE);
    }

    /// Writes a new version of the practice's secret.
    ///
    /// # Panics
    /// If Vault refuses it.
    pub fn write_secret(&self, value: &str) {
        let body = json!({"data": {practice::SECRET_KEY: value}});
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.request("POST", practice::SECRET_PATH, ROOT_TOKEN, Some(&body));
            // A new KV v2 mount is being upgraded for a moment and tells nobody when it is done.
            if answer.status == 400 && answer.text().contains("Upgrading from non-versioned") {
                assert!(Instant::now() < deadline, "the upgrade does not end");
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            assert_eq!(answer.status, 200, "{}", answer.text());
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beds::{self, Part};

    #[test]
    fn the_practice_stands_in_real_vault() {
        if !beds::available("the practice stands in real Vault", &[Part::Moto, Part::Vault]) {
            return;
        }
        let moto = Moto::start();
        let vault = Vault::start();
        vault.set_up_practice(&moto);
        vault.write_secret("rotated");
        let secret = vault.read(practice::SECRET_PATH);
        assert_eq!(secret["data"]["data"], json!({practice::SECRET_KEY: "rotated"}));
        assert_eq!(secret["data"]["metadata"]["version"], 2);

        let refused = vault.request("GET", practice::SECRET_PATH, "hvs.nobody", None);
        assert_eq!(refused.status, 403);
    }
}
