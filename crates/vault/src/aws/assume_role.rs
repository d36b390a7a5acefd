//! `AssumeRole`: the signed request, and what STS answers.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use std::borrow::Cow;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret as _, SecretString};

use super::credentials::{Credentials, printable};
use super::login::FORM;
use super::sigv4::{self, Scope};
use super::sts::Endpoint;
use crate::percent;

/// How the session appears in CloudTrail, and to Vault as the last part of its ARN. The
/// incumbent's name, as policies may hold it.
const SESSION_NAME: &str = "vault_auth";

/// An answer has about 1,500 bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The request to send to `endpoint`'s address, with all its headers but `Content-Length`.
///
/// # Errors
/// [`Error::Credentials`] if the credentials cannot be part of a header.
pub fn request(
    role_arn: &str,
    external_id: Option<&str>,
    credentials: &Credentials,
    endpoint: &Endpoint,
    now: SystemTime,
) -> Result<http::Request<String>, Error> {
    let mut body = "Action=AssumeRole".to_owned();
    let external_id = external_id.map(|id| ("ExternalId", id));
    let parameters =
        [("RoleArn", role_arn), ("RoleSessionName", SESSION_NAME), ("Version", "2011-06-15")];
    for (name, value) in external_id.into_iter().chain(parameters) {
        body.push('&');
        body.push_str(name);
        body.push('=');
        percent::encode(&mut body, value, b"");
    }
    let signed = sigv4::sign(
        &sigv4::Request {
            method: "POST",
            host: endpoint.host(),
            path: endpoint.url().path(),
            headers: &[("Content-Type", FORM)],
            body: body.as_bytes(),
        },
        credentials,
        Scope { region: endpoint.region(), service: "sts" },
        now,
    );

    let mut request = http::Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.url().clone();
    let headers = request.headers_mut();
    headers.insert(HOST, header(endpoint.host())?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
    headers.insert(HeaderName::from_static("x-amz-date"), header(&signed.date)?);
    if let Some(token) = &credentials.session_token {
        let name = HeaderName::from_static("x-amz-security-token");
        headers.insert(name, sensitive(token.expose_secret())?);
    }
    headers.insert(AUTHORIZATION, sensitive(&signed.authorization)?);
    Ok(request)
}

/// Reads STS's answer.
///
/// # Errors
/// [`Error::Refused`] for anything but status 200, [`Error::Answer`] if that is not followed by
/// credentials.
pub fn parse_answer(status: u16, body: &[u8]) -> Result<Credentials, Error> {
    if body.len() > LONGEST_ANSWER {
        return Err(Error::Answer { missing: "an end within 64 KiB" });
    }
    let xml = std::str::from_utf8(body).map_err(|_| Error::Answer { missing: "UTF-8 text" })?;
    if status != 200 {
        let field = |name| element(xml, name).map_or_else(String::new, |text| printable(&text));
        return Err(Error::Refused { status, code: field("Code"), message: field("Message") });
    }
    let credentials = content(xml, "Credentials").unwrap_or_default();
    let field = |missing| element(credentials, missing).ok_or(Error::Answer { missing });
    Ok(Credentials {
        access_key_id: field("AccessKeyId")?.into_owned(),
        secret_access_key: SecretString::from(field("SecretAccessKey")?.into_owned()),
        session_token: Some(SecretString::from(field("SessionToken")?.into_owned())),
    })
}

/// Why no role was assumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// STS said 200, and then no credentials.
    #[error("the answer to AssumeRole has no {missing}; hint: is AWS_ENDPOINT_URL_STS an STS?")]
    Answer {
        /// What was not there.
        missing: &'static str,
    },
    /// They hold a line break or another character that no header may hold.
    #[error("the AWS credentials cannot be sent: they hold a control character")]
    Credentials,
    /// STS said no.
    #[error("STS refused AssumeRole with status {status}: {code} {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its error code, such as `AccessDenied`; empty if it sent none.
        code: String,
        /// The first line of its message; empty if it sent none.
        message: String,
    },
}

fn header(value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| Error::Credentials)
}

fn sensitive(value: &str) -> Result<HeaderValue, Error> {
    let mut value = header(value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The text of the first element of this name.
///
/// Enough XML for the answers of STS, which has neither attributes nor comments nor CDATA on the
/// elements read here; whatever else comes is as if the element were not there.
fn element<'a>(xml: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let text = content(xml, name)?.trim();
    if text.is_empty() || text.contains('<') {
        return None;
    }
    unescape(text)
}

/// What stands between the first start tag of this name and the next end tag of it.
fn content<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let rest = after(xml, |tag| tag == name)?;
    let end = rest.match_indices("</").find(|(at, _)| {
        rest[at + 2..].strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('>'))
    })?;
    Some(&rest[..end.0])
}

/// What follows the first tag that `wanted` accepts, by what stands between its brackets.
fn after(xml: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    let mut rest = xml;
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, behind) = tag.split_once('>')?;
        if wanted(tag.trim_end()) {
            return Some(behind);
        }
        rest = behind;
    }
    None
}

/// Resolves the five entities that XML knows, and those by number.
fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('&') {
        return Some(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        let (entity, behind) = entity.split_once(';')?;
        plain.push_str(before);
        plain.push(match entity {
            "amp" => '&',
            "apos" => '\'',
            "gt" => '>',
            "lt" => '<',
            "quot" => '"',
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = behind;
    }
    plain.push_str(rest);
    Some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::super::sts::{Settings, assume_role_endpoint};
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/vault-login";
    const ANSWER: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <AssumedRoleId>ARO123EXAMPLE123:vault_auth</AssumedRoleId>
      <Arn>arn:aws:sts::123456789012:assumed-role/vault-login/vault_auth</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>
      <SecretAccessKey>wJalr/bPxR&amp;x&#43;&#x2B;</SecretAccessKey>
      <SessionToken>
       AQoDYXdzEPT==
      </SessionToken>
      <Expiration>2099-01-01T00:00:00Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>
</AssumeRoleResponse>"#;

    fn signed(external_id: Option<&str>) -> http::Request<String> {
        let settings =
            Settings { lambda_region: Some("eu-west-1".to_owned()), ..Settings::default() };
        let endpoint = assume_role_endpoint(&settings).unwrap();
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned().into(),
            session_token: Some("session-token".to_owned().into()),
        };
        let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        request(ROLE, external_id, &credentials, &endpoint, now).unwrap()
    }

    #[test]
    fn request_is_a_signed_form() {
        let request = signed(None);
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(
            request.body(),
            "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fvault-login\
             &RoleSessionName=vault_auth&Version=2011-06-15"
        );
        let headers = request.headers();
        assert_eq!(headers["host"], "sts.eu-west-1.amazonaws.com");
        assert_eq!(headers["content-type"], FORM);
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        assert_eq!(headers["x-amz-security-token"], "session-token");
        let authorization = headers["authorization"].to_str().unwrap();
        let expected = "AWS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20150830/eu-west-1/sts/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
    }

    #[test]
    fn external_id_is_sent() {
        let body = signed(Some("a b+c")).into_body();
        assert!(body.contains("&ExternalId=a%20b%2Bc&"), "{body}");
    }

    #[test]
    fn debug_of_the_request_shows_no_credential() {
        let text = format!("{:?}", signed(None));
        assert!(!text.contains("session-token") && !text.contains("Signature"), "{text}");
    }

    #[test]
    fn credentials_are_read() {
        let credentials = parse_answer(200, ANSWER.as_bytes()).unwrap();
        assert_eq!(credentials.access_key_id, "ASIAIOSFODNN7EXAMPLE");
        assert_eq!(credentials.secret_access_key.expose_secret(), "wJalr/bPxR&x++");
        assert_eq!(credentials.session_token.unwrap().expose_secret(), "AQoDYXdzEPT==");
    }

    #[test]
    fn a_refusal_says_code_and_message() {
        let body = b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
            <Message>User: x is not authorized &lt;here&gt;</Message></Error></ErrorResponse>";
        let error = parse_answer(403, body).unwrap_err();
        assert_eq!(
            error.to_string(),
            "STS refused AssumeRole with status 403: \
             AccessDenied User: x is not authorized <here>"
        );
    }

    #[test]
    fn the_canonical_request_in_a_refusal_is_not_repeated() {
        let body = b"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>\
            The request signature we calculated does not match.\n\n\
            The Canonical String for this request should have been\n\
            'POST\nx-amz-security-token:canary'</Message></Error></ErrorResponse>";
        let error = parse_answer(403, body).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        assert!(error.to_string().ends_with("does not match."), "{error}");
    }

    #[test]
    fn what_is_no_answer_of_sts_is_said_to_be_none() {
        let check = |body: &str, missing: &'static str| {
            assert_eq!(parse_answer(200, body.as_bytes()).unwrap_err(), Error::Answer { missing });
        };
        check("", "AccessKeyId");
        check("<html>hello</html>", "AccessKeyId");
        check("<Credentials><AccessKeyId>a</AccessKeyId></Credentials>", "SecretAccessKey");
        check("<Credentials></Credentials><AccessKeyId>a</AccessKeyId>", "AccessKeyId");
        check("<Credentials><AccessKeyId> </AccessKeyId></Credentials>", "AccessKeyId");
        check("<Credentials><AccessKeyId><b>a</b></AccessKeyId></Credentials>", "AccessKeyId");
        check(&"x".repeat(LONGEST_ANSWER + 1), "an end within 64 KiB");
        assert_eq!(
            parse_answer(200, b"\xff").unwrap_err(),
            Error::Answer { missing: "UTF-8 text" }
        );
    }

    #[test]
    fn a_refusal_without_a_document_is_still_one() {
        let error = parse_answer(502, b"<html>Bad Gateway</html>").unwrap_err();
        let expected = Error::Refused { status: 502, code: String::new(), message: String::new() };
        assert_eq!(error, expected);
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_parser_panic(
            status in 100_u16..600,
            body in "([<>/&;#x ]|Credentials|AccessKeyId|SecretAccessKey|SessionToken|Code|[a-z0-9é]){0,60}",
        ) {
            let _ = parse_answer(status, body.as_bytes());
        }

        #[test]
        fn text_survives_escaping(text in "[!-~]{1,40}") {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let xml = format!("<a><Code>{escaped}</Code></a>");
            let read = element(&xml, "Code");
            prop_assert_eq!(read.as_deref(), Some(text.as_str()));
        }
    }
}
