//! A plain HTTP client that keeps nothing between requests.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(crate) async fn send(
    address: SocketAddr,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    if !head.headers.contains_key("host") {
        head.headers.insert("host", address.to_string().parse().unwrap());
    }
    let request = Request::from_parts(head, Full::new(body));
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(head, body))
}

/// A form POST, unsigned unless `headers` sign it.
pub(crate) async fn post_form(
    address: SocketAddr,
    headers: &[(&str, &str)],
    form: &str,
) -> (u16, String) {
    let mut request = Request::post("/").header("content-type", FORM);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::from(form.to_owned())).unwrap();
    let answer = send(address, request).await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8(answer.into_body().to_vec()).unwrap())
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The text of the first element of this name.
pub(crate) fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}
