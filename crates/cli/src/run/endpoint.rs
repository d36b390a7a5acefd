//! The part of Lambda's own API that invokes a function, for AWS's command line and SDKs.
//!
//! One environment serves everybody, an event at a time, because what its extensions listen on is the machine's
//! loopback: a second one would find the port of the local Vault API taken. Who comes meanwhile waits, up to a bound.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

mod call;
mod log_tail;
mod refusal;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use self::call::{Call, Kind, Tail};
use self::refusal::Refusal;
use super::console;
use super::environment::{Environments, Outcome};
use super::plan::Plan;

/// An event's, in bytes: the caller waits for the answer.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub(super) const LARGEST_EVENT: usize = 6 * 1024 * 1024;
/// The same if the caller does not wait.
const LARGEST_ASYNCHRONOUS: usize = 1024 * 1024;

/// A call that waits for the environment.
struct Job {
    call: Call,
    /// Nobody listens if the caller does not wait.
    reply: oneshot::Sender<Result<Outcome, String>>,
}

/// Serves until it is dropped.
///
/// # Errors
/// The address cannot be listened on, or standard output is closed.
pub(super) async fn serve(
    address: SocketAddr,
    plan: &Plan<'_>,
    environments: &mut Environments<'_>,
) -> Result<ExitCode> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr().context("cannot tell where it listens")?;
    let console = environments.console();
    if !address.ip().is_loopback() {
        console.say("whoever reaches this address can run the function, with its credentials");
    }
    let name = plan.name().unwrap_or("function");
    console.say(&format!(
        "serving: aws lambda invoke --endpoint-url http://{address} --function-name {name} out.json"
    ));
    let (jobs, queue) = mpsc::channel(MOST_WAITING);
    let desk = Desk { jobs, name: plan.name().map(str::to_owned) };
    tokio::select! {
        ended = work(queue, environments) => ended,
        () = accept(listener, Arc::new(desk)) => Ok(ExitCode::SUCCESS),
    }
}

/// Runs one event after the other.
async fn work(
    mut queue: mpsc::Receiver<Job>,
    environments: &mut Environments<'_>,
) -> Result<ExitCode> {
    while let Some(Job { call, reply }) = queue.recv().await {
        match environments.invoke(call.request).await {
            Ok(outcome) => {
                environments.console().served(&outcome)?;
                let _gone = reply.send(Ok(outcome));
            }
            Err(error) => {
                let error = format!("{error:#}");
                console::error(&error);
                let _gone = reply.send(Err(error));
            }
        }
        if queue.is_empty() {
            environments.freeze().await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    let limit = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&limit).acquire_owned().await else { return };
        // Out of descriptors, for one: the next connection may have more luck.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let desk = Arc::clone(&desk);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(desk.answer(request).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER_PATIENCE);
            // A client that breaks the connection is its own problem.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
            drop(permit);
        });
    }
}

/// Where calls come in.
#[derive(Debug)]
struct Desk {
    jobs: mpsc::Sender<Job>,
    /// The one name that it answers to; without it, it answers to all.
    name: Option<String>,
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.take(request).await.unwrap_or_else(Refusal::into_response)
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refusal> {
        let (head, body) = request.into_parts();
        let mut call = Call::parse(&head, self.name.as_deref())?;
        let limit = match call.kind {
            Kind::Event => LARGEST_ASYNCHRONOUS,
            Kind::DryRun | Kind::RequestResponse => LARGEST_EVENT,
        };
        let body = tokio::time::timeout(BODY_PATIENCE, Limited::new(body, limit).collect()).await;
        let body = match body {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(Refusal::too_large(limit));
            }
            Ok(Err(_)) | Err(_) => return Err(Refusal::content("the event did not arrive")),
        };
        call.add(body)?;
        let (kind, tail, id) = (call.kind, call.tail, call.id());
        if kind == Kind::DryRun {
            return Ok(response(StatusCode::NO_CONTENT, &id, Bytes::new()));
        }
        let (reply, answered) = oneshot::channel();
        self.jobs.try_send(Job { call, reply }).map_err(|_| Refusal::busy(MOST_WAITING))?;
        if kind == Kind::Event {
            return Ok(response(StatusCode::ACCEPTED, &id, Bytes::new()));
        }
        let outcome = answered.await.unwrap_or_else(|_| Err("the endpoint ends".to_owned()));
        let outcome = outcome.map_err(|error| Refusal::service(&error))?;
        Ok(answered_with(&outcome, &id, tail))
    }
}

fn answered_with(outcome: &Outcome, id: &str, tail: Tail) -> Response<Full<Bytes>> {
    let mut response = response(StatusCode::OK, id, outcome.invocation.payload.clone());
    let headers = response.headers_mut();
    headers.insert("x-amz-executed-version", http::HeaderValue::from_static("$LATEST"));
    if outcome.invocation.function_error.is_some() {
        // Whichever way it failed, as with today's runtimes.
        headers.insert("x-amz-function-error", http::HeaderValue::from_static("Unhandled"));
    }
    if tail == Tail::Wanted
        && let Ok(log) = STANDARD.encode(log_tail::of(outcome)).parse()
    {
        headers.insert("x-amz-log-result", log);
    }
    response
}

fn response(status: StatusCode, id: &str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    if let Ok(id) = id.parse() {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// Calls that wait while another is served.
const MOST_WAITING: usize = 64;
const MOST_CONNECTIONS: usize = 256;
/// For a request's head to arrive.
const HEADER_PATIENCE: Duration = Duration::from_secs(30);
/// For an event to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
