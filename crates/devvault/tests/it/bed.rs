//! The servers that a contract runs against: the stand-ins, or HashiCorp's Vault and moto.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::Request;
use secrecy::ExposeSecret;
use strongroom_devvault::{AwsConfig, Config, DevAws, DevVault};

use crate::client::{self, element};
use crate::postgres::Postgres;

pub(crate) const ROOT: &str = "root-of-the-contract";
pub(crate) const ACCOUNT: &str = "123456789012";
const MAY_LOOK_UP: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetRole","iam:GetUser"],"Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// The AWS side, with what is seeded in it.
pub(crate) struct Aws {
    pub(crate) address: SocketAddr,
    keys: HashMap<&'static str, Credentials>,
    _server: Server,
}

enum Server {
    Dev(#[expect(dead_code, reason = "held so that it goes on listening")] DevAws),
    Process(#[expect(dead_code, reason = "held so that it goes on running")] Process),
}

impl Aws {
    pub(crate) async fn dev() -> Self {
        let aws = DevAws::start(AwsConfig::default()).await.unwrap();
        let key = |user| {
            aws.create_user(user);
            credentials(&aws.create_access_key(user).unwrap())
        };
        let (vault, poor) = (key("vault"), key("poor"));
        aws.put_user_policy("vault", "look-up", MAY_LOOK_UP).unwrap();
        aws.create_role("lambda-role", TRUST).unwrap();
        aws.create_role("other-role", TRUST).unwrap();
        let session = credentials(&aws.lambda_session("lambda-role", "my-function").unwrap());
        let address = aws.url().strip_prefix("http://").unwrap().parse().unwrap();
        let keys = named(vault, poor, session);
        Self { address, keys, _server: Server::Dev(aws) }
    }

    /// Starts and seeds moto, then has it check signatures and policies.
    pub(crate) async fn moto(program: &str) -> Self {
        let address = free_address();
        let port = address.port().to_string();
        let process = Process(
            Command::new(program)
                .args(["-H", "127.0.0.1", "-p", &port])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        until_listening(address).await;
        let ask = async |service: &str, form: &str| {
            let scope = format!(
                "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
            );
            let (status, xml) =
                client::post_form(address, &[("authorization", &scope)], form).await;
            assert_eq!(status, 200, "{form}: {xml}");
            xml
        };
        let policy = encoded(MAY_LOOK_UP);
        let trust = encoded(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#,
        );
        for form in [
            "Action=CreateUser&UserName=vault".to_owned(),
            "Action=CreateUser&UserName=poor".to_owned(),
            format!("Action=PutUserPolicy&UserName=vault&PolicyName=p&PolicyDocument={policy}"),
            format!("Action=CreateRole&RoleName=lambda-role&AssumeRolePolicyDocument={trust}"),
            format!("Action=CreateRole&RoleName=other-role&AssumeRolePolicyDocument={trust}"),
        ] {
            ask("iam", &format!("{form}&Version=2010-05-08")).await;
        }
        let mut keys = Vec::new();
        for user in ["vault", "poor"] {
            let form = format!("Action=CreateAccessKey&UserName={user}&Version=2010-05-08");
            keys.push(issued(&ask("iam", &form).await));
        }
        let session = ask("sts", &format!("Action=AssumeRole&RoleArn=arn:aws:iam::{ACCOUNT}:role/lambda-role&RoleSessionName=my-function&Version=2011-06-15")).await;
        let checking = Request::post("/moto-api/reset-auth")
            .header("content-type", "text/plain")
            .body(Bytes::from_static(b"0"))
            .unwrap();
        assert_eq!(client::send(address, checking).await.unwrap().status(), 200);
        let keys = named(keys.remove(0), keys.remove(0), issued(&session));
        Self { address, keys, _server: Server::Process(process) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The keys that a recipe calls by this word, some of them spoilt.
    pub(crate) fn credentials(&self, word: &str) -> Credentials {
        let session = &self.keys["session"];
        match word {
            "forged" => {
                key(session.access_key_id(), "a-secret-that-is-not-its", session.session_token())
            }
            "tokenless" => key(session.access_key_id(), session.secret_access_key(), None),
            "unknown" => key("AKIANOBODYKNOWSTHIS1", "whatever", None),
            word => self.keys[word].clone(),
        }
    }
}

fn credentials(ours: &strongroom_devvault::Credentials) -> Credentials {
    let token = ours.session_token.as_ref().map(|token| token.expose_secret());
    key(&ours.access_key_id, ours.secret_access_key.expose_secret(), token)
}

fn key(id: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials::new(id, secret, token.map(str::to_owned), None, "contract")
}

fn issued(xml: &str) -> Credentials {
    let part = |name| element(xml, name);
    key(part("AccessKeyId").unwrap(), part("SecretAccessKey").unwrap(), part("SessionToken"))
}

fn named(
    vault: Credentials,
    poor: Credentials,
    session: Credentials,
) -> HashMap<&'static str, Credentials> {
    [("vault", vault), ("poor", poor), ("session", session)].into()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A Vault to ask.
pub(crate) enum Vault {
    Dev(DevVault),
    Real { address: SocketAddr, database: Result<Postgres, &'static str>, _process: Process },
}

impl Vault {
    pub(crate) async fn dev() -> Self {
        Self::Dev(DevVault::start(Config::new(ROOT.into())).await.unwrap())
    }

    /// The test bed's harness around HashiCorp's Vault, with a database or why there is none.
    pub(crate) fn real(program: &str, database: Result<Postgres, &'static str>) -> Self {
        let address = free_address();
        let mut child = Command::new(program)
            .args(["-addr", &address.to_string(), "-root", ROOT, "-log-level", "off"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let process = Process(child);
        let mut line = String::new();
        while !line.starts_with("ready") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "the real Vault has ended");
        }
        std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        Self::Real { address, database, _process: process }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Dev(vault) => vault.address(),
            Self::Real { address, .. } => *address,
        }
    }

    /// What it connects to for its users, or why it cannot.
    pub(crate) fn database(&self) -> Result<String, &'static str> {
        match self {
            Self::Dev(_) => Err("devvault connects to no database"),
            Self::Real { database: Ok(postgres), .. } => Ok(postgres.connection_url()),
            Self::Real { database: Err(reason), .. } => Err(reason),
        }
    }

    /// Lets time pass: the real one has no other clock than ours.
    pub(crate) async fn wait(&self, seconds: u64) {
        let time = Duration::from_secs(seconds);
        match self {
            Self::Dev(vault) => vault.clock().advance(time),
            Self::Real { .. } => tokio::time::sleep(time).await,
        }
    }
}

/// A child that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Free when asked; whoever binds next may in theory be another.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn until_listening(address: SocketAddr) {
    let attempt = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), attempt).await.unwrap();
}
