//! AWS Signature Version 4, for requests signed in their headers.
//!
//! Not here: queries, signatures in the query string, chunked bodies, and the exceptions made for S3.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::{digest, hmac};
use secrecy::ExposeSecret as _;
use strongroom_core::timestamp::Civil;
use zeroize::Zeroizing;

use super::credentials::Credentials;
use crate::percent;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What is to be signed. `Host`, `X-Amz-Date` and `X-Amz-Security-Token` are signed in any case
/// and must not be among `headers`.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The HTTP method, in capitals.
    pub method: &'a str,
    /// The value of the `Host` header, with a port only if it is not the scheme's own.
    pub host: &'a str,
    /// The path as it will be sent: absolute, percent-encoded, without dot segments.
    pub path: &'a str,
    /// Further headers to sign, in any order and letter case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body as it will be sent.
    pub body: &'a [u8],
}

/// Where and for what a signature is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The region, such as `eu-west-1`.
    pub region: &'a str,
    /// The service, such as `sts`.
    pub service: &'a str,
}

/// The headers that a signature adds, beside `X-Amz-Security-Token`, which is the session token
/// of the credentials unchanged.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// The value of `X-Amz-Date`.
    pub date: String,
    /// The value of `Authorization`.
    pub authorization: String,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signed").field("date", &self.date).finish_non_exhaustive()
    }
}

/// Signs `request` with `credentials`, as of `now`.
///
/// AWS accepts the signature for 15 minutes around `now`.
#[must_use]
pub fn sign(
    request: &Request<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    now: SystemTime,
) -> Signed {
    let date = amz_date(now);
    let day = &date[..8];
    let (canonical, signed_headers) = canonical_request(request, credentials, &date);
    let canonical = digest::digest(&digest::SHA256, canonical.as_bytes());
    let scope_text = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope_text}\n{}", hex(canonical.as_ref()));

    let secret = credentials.secret_access_key.expose_secret();
    let mut key = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
    key.extend_from_slice(b"AWS4");
    key.extend_from_slice(secret.as_bytes());
    let mut tag = hmac_sha256(&key, day);
    for part in [scope.region, scope.service, "aws4_request", &to_sign] {
        tag = hmac_sha256(tag.as_ref(), part);
    }

    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope_text}, SignedHeaders={signed_headers}, Signature={}",
        credentials.access_key_id,
        hex(tag.as_ref()),
    );
    Signed { date, authorization }
}

/// The canonical request and the list of signed headers in it.
fn canonical_request(
    request: &Request<'_>,
    credentials: &Credentials,
    date: &str,
) -> (Zeroizing<String>, String) {
    let mut headers: Vec<(String, &str)> = Vec::with_capacity(request.headers.len() + 3);
    headers.push(("host".to_owned(), request.host));
    headers.push(("x-amz-date".to_owned(), date));
    if let Some(token) = &credentials.session_token {
        headers.push(("x-amz-security-token".to_owned(), token.expose_secret()));
    }
    for (name, value) in request.headers {
        let name = name.to_ascii_lowercase();
        // In the order of the names; values of a repeated header keep the order in which they are sent. A sort of the
        // library would be 5 KB of the layer.
        let at = headers.partition_point(|(before, _)| *before <= name);
        headers.insert(at, (name, *value));
    }

    // Roomy, so that the buffer with the session token is not left behind by a reallocation.
    let size: usize = headers.iter().map(|(name, value)| 2 * name.len() + value.len() + 3).sum();
    let size = size + 3 * request.path.len() + 128;
    let mut canonical = Zeroizing::new(String::with_capacity(size));
    let mut names = String::with_capacity(size / 2);

    canonical.push_str(request.method);
    canonical.push('\n');
    percent::encode(&mut canonical, request.path, b"/");
    // No query.
    canonical.push_str("\n\n");
    for (index, (name, value)) in headers.iter().enumerate() {
        if index > 0 && headers[index - 1].0 == *name {
            canonical.push(',');
        } else {
            if index > 0 {
                canonical.push('\n');
                names.push(';');
            }
            names.push_str(name);
            canonical.push_str(name);
            canonical.push(':');
        }
        push_collapsed(&mut canonical, value);
    }
    canonical.push_str("\n\n");
    canonical.push_str(&names);
    canonical.push('\n');
    canonical.push_str(&hex(digest::digest(&digest::SHA256, request.body).as_ref()));
    (canonical, names)
}

/// Trims a header's value and makes each run of blanks in it one blank.
fn push_collapsed(canonical: &mut String, value: &str) {
    for (index, word) in value.split_ascii_whitespace().enumerate() {
        if index > 0 {
            canonical.push(' ');
        }
        canonical.push_str(word);
    }
}

/// ISO 8601 basic format in UTC, such as `20150830T123600Z`. Times before 1970 count as 1970.
fn amz_date(now: SystemTime) -> String {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let milliseconds = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let Civil { year, month, day, hour, minute, second, .. } = Civil::from_unix(milliseconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

fn hmac_sha256(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// Bytes in hexadecimal digits, in small letters; made in one allocation.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests;
