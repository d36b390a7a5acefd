//! What only the stand-ins have: a clock, a record of requests, a seal, TLS, and AWS calls of their own.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::Request;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use strongroom_devvault::{
    AwsConfig, Caller, Config, DevAws, DevVault, Release, SeedError, server_config,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{self, element};
use crate::login::{self, signed_headers};

const LAMBDA_TRUST: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

async fn ask(
    vault: &DevVault,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = Request::builder().method(method).uri(format!("/v1/{path}"));
    if !token.is_empty() {
        request = request.header("x-vault-token", token);
    }
    let request = request.body(Bytes::from(body)).unwrap();
    let answer = client::send(vault.address(), request).await.unwrap();
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body)
}

async fn started() -> DevVault {
    DevVault::start(Config::new("root".into())).await.unwrap()
}

/// AWS auth at `aws` with one role, and the credentials of a function that may log in.
async fn with_aws_auth(vault: &DevVault) -> Credentials {
    let aws = vault.aws();
    let role = aws.create_role("fn-role", LAMBDA_TRUST).unwrap();
    for (path, body) in [
        ("sys/auth/aws", json!({"type": "aws"})),
        ("auth/aws/config/client", json!({"sts_endpoint": aws.url()})),
        (
            "auth/aws/role/fn",
            json!({"auth_type": "iam", "bound_iam_principal_arn": role, "resolve_aws_unique_ids": false, "token_ttl": "60s"}),
        ),
    ] {
        let (status, answer) = ask(vault, "root", "POST", path, &body).await;
        assert_eq!(status, 204, "{path}: {answer}");
    }
    held(&aws.lambda_session("fn-role", "fn").unwrap())
}

fn held(ours: &strongroom_devvault::Credentials) -> Credentials {
    let token = ours.session_token.as_ref().map(|token| token.expose_secret().to_owned());
    let secret = ours.secret_access_key.expose_secret();
    Credentials::new(&ours.access_key_id, secret, token, None, "test")
}

async fn log_in(vault: &DevVault, keys: &Credentials, recipe: Value) -> (u16, Value) {
    let recipe = recipe.as_object().unwrap().clone();
    let body = login::body(&recipe, |_| keys.clone());
    ask(vault, "", "POST", "auth/aws/login", &body).await
}

#[tokio::test]
async fn requests_are_recorded_without_their_tokens() {
    let vault = started().await;
    let keys = with_aws_auth(&vault).await;
    let before = vault.requests().len();
    let (_, answer) = log_in(&vault, &keys, json!({"role": "fn"})).await;
    let token = answer["auth"]["client_token"].as_str().unwrap();
    let accessor = answer["auth"]["accessor"].as_str().unwrap().to_owned();
    assert!(vault.token_accessors().contains(&accessor));
    ask(&vault, token, "GET", "kv/data/a?version=1", &Value::Null).await;
    ask(&vault, token, "POST", "auth/token/revoke-self", &Value::Null).await;
    ask(&vault, token, "GET", "auth/token/lookup-self", &Value::Null).await;
    ask(&vault, "root", "GET", "sys/mounts", &Value::Null).await;
    let function =
        Caller::Token { accessor: accessor.clone(), display_name: "aws-fn-role/fn".into() };
    let seen: Vec<_> = vault.requests()[before..]
        .iter()
        .map(|r| (r.method.clone(), r.path.clone(), r.caller.clone(), r.status))
        .collect();
    let expected = [
        ("POST", "/v1/auth/aws/login", Caller::Nobody, 200),
        ("GET", "/v1/kv/data/a", function.clone(), 403),
        ("POST", "/v1/auth/token/revoke-self", function, 204),
        ("GET", "/v1/auth/token/lookup-self", Caller::DeadToken, 403),
        ("GET", "/v1/sys/mounts", Caller::Root, 200),
    ];
    assert_eq!(seen, expected.map(|(m, p, c, s)| (m.to_owned(), p.to_owned(), c, s)));
    assert!(!vault.token_accessors().contains(&accessor));
    let sts = vault.aws().requests();
    assert_eq!(sts.last().map(|r| (r.action.as_str(), r.status)), Some(("GetCallerIdentity", 200)));
    let shown = format!("{:?} {vault:?} {:?}", vault.requests(), vault.aws().requests());
    assert!(!shown.contains(token) && !shown.contains(keys.secret_access_key()));
}

#[tokio::test]
async fn moving_the_clock_expires_tokens() {
    let vault = started().await;
    let keys = with_aws_auth(&vault).await;
    let (_, answer) = log_in(&vault, &keys, json!({"role": "fn"})).await;
    let token = answer["auth"]["client_token"].as_str().unwrap();
    let lookup = async || ask(&vault, token, "GET", "auth/token/lookup-self", &Value::Null).await;
    vault.clock().advance(Duration::from_secs(59));
    let (status, answer) = lookup().await;
    assert_eq!((status, answer["data"]["ttl"].as_i64()), (200, Some(0)));
    vault.clock().advance(Duration::from_secs(1));
    assert_eq!(lookup().await.0, 403);
    vault.clock().rewind(Duration::from_secs(30));
    assert_eq!(lookup().await.0, 200);
}

#[tokio::test]
async fn moving_the_clock_expires_leases() {
    let vault = started().await;
    let database = json!({"type": "database"});
    ask(&vault, "root", "POST", "sys/mounts/database", &database).await;
    let config = json!({"plugin_name": "postgresql-database-plugin", "allowed_roles": "app"});
    ask(&vault, "root", "POST", "database/config/app", &config).await;
    let role = json!({"db_name": "app", "default_ttl": "20s", "max_ttl": "60s"});
    ask(&vault, "root", "POST", "database/roles/app", &role).await;
    let user = async || ask(&vault, "root", "GET", "database/creds/app", &Value::Null).await.1;
    let (first, second) = (user().await, user().await);
    assert_ne!(first["data"]["username"], second["data"]["username"]);
    assert_ne!(first["data"]["password"], second["data"]["password"]);
    assert_eq!(vault.leases().len(), 2);
    vault.clock().advance(Duration::from_secs(15));
    let renewal = json!({"lease_id": first["lease_id"]});
    let (status, renewed) = ask(&vault, "root", "PUT", "sys/leases/renew", &renewal).await;
    assert_eq!((status, &renewed["lease_duration"]), (200, &json!(20)));
    vault.clock().advance(Duration::from_secs(6));
    assert_eq!(json!(vault.leases()), json!([first["lease_id"]]));
    vault.clock().advance(Duration::from_secs(15));
    assert_eq!(vault.leases(), [""; 0]);
}

#[tokio::test]
async fn a_dead_token_is_named_as_the_release_names_it() {
    for (release, error, mount_type) in [
        (Release::V1_14, "permission denied", Value::Null),
        (
            Release::V1_21,
            "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
            json!("system"),
        ),
    ] {
        let config = Config { release, ..Config::new("root".into()) };
        let vault = DevVault::start(config).await.unwrap();
        let (_, answer) = ask(&vault, "dead", "GET", "sys/mounts", &Value::Null).await;
        assert_eq!(answer["errors"], json!([error]));
        let (_, answer) = ask(&vault, "root", "GET", "sys/mounts", &Value::Null).await;
        assert_eq!(answer["mount_type"], mount_type);
        let (_, health) = ask(&vault, "", "GET", "sys/health", &Value::Null).await;
        assert_eq!(health["version"], vault.version());
    }
}

#[tokio::test]
async fn a_sealed_vault_answers_503_until_it_is_unsealed() {
    let vault = started().await;
    assert_eq!(ask(&vault, "root", "PUT", "sys/seal", &Value::Null).await.0, 204);
    let sealed = (503, json!({"errors": ["Vault is sealed"]}));
    assert_eq!(ask(&vault, "root", "GET", "sys/mounts", &Value::Null).await, sealed);
    let (status, health) = ask(&vault, "", "GET", "sys/health", &Value::Null).await;
    assert_eq!((status, &health["sealed"]), (503, &json!(true)));
    let (status, answer) = ask(&vault, "", "PUT", "sys/unseal", &json!({"key": "any"})).await;
    assert_eq!((status, &answer["sealed"]), (200, &json!(false)));
    assert_eq!(ask(&vault, "root", "GET", "sys/mounts", &Value::Null).await.0, 200);
    vault.seal();
    assert_eq!(ask(&vault, "root", "GET", "sys/mounts", &Value::Null).await.0, 503);
    vault.unseal();
    assert_eq!(ask(&vault, "root", "GET", "sys/mounts", &Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_stopped_vault_frees_its_port_and_remembers_nothing() {
    let vault = started().await;
    let listen = vault.address();
    assert!(vault.notice().contains("in memory"));
    ask(&vault, "root", "POST", "sys/mounts/kv", &json!({"type": "kv"})).await;
    vault.stop().await;
    let get = || Request::get("/v1/sys/health").body(Bytes::new()).unwrap();
    assert!(client::send(listen, get()).await.is_err());
    let again = DevVault::start(Config { listen, ..Config::new("root".into()) }).await.unwrap();
    assert_eq!(again.address(), listen);
    assert_eq!(ask(&again, "root", "GET", "sys/mounts/kv", &Value::Null).await.0, 400);
    drop(again);
}

#[tokio::test]
async fn headers_that_change_a_request() {
    let vault = started().await;
    let with = async |name: &str, value: &str| {
        let request = Request::get("/v1/sys/mounts").header(name, value);
        let request = request.body(Bytes::new()).unwrap();
        client::send(vault.address(), request).await.unwrap()
    };
    let answer = with("authorization", "Bearer root").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-type"], "application/json");
    let refused = with("x-vault-wrap-ttl", "60s").await;
    assert_eq!(refused.status(), 400);
    assert!(refused.body().windows(8).any(|window| window == b"wrapping"));
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let everywhere = Config { listen: ([0, 0, 0, 0], 0).into(), ..Config::new("root".into()) };
    let refused = DevVault::start(everywhere).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_login_never_leaves_loopback() {
    let vault = started().await;
    let keys = with_aws_auth(&vault).await;
    for (endpoint, named) in [
        ("", "https://sts.amazonaws.com"),
        ("http://192.0.2.1:80", "http://192.0.2.1:80"),
        ("https://127.0.0.1:1", "https://127.0.0.1:1"),
    ] {
        let body = json!({"sts_endpoint": endpoint});
        ask(&vault, "root", "POST", "auth/aws/config/client", &body).await;
        let (status, answer) = log_in(&vault, &keys, json!({"role": "fn"})).await;
        let error = answer["errors"][0].as_str().unwrap();
        assert_eq!(status, 400);
        assert!(error.starts_with("error making upstream request: error making request: Post"));
        assert!(error.contains("loopback only") && error.contains(named), "{error}");
    }
}

#[tokio::test]
async fn it_speaks_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_pem();
    let tls = server_config(made.cert.pem().as_bytes(), key.as_bytes()).unwrap();
    let config = Config { tls: Some(tls), ..Config::new("root".into()) };
    let vault = DevVault::start(config).await.unwrap();
    assert!(vault.url().starts_with("https://127.0.0.1:"));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusting = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(vault.address()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    let request = b"GET /v1/sys/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // hyper closes without a TLS close_notify, which rustls reports at the end.
    let _end = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(server_config(b"nonsense", key.as_bytes()).is_err());
}

/// One signed call; yields the status and the XML.
async fn call(aws: &DevAws, keys: &Credentials, service: &str, form: &str) -> (u16, String) {
    call_at(aws, keys, service, form, SystemTime::now()).await
}

async fn call_at(
    aws: &DevAws,
    keys: &Credentials,
    service: &str,
    form: &str,
    at: SystemTime,
) -> (u16, String) {
    let url = aws.url();
    let host = url.strip_prefix("http://").unwrap().to_owned();
    let headers =
        [("content-type".to_owned(), client::FORM.to_owned()), ("host".to_owned(), host.clone())];
    let region = if service == "sts" { "ap-northeast-2" } else { "us-east-1" };
    let signed = signed_headers(keys, &format!("{url}/"), form, (region, service), at, &headers);
    let signed: Vec<_> = signed.iter().skip(1).map(|(n, v)| (n.as_str(), v.as_str())).collect();
    client::post_form(host.parse().unwrap(), &signed, form).await
}

async fn account() -> (DevAws, Credentials) {
    let config = AwsConfig { sts_region: "ap-northeast-2".to_owned(), ..AwsConfig::default() };
    let aws = DevAws::start(config).await.unwrap();
    aws.create_user("me");
    let keys = held(&aws.create_access_key("me").unwrap());
    (aws, keys)
}

fn trusting(principal: &str, external_id: Option<&str>) -> String {
    let mut statement =
        json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"});
    if let Some(id) = external_id {
        statement["Condition"] = json!({"StringEquals": {"sts:ExternalId": id}});
    }
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

const ASSUME: &str = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=s&RoleArn=arn:aws:iam::123456789012:role/";

#[tokio::test]
async fn assume_role_opens_a_session_for_whom_the_role_trusts() {
    let (aws, me) = account().await;
    aws.create_role("r", &trusting("arn:aws:iam::123456789012:user/me", Some("abc"))).unwrap();
    let (status, xml) = call(&aws, &me, "sts", &format!("{ASSUME}r")).await;
    assert_eq!((status, element(&xml, "Code")), (403, Some("AccessDenied")));
    let (status, _) = call(&aws, &me, "sts", &format!("{ASSUME}r&ExternalId=abd")).await;
    assert_eq!(status, 403);
    let (status, _) = call(&aws, &me, "sts", &format!("{ASSUME}none&ExternalId=abc")).await;
    assert_eq!(status, 403);
    let (status, xml) = call(&aws, &me, "sts", &format!("{ASSUME}r&ExternalId=abc")).await;
    assert_eq!(status, 200, "{xml}");
    let part = |name| element(&xml, name).unwrap().to_owned();
    let token = Some(part("SessionToken"));
    let session =
        Credentials::new(part("AccessKeyId"), part("SecretAccessKey"), token, None, "test");
    let identity = "Action=GetCallerIdentity&Version=2011-06-15";
    let (_, xml) = call(&aws, &session, "sts", identity).await;
    assert_eq!(element(&xml, "Arn"), Some("arn:aws:sts::123456789012:assumed-role/r/s"));
    assert!(element(&xml, "UserId").unwrap().starts_with("AROA"));
    aws.clock().advance(Duration::from_secs(600));
    assert_eq!(call(&aws, &session, "sts", identity).await.0, 200);
    aws.delete_access_key(session.access_key_id());
    let (_, xml) = call(&aws, &session, "sts", identity).await;
    assert_eq!(element(&xml, "Code"), Some("InvalidClientTokenId"));
}

#[tokio::test]
async fn a_role_that_trusts_the_account_leaves_it_to_the_callers_policies() {
    let (aws, me) = account().await;
    aws.create_role("r", &trusting("arn:aws:iam::123456789012:root", None)).unwrap();
    let assume = format!("{ASSUME}r");
    assert_eq!(call(&aws, &me, "sts", &assume).await.0, 403);
    let policy = |effect: &str| {
        json!({"Statement": {"Effect": effect, "Action": "sts:Assume*", "Resource": "arn:aws:iam::*:role/?"}}).to_string()
    };
    aws.put_user_policy("me", "may", &policy("Allow")).unwrap();
    assert_eq!(call(&aws, &me, "sts", &assume).await.0, 200);
    aws.put_user_policy("me", "may-not", &policy("Deny")).unwrap();
    assert_eq!(call(&aws, &me, "sts", &assume).await.0, 403);
}

#[tokio::test]
async fn iam_describes_roles_and_users_to_those_who_may_ask() {
    let (aws, me) = account().await;
    let role = aws.create_role("r", LAMBDA_TRUST).unwrap();
    let get_role = "Action=GetRole&Version=2010-05-08&RoleName=r";
    assert_eq!(call(&aws, &me, "iam", get_role).await.0, 403);
    let policy = r#"{"Statement":[{"Effect":"Allow","Action":["iam:GetRole","iam:GetUser"],"Resource":"*"}]}"#;
    aws.put_user_policy("me", "look", policy).unwrap();
    let (status, xml) = call(&aws, &me, "iam", get_role).await;
    assert_eq!((status, element(&xml, "Arn")), (200, Some(role.as_str())));
    let first = element(&xml, "RoleId").unwrap().to_owned();
    let (_, xml) = call(&aws, &me, "iam", "Action=GetUser&Version=2010-05-08").await;
    assert_eq!(element(&xml, "UserName"), Some("me"));
    let (status, xml) = call(&aws, &me, "iam", "Action=GetRole&RoleName=none").await;
    assert_eq!((status, element(&xml, "Code")), (404, Some("NoSuchEntity")));
    let (_, xml) = call(&aws, &me, "iam", "Action=DeleteRole&RoleName=r").await;
    assert_eq!(element(&xml, "Code"), Some("InvalidAction"));
    aws.create_role("r", LAMBDA_TRUST).unwrap();
    let (_, xml) = call(&aws, &me, "iam", get_role).await;
    assert_ne!(element(&xml, "RoleId"), Some(first.as_str()));
}

#[tokio::test]
async fn an_unsigned_call_is_refused() {
    let (aws, _) = account().await;
    let address = aws.url().strip_prefix("http://").unwrap().parse().unwrap();
    for (headers, code) in [
        (vec![], "MissingAuthenticationToken"),
        (vec![("authorization", "Basic x")], "IncompleteSignature"),
        (vec![("authorization", "AWS4-HMAC-SHA256 Credential=a/b")], "IncompleteSignature"),
    ] {
        let (_, xml) = client::post_form(address, &headers, "Action=GetCallerIdentity").await;
        assert_eq!(element(&xml, "Code"), Some(code));
    }
    assert_eq!(aws.requests().len(), 3);
}

#[tokio::test]
async fn a_session_ends_at_its_time() {
    let (aws, _) = account().await;
    aws.create_role("fn", LAMBDA_TRUST).unwrap();
    let session = held(&aws.lambda_session("fn", "f").unwrap());
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!(call(&aws, &session, "sts", form).await.0, 200);
    let life = Duration::from_secs(12 * 3600);
    aws.clock().advance(life);
    let (_, xml) = call(&aws, &session, "sts", form).await;
    assert!(element(&xml, "Message").unwrap().starts_with("Signature expired: "), "{xml}");
    let (status, xml) = call_at(&aws, &session, "sts", form, SystemTime::now() + life).await;
    assert_eq!((status, element(&xml, "Code")), (403, Some("ExpiredToken")));
}

#[tokio::test]
async fn a_role_made_anew_is_another_until_vaults_role_is_written_again() {
    let vault = started().await;
    let aws = vault.aws();
    with_aws_auth(&vault).await;
    aws.create_user("vault");
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"iam:GetRole","Resource":"*"}}"#;
    aws.put_user_policy("vault", "look", policy).unwrap();
    let own = aws.create_access_key("vault").unwrap();
    let client = json!({
        "access_key": own.access_key_id,
        "secret_key": own.secret_access_key.expose_secret(),
        "iam_endpoint": aws.url(),
    });
    ask(&vault, "root", "POST", "auth/aws/config/client", &client).await;
    let role = json!({"auth_type": "iam", "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/fn-role"});
    let write = async || ask(&vault, "root", "POST", "auth/aws/role/by-id", &role).await;
    let session = || held(&aws.lambda_session("fn-role", "fn").unwrap());
    let log_in = async || log_in(&vault, &session(), json!({"role": "by-id"})).await.0;
    assert_eq!(write().await.0, 204);
    assert_eq!(log_in().await, 200);
    aws.create_role("fn-role", LAMBDA_TRUST).unwrap();
    assert_eq!(log_in().await, 400);
    ask(&vault, "root", "DELETE", "auth/aws/role/by-id", &Value::Null).await;
    assert_eq!(write().await.0, 204);
    assert_eq!(log_in().await, 200);
}

#[tokio::test]
async fn seeding_refuses_what_it_cannot_honour() {
    let (aws, _) = account().await;
    assert!(matches!(aws.create_access_key("nobody"), Err(SeedError::NoSuchEntity(_))));
    assert!(matches!(aws.lambda_session("nobody", "f"), Err(SeedError::NoSuchEntity(_))));
    aws.create_role("r", &trusting("123456789012", None)).unwrap();
    assert!(matches!(aws.lambda_session("r", "f"), Err(SeedError::NotTrusted { .. })));
    for policy in [
        "nonsense",
        r#"{"Statement":[{"Effect":"Allow","NotAction":"x","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"x","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"1"}}}]}"#,
    ] {
        assert!(matches!(aws.put_user_policy("me", "p", policy), Err(SeedError::Policy(_))));
    }
}
