//! Where credentials come from, and that they stay hidden.

use secrecy::ExposeSecret as _;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    move |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

fn decide(pairs: &[(&str, &str)]) -> Result<Source, Error> {
    Source::decide(&environment(pairs))
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret-key")];

#[test]
fn environment_gives_key_secret_and_token() {
    let mut pairs = KEYS.to_vec();
    pairs.push(("AWS_SESSION_TOKEN", "session-token"));
    let credentials = Credentials::from_environment(&environment(&pairs)).unwrap();
    assert_eq!(credentials.access_key_id, "AKIDEXAMPLE");
    assert_eq!(credentials.secret_access_key.expose_secret(), "secret-key");
    assert_eq!(credentials.session_token.unwrap().expose_secret(), "session-token");
}

#[test]
fn an_empty_session_token_is_none() {
    let mut pairs = KEYS.to_vec();
    pairs.push(("AWS_SESSION_TOKEN", ""));
    let credentials = Credentials::from_environment(&environment(&pairs)).unwrap();
    assert!(credentials.session_token.is_none());
}

#[test]
fn debug_shows_no_credential() {
    let text = format!("{:?}", Credentials::from_environment(&environment(&KEYS)).unwrap());
    assert_eq!(text, "Credentials { .. }");
}

#[test]
fn variables_come_before_the_container_endpoint() {
    let mut pairs = KEYS.to_vec();
    pairs.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9201/creds"));
    assert!(matches!(decide(&pairs), Ok(Source::Environment)));
}

#[test]
fn container_endpoint_is_used_without_variables() {
    let source = decide(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9201/creds"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"),
    ]);
    let Ok(Source::Container { url, authorization }) = source else { panic!("{source:?}") };
    assert_eq!(url, "http://127.0.0.1:9201/creds");
    let value = authorization.value().unwrap().unwrap();
    assert_eq!(value, "container-token");
    assert!(value.is_sensitive());
    assert!(!format!("{authorization:?}").contains("container-token"));
}

#[test]
fn relative_endpoint_is_at_the_agent() {
    let pairs = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/abc")];
    let source = decide(&pairs);
    let Ok(Source::Container { url, authorization }) = source else { panic!("{source:?}") };
    assert_eq!(url, "http://169.254.170.2/v2/credentials/abc");
    assert!(matches!(authorization, Authorization::None));
}

#[test]
fn token_file_comes_before_the_token_and_is_read_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let source = decide(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/creds"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.to_str().unwrap()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this"),
    ]);
    let Ok(Source::Container { authorization, .. }) = source else { panic!("{source:?}") };
    assert!(matches!(authorization.value(), Err(Error::TokenFile { .. })));
    for content in ["first", "second"] {
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), content.as_bytes())
            .unwrap();
        assert_eq!(authorization.value().unwrap().unwrap(), content);
    }
}

#[test]
fn a_token_with_a_line_break_is_not_sent() {
    let token = Authorization::Token("a\r\nX-Injected: b".to_owned().into());
    assert!(matches!(token.value(), Err(Error::Token)));
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let check = |url: &str, accepted: bool| {
        let decided = decide(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]);
        assert_eq!(decided.is_ok(), accepted, "{url}: {decided:?}");
    };
    check("http://127.0.0.1/creds", true);
    check("http://127.8.8.8:99/creds", true);
    check("http://[::1]:99/creds", true);
    check("http://localhost/creds", true);
    check("http://169.254.100.1:9001/2021-04-23/credentials", true);
    check("http://169.254.170.2/creds", true);
    check("http://169.254.170.23/v1/credentials", true);
    check("http://[fd00:ec2::23]/v1/credentials", true);
    check("https://example.com/creds", true);
    check("http://example.com/creds", false);
    check("http://169.255.0.1/creds", false);
    check("http://localhost.example.com/creds", false);
    check("http://10.0.0.1/creds", false);
    check("ftp://127.0.0.1/creds", false);
    check("/creds", false);
    check("not a url", false);
}

#[test]
fn missing_credentials_are_named() {
    let error = decide(&[("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")]).unwrap_err();
    assert!(matches!(error, Error::Missing { variable: "AWS_SECRET_ACCESS_KEY" }), "{error}");
    let error = decide(&[]).unwrap_err();
    assert!(error.to_string().contains("AWS_ACCESS_KEY_ID is not set"), "{error}");
}

#[test]
fn container_answer_is_read() {
    let answer = br#"{"AccessKeyId":"AKID","SecretAccessKey":"s/\u0065cret","Token":"t",
            "Expiration":"2099-01-01T00:00:00Z","RoleArn":"arn"}"#;
    let credentials = Credentials::from_container_answer(answer).unwrap();
    assert_eq!(credentials.access_key_id, "AKID");
    assert_eq!(credentials.secret_access_key.expose_secret(), "s/ecret");
    assert_eq!(credentials.session_token.unwrap().expose_secret(), "t");
}

#[test]
fn container_refusal_says_code_and_message() {
    let answer = br#"{"code":"AccessDenied","message":"no such role\nmore"}"#;
    let error = Credentials::from_container_answer(answer).unwrap_err().to_string();
    assert!(error.ends_with("AccessDenied no such role"), "{error}");
}

#[test]
fn an_unreadable_answer_is_not_repeated() {
    let answer = br#"{"AccessKeyId":"AKID","SecretAccessKey":"canary-secret","Token":7}"#;
    let error = Credentials::from_container_answer(answer).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}
