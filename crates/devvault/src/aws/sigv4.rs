//! AWS Signature Version 4, both ways: signing the server's own calls and verifying what arrives.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Keys of a user, or of a session if there is a token.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AKIA…` of a user, `ASIA…` of a session.
    pub access_key_id: String,
    /// What signs.
    pub secret_access_key: SecretString,
    /// Present for a session only.
    pub session_token: Option<SecretString>,
}

/// What is signed, apart from the date and the scope.
pub(crate) struct Signed<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) headers: &'a HeaderMap,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
}

/// The `Authorization` header, taken apart.
pub(crate) struct Authorization {
    pub(crate) access_key_id: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    signature: String,
    signed_headers: Vec<String>,
}

impl Authorization {
    /// Errors are AWS's own words for what is incomplete.
    pub(crate) fn parse(value: &str) -> Result<Self, String> {
        let rest = value
            .strip_prefix(ALGORITHM)
            .ok_or_else(|| format!("Authorization header requires the algorithm '{ALGORITHM}'."))?;
        let part = |name: &str| {
            let parts = rest.split(',').map(str::trim);
            let mut named = parts.filter_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            named.next().ok_or_else(|| format!("Authorization header requires '{name}' parameter."))
        };
        let scope: Vec<&str> = part("Credential")?.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = scope[..] else {
            return Err("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term".to_owned());
        };
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signature: part("Signature")?.to_owned(),
            signed_headers: part("SignedHeaders")?.split(';').map(str::to_owned).collect(),
        })
    }

    /// Whether the signature is that of `secret` over the request as it arrived.
    /// `Host` and every `X-Amz-*` header must be among those signed.
    pub(crate) fn holds(&self, signed: &Signed<'_>, amz_date: &str, secret: &SecretString) -> bool {
        let must = signed.headers.keys().map(http::HeaderName::as_str);
        let mut must = must.filter(|name| *name == "host" || name.starts_with("x-amz-"));
        if !must.all(|name| self.signed_headers.iter().any(|signed| signed == name)) {
            return false;
        }
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let names: Vec<&str> = self.signed_headers.iter().map(String::as_str).collect();
        let text = string_to_sign(signed, &names, amz_date, &scope);
        let key = signing_key(secret, &self.date, &self.region, &self.service);
        let Some(given) = unhex(&self.signature) else { return false };
        let mut mac = mac(&key);
        mac.update(text.as_bytes());
        mac.verify_slice(&given).is_ok()
    }
}

/// The headers of a signed form POST to `host` with path `/`.
pub(crate) fn sign_form(
    credentials: &Credentials,
    host: &str,
    body: &[u8],
    (region, service): (&str, &str),
    now: Timestamp,
) -> HeaderMap {
    let amz_date = amz_date(now);
    let date = &amz_date[..8];
    let mut headers = HeaderMap::new();
    let text = |value: &str| HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
    );
    headers.insert(HOST, text(host));
    headers.insert("x-amz-date", text(&amz_date));
    if let Some(token) = &credentials.session_token {
        headers.insert("x-amz-security-token", text(token.expose_secret()));
    }
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let signed = Signed { body, headers: &headers, method: "POST", path: "/", query: "" };
    let to_sign = string_to_sign(&signed, &names, &amz_date, &scope);
    let key = signing_key(&credentials.secret_access_key, date, region, service);
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id,
        names.join(";")
    );
    headers.insert(AUTHORIZATION, text(&authorization));
    headers
}

/// A moment as `X-Amz-Date` writes it.
pub(crate) fn amz_date(moment: Timestamp) -> String {
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
}

pub(crate) fn parse_amz_date(text: &str) -> Option<Timestamp> {
    let moment = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(moment).ok()
}

fn string_to_sign(signed: &Signed<'_>, names: &[&str], amz_date: &str, scope: &str) -> String {
    let canonical = canonical_request(signed, names);
    format!("{ALGORITHM}\n{amz_date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())))
}

fn canonical_request(signed: &Signed<'_>, names: &[&str]) -> String {
    let headers: String = names
        .iter()
        .map(|name| {
            let values = signed.headers.get_all(*name).iter();
            let values: Vec<String> = values
                .map(|value| {
                    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    text.split_whitespace().collect::<Vec<_>>().join(" ")
                })
                .collect();
            format!("{name}:{}\n", values.join(","))
        })
        .collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        signed.method,
        canonical_path(signed.path),
        canonical_query(signed.query),
        names.join(";"),
        hex(&Sha256::digest(signed.body))
    )
}

/// Every service but S3 signs the path without doubled slashes.
fn canonical_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let slash = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{slash}", parts.join("/"))
}

fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<String> = pairs
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn signing_key(secret: &SecretString, date: &str, region: &str, service: &str) -> Vec<u8> {
    let first = format!("AWS4{}", secret.expose_secret());
    [date, region, service, "aws4_request"]
        .into_iter()
        .fold(first.into_bytes(), |key, part| hmac(&key, part.as_bytes()))
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = mac(key);
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// A session token of the length that AWS's have.
pub(crate) fn session_token() -> SecretString {
    let random: Vec<u8> = (0..12).flat_map(|_| uuid::Uuid::new_v4().into_bytes()).collect();
    format!("IQoJb3JpZ2luX2Vj{}", base64::engine::general_purpose::STANDARD.encode(random)).into()
}
