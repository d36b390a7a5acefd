//! The tests' own HTTP client, which knows nothing of Strongroom's.

use std::time::Duration;

use http::{HeaderMap, Method, Request};
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the {} body {}", self.status, self.text()))
    }
}

/// Sends one request on a connection of its own and reads the answer, whatever its status.
/// The method may be any token, such as `LIST`. Redirects are not followed.
///
/// # Errors
/// If the connection fails, or the answer takes longer than 60 seconds.
pub fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, ureq::Error> {
    request_trusting(None, method, url, headers, body)
}

/// The same by TLS, trusting this certificate authority (PEM) alone.
///
/// # Errors
/// As [`request`], or if the server is not trusted.
pub(super) fn request_trusting(
    authority: Option<&str>,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, ureq::Error> {
    let certificates = authority.map(|pem| Certificate::from_pem(pem.as_bytes())).transpose()?;
    let certificates: Vec<_> = certificates.into_iter().collect();
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .allow_non_standard_methods(true)
        .http_status_as_error(false)
        .max_redirects(0)
        // A proxy of the machine's environment is none of the test's.
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent();
    let method = Method::from_bytes(method.as_bytes()).expect("a test sends a valid method");
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).expect("a test sends a valid request");
    let mut response = agent.run(request)?;
    let body = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
    Ok(Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}
