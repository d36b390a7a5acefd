//! Random identifiers in the shapes that Vault and AWS give them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use uuid::Uuid;

/// `bytes` unpredictable bytes, from version 4 UUIDs (122 random bits in each 16 bytes).
fn bytes(count: usize) -> Vec<u8> {
    let mut random: Vec<u8> = Vec::with_capacity(count + 16);
    while random.len() < count {
        random.extend(Uuid::new_v4().into_bytes());
    }
    random.truncate(count);
    random
}

fn letters(count: usize, alphabet: &[u8]) -> String {
    // The version and variant bits of a UUID lie in bytes 6 and 8; leaving those bytes out keeps the rest uniform.
    let random = (0..).flat_map(|_| {
        let id = Uuid::new_v4().into_bytes();
        id.into_iter().enumerate().filter(|(at, _)| !matches!(at, 6 | 8)).map(|(_, byte)| byte)
    });
    random
        .filter(|byte| usize::from(*byte) < 256 - 256 % alphabet.len())
        .take(count)
        .map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()]))
        .collect()
}

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const PASSWORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
/// AWS identifiers use the base32 alphabet after their four-letter prefix.
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(crate) fn uuid() -> String {
    Uuid::new_v4().to_string()
}

pub(crate) fn accessor() -> String {
    alphanumeric(24)
}

pub(crate) fn alphanumeric(count: usize) -> String {
    letters(count, ALPHANUMERIC)
}

/// As Vault makes one for a database: 20 characters, at least one of each kind.
/// <https://developer.hashicorp.com/vault/docs/concepts/password-policies#default-password-policy>
pub(crate) fn password() -> String {
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_digit(),
        |c| c == '-',
    ];
    loop {
        let password = letters(20, PASSWORD);
        if kinds.iter().all(|kind| password.contains(*kind)) {
            return password;
        }
    }
}

pub(crate) fn short_id() -> String {
    letters(8, b"0123456789abcdef")
}

/// A Vault token: `hvs.` for service and `hvb.` for batch tokens.
pub(crate) fn token(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes(68)))
}

/// An AWS identifier such as `AKIA…`, `ASIA…`, `AROA…` or `AIDA…`.
pub(crate) fn aws_id(prefix: &str) -> String {
    format!("{prefix}{}", letters(16, BASE32))
}

pub(crate) fn secret(length: usize) -> SecretString {
    letters(length, ALPHANUMERIC).into()
}
