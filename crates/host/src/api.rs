//! The HTTP server of the Runtime and Extensions APIs: bytes to [`Call`]s and back.
//!
//! It parses and bounds what comes in; what a call means is decided by the environment.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use strongroom_lambda_api::{extensions, runtime};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::answer::{Answer, Reply};
use crate::environment::Event;
use crate::journal::Journal;

/// The largest body of a request to the Extensions API, in bytes.
const LARGEST_EXTENSION_BODY: usize = 1024 * 1024;
/// How many connections are served at once.
const MOST_CONNECTIONS: usize = 512;

/// What a process asked for.
#[derive(Debug)]
pub(crate) enum Call {
    Credentials { token: Option<String> },
    ExtensionError { error_type: Option<String>, identifier: Uuid, when: ErrorTime },
    ExtensionNext { identifier: Uuid },
    InitError { body: Bytes, error_type: String },
    InvocationError { body: Bytes, error_type: String, request_id: String },
    InvocationResponse { mode: Option<String>, payload: Option<Bytes>, request_id: String },
    Register { body: Bytes, name: String, wants_account: bool },
    RestoreError { body: Bytes, error_type: String },
    RestoreNext,
    RuntimeNext,
}

/// When an extension reports an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ErrorTime {
    Exit,
    Init,
}

/// Serves until dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    journal: Arc<Journal>,
    events: mpsc::Sender<Event>,
) {
    let limit = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&limit).acquire_owned().await else { return };
        // Out of descriptors, for one: the next connection may have more luck.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let (journal, events) = (Arc::clone(&journal), events.clone());
        connections.spawn(async move {
            let service = service_fn(|request| {
                let (journal, events) = (Arc::clone(&journal), events.clone());
                async move { Ok::<_, Infallible>(answer(request, journal, events).await) }
            });
            // A client that breaks the connection is its own problem.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
            drop(permit);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    journal: Arc<Journal>,
    events: mpsc::Sender<Event>,
) -> Response<Full<Bytes>> {
    let (sender, answered) = oneshot::channel();
    let named = format!("{} {}", request.method(), request.uri().path());
    let extension = text(request.headers(), extensions::NAME_HEADER);
    let reply = Reply { extension, journal, request: named, sender };
    match parse(request).await {
        Ok(call) => drop(events.send(Event::Call { call, reply }).await),
        Err(answer) => reply.send(answer),
    }
    let answer = answered
        .await
        .unwrap_or_else(|_| Answer::error(500, "InternalServerError", "Internal Server Error"));
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(answer.body)).unwrap_or_else(|_| {
        // A header's value came from a caller of the function and is no header's value.
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

async fn parse(request: Request<Incoming>) -> Result<Call, Answer> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let headers = &parts.headers;
    let known = |method: Method, allowed: Method| {
        if method == allowed { Ok(()) } else { Err(Answer::empty(405)) }
    };
    let method = parts.method;
    match path {
        "/2018-06-01/ping" => Err(Answer::text(200, "pong")),
        "/2020-08-15/logs" => Err(not_supported("Logs")),
        "/2022-07-01/telemetry" => Err(not_supported("Telemetry")),
        runtime::CREDENTIALS_PATH => {
            known(method, Method::GET)?;
            Ok(Call::Credentials { token: text(headers, "authorization") })
        }
        runtime::NEXT_PATH => known(method, Method::GET).map(|()| Call::RuntimeNext),
        runtime::RESTORE_NEXT_PATH => known(method, Method::GET).map(|()| Call::RestoreNext),
        runtime::RESTORE_ERROR_PATH => {
            known(method, Method::POST)?;
            Ok(Call::RestoreError { error_type: error_type(headers), body: small(body).await? })
        }
        runtime::INIT_ERROR_PATH => {
            known(method, Method::POST)?;
            Ok(Call::InitError { error_type: error_type(headers), body: small(body).await? })
        }
        extensions::REGISTER_PATH => {
            known(method, Method::POST)?;
            let name = text(headers, extensions::NAME_HEADER).unwrap_or_default();
            if name.is_empty() {
                return Err(Answer::forbidden(
                    "Extension.InvalidExtensionName",
                    "Empty extension name",
                ));
            }
            let features = text(headers, extensions::ACCEPT_FEATURE_HEADER).unwrap_or_default();
            let wants_account = features.split(',').any(|name| name.trim() == "accountId");
            Ok(Call::Register { body: small(body).await?, name, wants_account })
        }
        extensions::NEXT_PATH => {
            known(method, Method::GET)?;
            Ok(Call::ExtensionNext { identifier: identifier(headers)? })
        }
        extensions::INIT_ERROR_PATH | extensions::EXIT_ERROR_PATH => {
            known(method, Method::POST)?;
            let when =
                if path == extensions::INIT_ERROR_PATH { ErrorTime::Init } else { ErrorTime::Exit };
            let error_type =
                text(headers, extensions::ERROR_TYPE_HEADER).filter(|value| !value.is_empty());
            Ok(Call::ExtensionError { error_type, identifier: identifier(headers)?, when })
        }
        _ => {
            let (request_id, error) = invocation(path).ok_or_else(Answer::not_found)?;
            known(method, Method::POST)?;
            if error {
                let error_type = error_type(headers);
                return Ok(Call::InvocationError {
                    body: small(body).await?,
                    error_type,
                    request_id,
                });
            }
            let mode = text(headers, runtime::RESPONSE_MODE_HEADER);
            let payload = payload(body).await?;
            Ok(Call::InvocationResponse { mode, payload, request_id })
        }
    }
}

/// The request identifier in a path, and whether an error is reported.
fn invocation(path: &str) -> Option<(String, bool)> {
    let rest = path.strip_prefix(runtime::INVOCATION_PREFIX)?;
    let (request_id, error) = match rest.strip_suffix(runtime::RESPONSE_SUFFIX) {
        Some(request_id) => (request_id, false),
        None => (rest.strip_suffix(runtime::ERROR_SUFFIX)?, true),
    };
    (!request_id.is_empty() && !request_id.contains('/')).then(|| (request_id.to_owned(), error))
}

fn identifier(headers: &HeaderMap) -> Result<Uuid, Answer> {
    let value = text(headers, extensions::IDENTIFIER_HEADER).unwrap_or_default();
    if value.is_empty() {
        return Err(Answer::forbidden(
            "Extension.MissingExtensionIdentifier",
            "Missing Lambda-Extension-Identifier header",
        ));
    }
    Uuid::parse_str(&value).map_err(|_| {
        Answer::forbidden(
            "Extension.InvalidExtensionIdentifier",
            "Invalid Lambda-Extension-Identifier",
        )
    })
}

/// As AWS's emulator answers without its Telemetry API.
fn not_supported(api: &str) -> Answer {
    let answer = Answer::error(
        202,
        &format!("{api}.NotSupported"),
        format_args!("{api} API is not supported"),
    );
    Answer { error_type: None, ..answer }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
}

/// The type of a runtime's error; Lambda keeps those it knows the shape of.
fn error_type(headers: &HeaderMap) -> String {
    let value = text(headers, runtime::ERROR_TYPE_HEADER).unwrap_or_default();
    let well_formed = ["Runtime.", "Function."].iter().any(|prefix| {
        value.match_indices(prefix).any(|(at, _)| {
            let mut rest = value[at + prefix.len()..].chars();
            rest.next().is_some_and(|first| first.is_ascii_uppercase())
                && rest.next().is_some_and(|second| second.is_ascii_alphabetic())
        })
    });
    if well_formed {
        value
    } else if value.starts_with("Function.") {
        "Function.Unknown".to_owned()
    } else {
        "Runtime.Unknown".to_owned()
    }
}

async fn small(body: Incoming) -> Result<Bytes, Answer> {
    let too_large =
        || Answer::error(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size");
    limited(body, LARGEST_EXTENSION_BODY).await?.ok_or_else(too_large)
}

/// A response's payload, `None` if it is larger than Lambda allows.
async fn payload(body: Incoming) -> Result<Option<Bytes>, Answer> {
    limited(body, runtime::MAX_PAYLOAD).await
}

async fn limited(body: Incoming, limit: usize) -> Result<Option<Bytes>, Answer> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(Some(collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(None),
        Err(_) => {
            Err(Answer::error(400, "TruncatedHTTPRequest", "HTTP request detected as truncated"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_error_is_kept_if_it_has_lambdas_shape() {
        let check = |sent: &str, kept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(runtime::ERROR_TYPE_HEADER, sent.parse().expect("a header's value"));
            assert_eq!(error_type(&headers), kept, "{sent}");
        };
        check("Runtime.StrongroomLogin", "Runtime.StrongroomLogin");
        check("Function.Probe", "Function.Probe");
        // As with AWS's emulator, whose expression is not anchored.
        check("My.Runtime.Probe2", "My.Runtime.Probe2");
        check("Runtime.P", "Runtime.Unknown");
        check("Runtime.probe", "Runtime.Unknown");
        check("Function.probe", "Function.Unknown");
        check("ValueError", "Runtime.Unknown");
        assert_eq!(error_type(&HeaderMap::new()), "Runtime.Unknown");
    }

    #[test]
    fn a_path_names_its_invocation() {
        let check = |path: &str, found: Option<(&str, bool)>| {
            let expected = found.map(|(id, error)| (id.to_owned(), error));
            assert_eq!(invocation(path), expected, "{path}");
        };
        check("/2018-06-01/runtime/invocation/a-1/response", Some(("a-1", false)));
        check("/2018-06-01/runtime/invocation/a-1/error", Some(("a-1", true)));
        check("/2018-06-01/runtime/invocation//response", None);
        check("/2018-06-01/runtime/invocation/a/b/response", None);
        check("/2018-06-01/runtime/invocation/a-1", None);
        check("/2018-06-01/elsewhere/a-1/response", None);
    }
}
