//! Reads the `.rows` files and holds each row against a Vault and an AWS.
//!
//! A row is a name and lines of `<who> <METHOD> <path> [body] => <status> [pattern] [as <name>]`;
//! what was saved under a name is a token, or a lease. `@` is a word of the row's own. In a pattern an object names the fields that must be there,
//! a string that begins with `~` is contained in the one given, and `"absent"` wants no such field.
//! `LOGIN <mount> <recipe>` is a login made by `login.rs`; `wait` lets seconds pass.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::Request;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::bed::{ACCOUNT, Aws, ROOT, Vault};
use crate::postgres::Postgres;
use crate::{client, login};

/// What holds for any Vault with any AWS behind it.
const COMMON: [&str; 6] = [
    include_str!("contract/kv.rows"),
    include_str!("contract/sys.rows"),
    include_str!("contract/policy.rows"),
    include_str!("contract/token.rows"),
    include_str!("contract/aws.rows"),
    include_str!("contract/ssh.rows"),
];
/// What holds where there is a database too; devvault needs none.
const LEASES: &str = include_str!("contract/leases.rows");
/// What only an AWS does that checks dates and regions, and answers errors as STS does.
const STRICT_AWS: &str = include_str!("contract/sts.rows");

/// What `@configured` stands for.
const CONFIGURED: &str = r#"root POST sys/auth/@ {"type":"aws"} => 204
root POST auth/@/config/client {"access_key":"$vault.id","secret_key":"$vault.secret","sts_endpoint":"$aws","iam_endpoint":"$aws","sts_region":"us-east-1","iam_server_id_header_value":"vault.example"} => 204"#;
/// What `@database` stands for.
const DATABASE: &str = r#"root POST @/db/config/app {"plugin_name":"postgresql-database-plugin","connection_url":"$database","allowed_roles":["*"]} => 204"#;
/// What `$create` stands for, in JSON.
const CREATE: &str =
    r#"CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"#;

struct Row {
    lines: Vec<String>,
    name: String,
    word: String,
}

fn rows(files: &[&str]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in files.iter().flat_map(|file| file.lines()) {
        if let Some(name) = line.strip_prefix("# ") {
            let word = format!("row{}", rows.len());
            rows.push(Row { lines: Vec::new(), name: name.to_owned(), word });
        } else if !line.is_empty() {
            let row = rows.last_mut().unwrap();
            let lines = match line {
                "@configured" => CONFIGURED,
                "@database" => DATABASE,
                line => line,
            };
            row.lines.extend(lines.lines().map(|line| line.replace('@', &row.word)));
        }
    }
    rows
}

/// Holds every row against the servers; one Vault for each row where they are cheap.
async fn check(files: &[&str], vault: Option<Arc<Vault>>, aws: Arc<Aws>) {
    let rows = rows(files);
    let count = rows.len();
    let mut running = JoinSet::new();
    for row in rows {
        let (vault, aws) = (vault.clone(), Arc::clone(&aws));
        running.spawn(async move {
            let vault = match vault {
                Some(vault) => vault,
                None => Arc::new(Vault::dev().await),
            };
            run(&row, &vault, &aws).await
        });
    }
    let failures: Vec<String> =
        running.join_all().await.into_iter().filter_map(Result::err).collect();
    let mut report = String::new();
    for failure in &failures {
        writeln!(report, "{failure}\n").unwrap();
    }
    assert!(failures.is_empty(), "{} of {count} rows do not hold:\n{report}", failures.len());
}

async fn run(row: &Row, vault: &Vault, aws: &Aws) -> Result<(), String> {
    let mut saved: HashMap<String, Value> = HashMap::new();
    for line in &row.lines {
        if let Some(seconds) = line.strip_prefix("wait ") {
            vault.wait(seconds.parse().unwrap()).await;
            continue;
        }
        let line = filled(line, &saved, vault, aws);
        let step = Step::parse(&line);
        let (status, body) = step.send(vault, aws, &saved).await;
        let held = match &step.pattern {
            _ if status != step.status => Err(format!("status {status}")),
            None => Ok(()),
            Some(pattern) => matches(pattern, &body, "body"),
        };
        held.map_err(|error| {
            format!("# {}\n{line}\n  {error}\n  answer: {status} {body}", row.name)
        })?;
        if let Some(name) = &step.saved_as {
            let auth = body["auth"].clone();
            saved.insert(name.clone(), if auth.is_null() { body } else { auth });
        }
    }
    Ok(())
}

fn filled(line: &str, saved: &HashMap<String, Value>, vault: &Vault, aws: &Aws) -> String {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/lambda-role");
    let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/lambda-role/my-function");
    let mut line = line
        .replace("${role}", &role)
        .replace("$role", &role)
        .replace("$other", &format!("arn:aws:iam::{ACCOUNT}:role/other-role"))
        .replace("$session", &session)
        .replace("$user", &format!("arn:aws:iam::{ACCOUNT}:user/vault"))
        .replace("$aws", &aws.url())
        .replace("$create", CREATE)
        // Nobody calls it where it is not there.
        .replace("$database", &vault.database().unwrap_or_else(|_| "host=/nowhere".to_owned()))
        .replace("$at", "@");
    for user in ["vault", "poor"] {
        let key: Credentials = aws.credentials(user);
        line = line
            .replace(&format!("${user}.id"), key.access_key_id())
            .replace(&format!("${user}.secret"), key.secret_access_key());
    }
    for (name, part) in saved {
        for field in ["accessor", "client_token", "lease_id"] {
            let value = part[field].as_str().unwrap_or_default();
            line = line.replace(&format!("${name}.{field}"), value);
        }
    }
    line
}

struct Step {
    body: String,
    method: String,
    path: String,
    pattern: Option<Value>,
    saved_as: Option<String>,
    status: u16,
    who: String,
}

impl Step {
    fn parse(line: &str) -> Self {
        let (asked, expected) = line.split_once(" => ").unwrap_or_else(|| panic!("{line}"));
        let mut asked = asked.splitn(4, ' ').map(str::to_owned);
        let mut part = || asked.next().unwrap_or_default();
        let (who, method, path, body) = (part(), part(), part(), part());
        let (expected, saved_as) = match expected.rsplit_once(" as ") {
            Some((expected, name)) => (expected, Some(name.to_owned())),
            None => (expected, None),
        };
        let (status, pattern) = match expected.split_once(' ') {
            Some((status, pattern)) => {
                let pattern = serde_json::from_str(pattern);
                (status, Some(pattern.unwrap_or_else(|error| panic!("{error}: {line}"))))
            }
            None => (expected, None),
        };
        Self { body, method, path, pattern, saved_as, status: status.parse().unwrap(), who }
    }

    async fn send(&self, vault: &Vault, aws: &Aws, saved: &HashMap<String, Value>) -> (u16, Value) {
        let (method, path, body) = match self.method.as_str() {
            "LOGIN" => {
                let recipe = serde_json::from_str(&self.body).unwrap();
                let body = login::body(&recipe, |word| aws.credentials(word)).to_string();
                ("POST", format!("auth/{}/login", self.path), body)
            }
            method => (method, self.path.clone(), self.body.clone()),
        };
        let mut request = Request::builder().method(method).uri(format!("/v1/{path}"));
        match self.who.as_str() {
            "none" => {}
            "root" => request = request.header("x-vault-token", ROOT),
            name => {
                let token = saved.get(name).and_then(|auth| auth["client_token"].as_str());
                request = request.header("x-vault-token", token.unwrap_or(name));
            }
        }
        let request = request.body(Bytes::from(body)).unwrap();
        let answer = client::send(vault.address(), request).await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(answer.body()).unwrap_or_default())
    }
}

fn matches(pattern: &Value, given: &Value, at: &str) -> Result<(), String> {
    match (pattern, given) {
        (Value::String(wanted), _) if wanted == "absent" => Err(format!("{at} is there")),
        (Value::String(wanted), Value::String(given))
            if wanted.strip_prefix('~').is_some_and(|part| given.contains(part)) =>
        {
            Ok(())
        }
        (Value::Object(wanted), Value::Object(given)) => {
            wanted.iter().try_for_each(|(name, wanted)| match given.get(name) {
                None if wanted == "absent" => Ok(()),
                None => Err(format!("{at}.{name} is absent")),
                Some(given) => matches(wanted, given, &format!("{at}.{name}")),
            })
        }
        (Value::Array(wanted), Value::Array(given)) if wanted.len() == given.len() => {
            let mut pairs = wanted.iter().zip(given).enumerate();
            pairs.try_for_each(|(n, (wanted, given))| matches(wanted, given, &format!("{at}[{n}]")))
        }
        (wanted, given) if wanted == given => Ok(()),
        (wanted, given) => Err(format!("{at} is {given}, not {wanted}")),
    }
}

fn strict() -> Vec<&'static str> {
    COMMON.into_iter().chain([STRICT_AWS]).collect()
}

/// The rows on leases, if this Vault can keep them.
fn on_leases(vault: &Vault) -> Option<&'static str> {
    match vault.database() {
        Ok(_) => Some(LEASES),
        Err(reason) => {
            skipped("leases of HashiCorp's Vault", reason);
            None
        }
    }
}

/// The program that a variable names, or a line that says what is skipped.
fn real_part(variable: &str, what: &str) -> Option<String> {
    let program = std::env::var(variable).ok().filter(|program| !program.is_empty());
    if program.is_none() {
        skipped(what, &format!("{variable} is not set"));
    }
    program
}

/// Past the capture of test output: whoever runs the tests is to see what was left out, on a
/// line of its own even where the runner has begun one.
fn skipped(what: &str, reason: &str) {
    let line = format!("\nSKIPPED: the contract on {what}: {reason}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

#[tokio::test]
async fn every_rule_holds_on_the_stand_ins() {
    let files: Vec<_> = strict().into_iter().chain([LEASES]).collect();
    check(&files, None, Arc::new(Aws::dev().await)).await;
}

#[tokio::test]
async fn every_rule_holds_on_real_vault_with_the_aws_stand_in() {
    let Some(vault) = real_part("STRONGROOM_VAULT", "HashiCorp's Vault") else { return };
    let vault = Arc::new(Vault::real(&vault, Postgres::start()));
    let files: Vec<_> = strict().into_iter().chain(on_leases(&vault)).collect();
    check(&files, Some(vault), Arc::new(Aws::dev().await)).await;
}

#[tokio::test]
async fn every_rule_holds_on_real_vault_with_moto() {
    let Some(vault) = real_part("STRONGROOM_VAULT", "HashiCorp's Vault with moto") else { return };
    let Some(moto) = real_part("STRONGROOM_MOTO", "HashiCorp's Vault with moto") else { return };
    let vault = Arc::new(Vault::real(&vault, Err("the other run has it")));
    check(&COMMON, Some(vault), Arc::new(Aws::moto(&moto).await)).await;
}

#[tokio::test]
async fn every_rule_holds_on_devvault_with_moto() {
    let Some(moto) = real_part("STRONGROOM_MOTO", "devvault with moto") else { return };
    check(&COMMON, None, Arc::new(Aws::moto(&moto).await)).await;
}
