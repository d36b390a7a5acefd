//! The requests that the server itself sends, to STS and IAM stand-ins: plain HTTP on loopback and nowhere else.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 1024 * 1024;

/// A POST to be sent; `headers` include `Host`.
pub(crate) struct Outbound {
    pub(crate) body: Bytes,
    pub(crate) endpoint: String,
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
}

pub(crate) struct Inbound {
    pub(crate) body: String,
    pub(crate) content_type: String,
    pub(crate) status: StatusCode,
}

impl Outbound {
    /// Errors say what Go's HTTP client would: the method, the address and the cause.
    pub(crate) async fn send(self) -> Result<Inbound, String> {
        let url = format!("{}{}", self.endpoint.trim_end_matches('/'), self.path);
        let exchange = tokio::time::timeout(DEADLINE, self.exchange());
        let answered = exchange.await.unwrap_or_else(|_| Err("context deadline exceeded".into()));
        answered.map_err(|cause| format!("Post {url:?}: {cause}"))
    }

    async fn exchange(self) -> Result<Inbound, String> {
        let address = loopback_address(&self.endpoint)?;
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| format!("dial tcp {address}: {error}"))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.parse().map_err(|_| "invalid path".to_owned())?;
        *request.headers_mut() = self.headers;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await;
        connection.abort();
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        let content_type = head.headers.get(http::header::CONTENT_TYPE);
        Ok(Inbound {
            body: String::from_utf8_lossy(&body).into_owned(),
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            status: head.status,
        })
    }
}

/// A development server must not carry anybody's signed request out of the machine.
fn loopback_address(endpoint: &str) -> Result<SocketAddr, String> {
    let refused = || {
        format!(
            "devvault calls plain http on loopback only, not {endpoint:?}; set sts_endpoint and iam_endpoint in config/client to the stand-in's address"
        )
    };
    let url: Uri = endpoint.parse().map_err(|_| refused())?;
    let host = url.host().unwrap_or_default();
    let ip: IpAddr = match host.trim_matches(['[', ']']) {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        other => other.parse().map_err(|_| refused())?,
    };
    if url.scheme_str() != Some("http") || !ip.is_loopback() {
        return Err(refused());
    }
    Ok(SocketAddr::new(ip, url.port_u16().unwrap_or(80)))
}
