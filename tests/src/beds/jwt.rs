//! An issuer of JWTs, as a CI system or an identity provider is one.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::KeyPair;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

/// Signs with ES256: <https://www.rfc-editor.org/rfc/rfc7518#section-3.4>
pub struct JwtIssuer {
    key: EcdsaKeyPair,
    public_key: String,
}

impl JwtIssuer {
    /// One with a new key.
    ///
    /// # Panics
    /// If the machine gives no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let pair = KeyPair::generate().expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &pair.serialize_der(),
            &SystemRandom::new(),
        );
        Self { key: key.expect("a key of P-256"), public_key: pair.public_key_pem() }
    }

    /// The key to verify with, in PEM.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// A JWT with these claims.
    ///
    /// # Panics
    /// If the machine gives no random numbers.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = json!({"alg": "ES256", "typ": "JWT"}).to_string();
        let signed =
            format!("{}.{}", encode(header.as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        format!("{signed}.{}", encode(signature.expect("a signature").as_ref()))
    }

    /// Seconds since the Unix epoch, as claims count.
    ///
    /// # Panics
    /// If it is before 1970.
    #[must_use]
    pub fn now() -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        i64::try_from(now.as_secs()).expect("it is before the year 292 billion")
    }
}

impl Default for JwtIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for JwtIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtIssuer").finish_non_exhaustive()
    }
}
