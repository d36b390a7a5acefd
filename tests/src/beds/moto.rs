//! moto: AWS's STS and IAM on loopback, seeded for the practice, with signatures really checked.
//!
//! <https://docs.getmoto.org/en/latest/docs/iam.html>

use std::fmt;
use std::process::Command;
use std::sync::{OnceLock, mpsc};

use serde_json::Value;

use super::process::Process;
use super::{client, practice};

/// A running moto that knows the function's role and Vault's own user.
#[derive(Debug)]
pub struct Moto {
    /// Where STS and IAM are, such as `http://127.0.0.1:40001`.
    pub address: String,
    /// What Lambda would give the function: a session of [`practice::ROLE`].
    pub session: AccessKey,
    /// A session of [`practice::UNBOUND_ROLE`].
    pub unbound_session: AccessKey,
    /// The key of the user that Vault asks IAM with.
    pub vault_key: AccessKey,
    _process: Process,
}

/// An AWS access key; a session's has a token.
#[derive(Clone)]
pub struct AccessKey {
    /// `AWS_ACCESS_KEY_ID`
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret: String,
    /// `AWS_SESSION_TOKEN`
    pub token: Option<String>,
}

impl AccessKey {
    fn from_xml(xml: &str) -> Self {
        Self {
            id: element(xml, "AccessKeyId").expect("a key has an id"),
            secret: element(xml, "SecretAccessKey").expect("a key has a secret"),
            token: element(xml, "SessionToken"),
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Moto {
    /// Starts moto on a free port, makes the roles, the user and the sessions, then turns signature checks on.
    ///
    /// # Panics
    /// If `STRONGROOM_MOTO` is not set or moto does not do as asked.
    #[must_use]
    pub fn start() -> Self {
        let (process, address) = launch();
        let seed = Seed::new(&address, SEED);
        let session = seed.role_with_session(practice::ROLE);
        seed.role_to_assume();
        let unbound_session = seed.role_with_session(practice::UNBOUND_ROLE);
        let actions = ["iam:GetRole", "iam:GetUser", "sts:AssumeRole"];
        let vault_key = seed.user_with_key("vault", &actions);
        seed.role_for_vault();
        seed.check_after(0);
        Self { address, session, unbound_session, vault_key, _process: process }
    }

    /// Deletes a role and makes it again, which gives it another unique id. The role must have no policies.
    pub fn make_role_anew(&self, role: &str) {
        Seed::new(&self.address, SEED).make_role_anew(role, &[]);
    }
}

/// moto with nothing in it but an administrator, for what sets everything up itself.
#[derive(Debug)]
pub struct EmptyAccount {
    /// Where AWS is, such as `http://127.0.0.1:40001`.
    pub address: String,
    /// The key of a user that may do everything.
    pub administrator: AccessKey,
    _process: Process,
}

impl EmptyAccount {
    /// Starts moto on a free port, makes the administrator, then turns signature checks on.
    ///
    /// # Panics
    /// As [`Moto::start`].
    #[must_use]
    pub fn start() -> Self {
        let (process, address) = launch();
        let seed = Seed::new(&address, SEED);
        let administrator = seed.user_with_key("administrator", &["*"]);
        seed.check_after(0);
        Self { address, administrator, _process: process }
    }

    /// What Lambda gives a function with this role: a session of it.
    ///
    /// # Panics
    /// If there is no such role.
    #[must_use]
    pub fn session_of(&self, role_arn: &str, function: &str) -> AccessKey {
        let seed = self.unchecked(1);
        let form = [
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role_arn),
            ("RoleSessionName", function),
        ];
        AccessKey::from_xml(&seed.call("sts", &form))
    }

    /// Deletes a role that has one inline policy, and makes it again, which gives it another unique id.
    ///
    /// # Panics
    /// If there is no such role.
    pub fn make_role_anew(&self, role: &str, policy: &str) {
        Seed::new(&self.address, SEED).make_role_anew(role, &[policy]);
    }

    /// Makes a user that may do what `policy` says, with an access key.
    ///
    /// # Panics
    /// If moto refuses it.
    #[must_use]
    pub fn user_with_policy(&self, user: &str, policy: &str) -> AccessKey {
        let name = ("UserName", user);
        self.iam(&[("Action", "CreateUser"), name]);
        let put = ("Action", "PutUserPolicy");
        self.iam(&[put, name, ("PolicyName", "inline"), ("PolicyDocument", policy)]);
        AccessKey::from_xml(&self.iam(&[("Action", "CreateAccessKey"), name]))
    }

    /// One call of IAM as anybody.
    ///
    /// # Panics
    /// If moto refuses it.
    pub fn iam(&self, form: &[(&str, &str)]) -> String {
        let form: Vec<_> = form.iter().copied().chain([("Version", "2010-05-08")]).collect();
        self.unchecked(1).call("iam", &form)
    }

    /// Lambda's answer to a call as anybody, such as `GET /2015-03-31/functions/app`; `null` if it has none.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn lambda(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.lambda_of(SEED, method, path, body)
    }

    /// The same in the account of the access key with this id.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn lambda_of(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.unchecked(1);
        let body = body.map(Value::to_string).unwrap_or_default();
        let authorization = authorization_for("lambda", practice::REGION, key);
        let headers = [("authorization", authorization.as_str())];
        let answer =
            client::request(method, &format!("{}{path}", self.address), &headers, body.as_bytes());
        let answer = answer.expect("moto answers");
        serde_json::from_str(&answer.text()).unwrap_or_default()
    }

    /// The administrator of another account, which moto has as soon as it is named.
    ///
    /// # Panics
    /// If moto refuses it.
    #[must_use]
    pub fn administrator_of(&self, account: &str) -> AccessKey {
        let arn = format!("arn:aws:iam::{account}:role/any");
        let session = self.session_of(&arn, "seed");
        let seed = Seed::new(&self.address, &session.id);
        seed.check_after(3);
        seed.user_with_key("administrator", &["*"])
    }

    /// The administrator of the account in another partition, that of this region.
    ///
    /// # Panics
    /// If moto refuses it.
    #[must_use]
    pub fn administrator_in(&self, region: &str) -> AccessKey {
        let seed = Seed { region, ..self.unchecked(3) };
        seed.user_with_key("administrator", &["*"])
    }

    /// What is in the account, by name.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn content(&self) -> Value {
        let names =
            |action: &str, element: &str| elements(&self.iam(&[("Action", action)]), element);
        let functions = self.lambda("GET", "/2015-03-31/functions/", None);
        serde_json::json!({
            "functions": functions["Functions"],
            "policies": elements(&self.iam(&[("Action", "ListPolicies"), ("Scope", "Local")]), "PolicyName"),
            "roles": names("ListRoles", "RoleName"),
            "users": names("ListUsers", "UserName"),
        })
    }

    /// Lets so many calls of AWS through without looking at who makes them.
    fn unchecked(&self, calls: usize) -> Seed<'_> {
        let seed = Seed::new(&self.address, SEED);
        seed.check_after(calls);
        seed
    }
}

/// Starts moto on a free port.
fn launch() -> (Process, String) {
    let python = sibling_python(&super::path("STRONGROOM_MOTO"));
    let mut command = Command::new(&python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../beds/moto/server.py"));
    let mut process = Process::start(command.args(["-H", "127.0.0.1", "-p", "0"]));
    let address = process.wait_for("address of moto", |line| {
        line.split_once("Running on ").map(|(_, address)| address.trim().to_owned())
    });
    let version = super::distribution(&python, "moto");
    super::took_part(&format!("moto {version}"));
    (process, address)
}

/// The id of an access key that nobody has, in moto's own account.
const SEED: &str = "AKIASEED";

/// What moto tells the service from that a call is for; it is no signature.
fn authorization_for(service: &str, region: &str, key: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, \
         Signature=0"
    )
}

/// The moto that tests share which change nothing in it; it ends with the process.
///
/// # Panics
/// As [`Moto::start`].
#[must_use]
pub fn shared_moto() -> &'static Moto {
    static SHARED: OnceLock<Moto> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (sender, moto) = mpsc::channel();
        // A process dies with the thread that started it: this one stays.
        std::thread::spawn(move || {
            let sent = sender.send(Moto::start());
            loop {
                match &sent {
                    Ok(()) => std::thread::park(),
                    Err(_) => return,
                }
            }
        });
        moto.recv().expect("moto starts")
    })
}

/// moto before signatures are checked: anyone may do anything.
struct Seed<'a> {
    address: &'a str,
    /// Whose account it is that is called, by the id of an access key.
    key: &'a str,
    region: &'a str,
}

impl<'a> Seed<'a> {
    fn new(address: &'a str, key: &'a str) -> Self {
        Self { address, key, region: practice::REGION }
    }

    fn role_with_session(&self, role: &str) -> AccessKey {
        let principal = serde_json::json!({"Service": "lambda.amazonaws.com"});
        self.create_role(role, &principal, &serde_json::json!({}));
        let arn = format!("arn:aws:iam::{}:role/{role}", practice::ACCOUNT);
        let session = [
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", &arn),
            ("RoleSessionName", practice::FUNCTION),
        ];
        AccessKey::from_xml(&self.call("sts", &session))
    }

    /// A role that the sessions of the practice's may assume, with the practice's external id.
    fn role_to_assume(&self) {
        let (account, role) = (practice::ACCOUNT, practice::ROLE);
        let session = format!("arn:aws:sts::{account}:assumed-role/{role}/{}", practice::FUNCTION);
        let condition = serde_json::json!({
            "StringEquals": {"sts:ExternalId": practice::EXTERNAL_ID},
        });
        self.create_role(practice::ASSUMED_ROLE, &serde_json::json!({"AWS": session}), &condition);
        let other = format!("arn:aws:iam::{account}:role/{}", practice::ASSUMED_ROLE);
        self.let_role(role, "sts:AssumeRole", &other);
    }

    /// A role that Vault's user may assume to look others up.
    fn role_for_vault(&self) {
        let user = format!("arn:aws:iam::{}:user/vault", practice::ACCOUNT);
        let principal = serde_json::json!({"AWS": user});
        self.create_role(practice::LOOKUP_ROLE, &principal, &serde_json::json!({}));
        self.let_role(practice::LOOKUP_ROLE, "iam:GetRole", "*");
    }

    fn let_role(&self, role: &str, action: &str, resource: &str) {
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}],
        });
        let form = [
            ("Action", "PutRolePolicy"),
            ("Version", "2010-05-08"),
            ("RoleName", role),
            ("PolicyName", "inline"),
            ("PolicyDocument", &policy.to_string()),
        ];
        self.call("iam", &form);
    }

    /// Deletes a role with these inline policies and makes it again without.
    fn make_role_anew(&self, role: &str, policies: &[&str]) {
        let (version, name) = (("Version", "2010-05-08"), ("RoleName", role));
        self.check_after(2 + policies.len());
        for policy in policies {
            let delete = ("Action", "DeleteRolePolicy");
            self.call("iam", &[delete, version, name, ("PolicyName", policy)]);
        }
        self.call("iam", &[("Action", "DeleteRole"), version, name]);
        let principal = serde_json::json!({"Service": "lambda.amazonaws.com"});
        self.create_role(role, &principal, &serde_json::json!({}));
    }

    fn create_role(&self, role: &str, principal: &Value, condition: &Value) {
        let trust = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": principal,
                "Action": "sts:AssumeRole",
                "Condition": condition,
            }],
        });
        let form = [
            ("Action", "CreateRole"),
            ("Version", "2010-05-08"),
            ("RoleName", role),
            ("AssumeRolePolicyDocument", &trust.to_string()),
        ];
        self.call("iam", &form);
    }

    fn user_with_key(&self, user: &str, actions: &[&str]) -> AccessKey {
        let version = ("Version", "2010-05-08");
        let name = ("UserName", user);
        self.call("iam", &[("Action", "CreateUser"), version, name]);
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
        });
        let (policy, policy_name) = (policy.to_string(), ("PolicyName", "inline"));
        let put = ("Action", "PutUserPolicy");
        self.call("iam", &[put, version, name, policy_name, ("PolicyDocument", &policy)]);
        AccessKey::from_xml(&self.call("iam", &[("Action", "CreateAccessKey"), version, name]))
    }

    /// After so many more calls each signature is recomputed, and IAM policies count.
    fn check_after(&self, calls: usize) {
        let reset = format!("{}/moto-api/reset-auth", self.address);
        let body = calls.to_string();
        let plain = [("content-type", "text/plain")];
        let answer = client::request("POST", &reset, &plain, body.as_bytes());
        assert_eq!(answer.expect("moto answers").status, 200);
    }

    /// One call of a query API; moto learns the service from the credential's scope.
    fn call(&self, service: &str, form: &[(&str, &str)]) -> String {
        let authorization = authorization_for(service, self.region, self.key);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let answer = client::request("POST", self.address, &headers, body.join("&").as_bytes());
        let answer = answer.expect("moto answers");
        assert_eq!(answer.status, 200, "{form:?}: {}", answer.text());
        answer.text()
    }
}

/// The Python that a program of the same virtual environment runs with.
fn sibling_python(program: &std::path::Path) -> std::path::PathBuf {
    program.with_file_name("python3")
}

/// A value of a form: everything but letters, digits and `-._~` as `%XX`.
fn encoded(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}

/// The text of the first element of this name; AWS's answers here are flat and need no parser.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.to_owned())
}

/// The texts of all elements of this name.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let begin = format!("<{name}>");
    xml.split(&begin).skip(1).filter_map(|rest| Some(rest.split_once("</")?.0.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beds::{self, Part};

    #[test]
    fn moto_refuses_a_signature_that_is_not_the_keys() {
        if !beds::available("moto refuses a wrong signature", &[Part::Moto]) {
            return;
        }
        let moto = Moto::start();
        assert!(moto.session.token.is_some());
        assert!(moto.vault_key.token.is_none());
        assert_ne!(moto.session.id, moto.unbound_session.id);

        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/sts/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=00",
            moto.vault_key.id
        );
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-amz-date", "20260101T000000Z"),
        ];
        let body = b"Action=GetCallerIdentity&Version=2011-06-15";
        let answer = client::request("POST", &moto.address, &headers, body).unwrap();
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("SignatureDoesNotMatch"), "{}", answer.text());
    }
}
