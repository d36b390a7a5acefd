//! As much of HTTP/1.1 as it takes to find where a message ends: <https://www.rfc-editor.org/rfc/rfc9112#name-message-body-length>.

use std::io;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt,
};

/// Larger heads are refused, in the order of what servers take.
const HEAD_LIMIT: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Body {
    Absent,
    Chunked,
    Length(u64),
    UntilClose,
}

pub(crate) struct RequestHead {
    pub(crate) body: Body,
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) token: Option<Vec<u8>>,
}

pub(crate) struct ResponseHead {
    pub(crate) body: Body,
    pub(crate) closes: bool,
    /// A 1xx, after which the real one comes.
    pub(crate) is_interim: bool,
    pub(crate) raw: Vec<u8>,
}

/// The next request's head; `None` when the client has closed instead.
pub(crate) async fn read_request<R: AsyncBufRead + Unpin>(
    from: &mut R,
) -> io::Result<Option<RequestHead>> {
    let raw = read_head(from).await?;
    if raw.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(&raw).map_err(malformed)?;
    let target = request.path.unwrap_or_default();
    let token = header(request.headers, "x-vault-token").map(<[u8]>::to_vec);
    Ok(Some(RequestHead {
        body: match framing(request.headers)? {
            Body::UntilClose => Body::Absent,
            body => body,
        },
        method: request.method.unwrap_or_default().to_owned(),
        path: target.split('?').next().unwrap_or_default().to_owned(),
        token,
        raw,
    }))
}

pub(crate) async fn read_response<R: AsyncBufRead + Unpin>(
    from: &mut R,
    method: &str,
) -> io::Result<ResponseHead> {
    let raw = read_head(from).await?;
    if raw.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(&raw).map_err(malformed)?;
    let status = response.code.unwrap_or_default();
    let is_bodiless = method == "HEAD" || matches!(status, 100..=199 | 204 | 304);
    let body = if is_bodiless { Body::Absent } else { framing(response.headers)? };
    let connection = header(response.headers, "connection").unwrap_or_default();
    Ok(ResponseHead {
        body,
        closes: connection.eq_ignore_ascii_case(b"close") || response.version == Some(0),
        is_interim: matches!(status, 100..=199),
        raw,
    })
}

/// Passes a body on, framing included, to its end.
pub(crate) async fn relay_body<R, W>(body: Body, from: &mut R, to: &mut W) -> io::Result<()>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    match body {
        Body::Absent => Ok(()),
        Body::Length(length) => relay_exactly(length, from, to).await,
        Body::UntilClose => tokio::io::copy(from, to).await.map(drop),
        Body::Chunked => relay_chunks(from, to).await,
    }
}

async fn relay_exactly<R, W>(length: u64, from: &mut R, to: &mut W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let copied = tokio::io::copy(&mut from.take(length), to).await?;
    if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn relay_chunks<R, W>(from: &mut R, to: &mut W) -> io::Result<()>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let line = read_line(from).await?;
        to.write_all(&line).await?;
        let text = String::from_utf8_lossy(&line);
        let size = text.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(malformed)?;
        if size == 0 {
            break;
        }
        relay_exactly(size + 2, from, to).await?;
    }
    // Trailers, to the empty line.
    loop {
        let line = read_line(from).await?;
        to.write_all(&line).await?;
        if matches!(line.as_slice(), b"\r\n" | b"\n") {
            return Ok(());
        }
    }
}

/// Empty when the peer has closed before the first byte.
async fn read_head<R: AsyncBufRead + Unpin>(from: &mut R) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let mut limited = (&mut *from).take((HEAD_LIMIT - head.len()) as u64);
        let read = limited.read_until(b'\n', &mut head).await?;
        if read == 0 && head.is_empty() {
            return Ok(head);
        }
        if read == 0 || head.len() >= HEAD_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if head.ends_with(b"\r\n\r\n") {
            return Ok(head);
        }
    }
}

async fn read_line<R: AsyncBufRead + Unpin>(from: &mut R) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut limited = from.take(HEAD_LIMIT as u64);
    limited.read_until(b'\n', &mut line).await?;
    if line.ends_with(b"\n") { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn framing(headers: &[httparse::Header<'_>]) -> io::Result<Body> {
    if header(headers, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case(b"chunked")) {
        return Ok(Body::Chunked);
    }
    let Some(length) = header(headers, "content-length") else { return Ok(Body::UntilClose) };
    let length = std::str::from_utf8(length).ok().and_then(|length| length.trim().parse().ok());
    length.map(Body::Length).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn header<'h>(headers: &[httparse::Header<'h>], name: &str) -> Option<&'h [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn malformed(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
