//! The body of `POST auth/<mount>/login`: a `GetCallerIdentity` call, signed but not sent, that
//! Vault sends on to AWS to learn who we are.
//!
//! <https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method>

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::sigv4::{self, Request, Scope};
use super::sts::Endpoint;

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const SERVER_ID: &str = "X-Vault-AWS-IAM-Server-ID";

/// The JSON document to send to Vault, wiped when dropped.
///
/// Signed are the host, the content type, the date, the session token and the server id: Vault
/// refuses `X-Amz-*` headers that it does not know.
/// It takes the host from the address, so that is no header of its own.
/// AWS accepts the signature for 15 minutes around `now`.
#[must_use]
pub fn body(
    role: &str,
    server_id: Option<&str>,
    credentials: &Credentials,
    endpoint: &Endpoint,
    now: SystemTime,
) -> Zeroizing<Vec<u8>> {
    let mut signed_headers = Vec::with_capacity(2);
    signed_headers.push(("Content-Type", FORM));
    signed_headers.extend(server_id.map(|id| (SERVER_ID, id)));
    let request = Request {
        method: "POST",
        host: endpoint.host(),
        path: endpoint.url().path(),
        headers: &signed_headers,
        body: BODY.as_bytes(),
    };
    let scope = Scope { region: endpoint.region(), service: "sts" };
    let signed = sigv4::sign(&request, credentials, scope, now);
    let authorization = Zeroizing::new(signed.authorization);

    let headers = json(&Headers {
        authorization: [authorization.as_str()],
        content_type: [FORM],
        date: [&signed.date],
        security_token: credentials.session_token.as_ref().map(|token| [token.expose_secret()]),
        server_id: server_id.map(|id| [id]),
    });
    json(&Login {
        role,
        iam_http_request_method: "POST",
        iam_request_url: &BASE64.encode(endpoint.url().to_string()),
        iam_request_body: &BASE64.encode(BODY),
        iam_request_headers: &Zeroizing::new(BASE64.encode(&*headers)),
    })
}

#[derive(Serialize)]
struct Login<'a> {
    role: &'a str,
    iam_http_request_method: &'a str,
    iam_request_url: &'a str,
    iam_request_body: &'a str,
    iam_request_headers: &'a str,
}

/// Each value is a list, as the headers of a Go program are: every version of Vault reads it.
#[derive(Serialize)]
struct Headers<'a> {
    #[serde(rename = "Authorization")]
    authorization: [&'a str; 1],
    #[serde(rename = "Content-Type")]
    content_type: [&'a str; 1],
    #[serde(rename = "X-Amz-Date")]
    date: [&'a str; 1],
    #[serde(rename = "X-Amz-Security-Token", skip_serializing_if = "Option::is_none")]
    security_token: Option<[&'a str; 1]>,
    #[serde(rename = "X-Vault-AWS-IAM-Server-ID", skip_serializing_if = "Option::is_none")]
    server_id: Option<[&'a str; 1]>,
}

/// Roomy, as a buffer that grows leaves its old content behind; a session token has 400 to
/// 1,500 characters.
fn json(document: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    serde_json::to_writer(&mut *bytes, document).expect("strings always serialize");
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::Value;

    use super::super::sts::{Settings, assume_role_endpoint};
    use super::*;

    fn endpoint(region: &str) -> Endpoint {
        let settings =
            Settings { sts_endpoint_region: Some(region.to_owned()), ..Settings::default() };
        assume_role_endpoint(&settings).unwrap()
    }

    fn credentials(session_token: Option<&str>) -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned().into(),
            session_token: session_token.map(|token| token.to_owned().into()),
        }
    }

    fn login(server_id: Option<&str>, session_token: Option<&str>) -> (Value, Value) {
        let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let credentials = credentials(session_token);
        let body = body("my \"role\"", server_id, &credentials, &endpoint("eu-west-1"), now);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let headers = decode(&body, "iam_request_headers");
        (body, serde_json::from_str(&headers).unwrap())
    }

    fn decode(body: &Value, field: &str) -> String {
        String::from_utf8(BASE64.decode(body[field].as_str().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn holds_the_signed_request_piece_by_piece() {
        let (body, headers) = login(None, Some("session-token"));
        assert_eq!(body["role"], "my \"role\"");
        assert_eq!(body["iam_http_request_method"], "POST");
        assert_eq!(decode(&body, "iam_request_url"), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(decode(&body, "iam_request_body"), BODY);
        assert_eq!(headers["Content-Type"][0], FORM);
        assert_eq!(headers["X-Amz-Date"][0], "20150830T123600Z");
        assert_eq!(headers["X-Amz-Security-Token"][0], "session-token");
        let authorization = headers["Authorization"][0].as_str().unwrap();
        let expected = "AWS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20150830/eu-west-1/sts/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
    }

    #[test]
    fn long_lived_keys_send_no_session_token() {
        let (_, headers) = login(None, None);
        assert_eq!(headers.as_object().unwrap().len(), 3, "{headers}");
    }

    #[test]
    fn server_id_is_sent_and_signed() {
        let (_, headers) = login(Some("vault.example.com"), None);
        assert_eq!(headers[SERVER_ID][0], "vault.example.com");
        let authorization = headers["Authorization"][0].as_str().unwrap();
        assert!(
            authorization
                .contains("SignedHeaders=content-type;host;x-amz-date;x-vault-aws-iam-server-id,"),
            "{authorization}"
        );
    }

    #[test]
    fn the_signature_is_that_of_the_request_vault_will_send() {
        let (body, headers) = login(Some("vault.example.com"), Some("session-token"));
        let signed = [("content-type", FORM), ("x-vault-aws-iam-server-id", "vault.example.com")];
        let sent = decode(&body, "iam_request_body");
        let request = Request {
            method: "POST",
            host: "sts.eu-west-1.amazonaws.com",
            path: "/",
            headers: &signed,
            body: sent.as_bytes(),
        };
        let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let scope = Scope { region: "eu-west-1", service: "sts" };
        let expected = sigv4::sign(&request, &credentials(Some("session-token")), scope, now);
        assert_eq!(headers["Authorization"][0], expected.authorization);
    }

    #[test]
    fn the_longest_session_token_fits_without_growing() {
        let token = "t".repeat(2_000);
        let now = UNIX_EPOCH;
        let credentials = credentials(Some(&token));
        let body = body("role", Some("id"), &credentials, &endpoint("eu-west-1"), now);
        assert_eq!(body.capacity(), 8 * 1024);
    }
}
