//! Each fault, as a client sees it that speaks to the proxy in bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use strongroom_faults::{ConnectionFault, Fault, Faults, Rule};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Long enough for any answer that is to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Short, for what is never to come.
const MOMENT: Duration = Duration::from_millis(200);

const BODY: &str = "0123456789";

/// A server that answers every request with ten bytes, or sends a chunked body back.
struct Upstream {
    address: SocketAddr,
    answered: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

async fn upstream() -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&answered);
    let mut running = JoinSet::new();
    running.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(answer_all(stream, Arc::clone(&counter)));
        }
    });
    Upstream { address, answered, _running: running }
}

async fn answer_all(stream: TcpStream, answered: Arc<AtomicUsize>) {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    while let Some((head, body)) = read_message(&mut from).await {
        answered.fetch_add(1, Ordering::SeqCst);
        let echo = if body.is_empty() { BODY.to_owned() } else { body };
        let answer = if head.contains("/chunked") {
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{echo}\r\n0\r\n\r\n",
                echo.len()
            )
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{echo}", echo.len())
        };
        if to.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A head and the body behind it, its chunks joined; `None` at the end.
async fn read_message(from: &mut (impl AsyncBufReadExt + Unpin)) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let mut body = Vec::new();
    if lower.contains("transfer-encoding: chunked") {
        loop {
            let mut line = String::new();
            from.read_line(&mut line).await.ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            from.read_exact(&mut chunk).await.ok()?;
            body.extend(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else if let Some((_, rest)) = lower.split_once("content-length: ") {
        body = vec![0; rest.lines().next()?.trim().parse().ok()?];
        from.read_exact(&mut body).await.ok()?;
    }
    Some((head, String::from_utf8(body).ok()?))
}

/// A client that keeps its connection.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    async fn send(&mut self, request: &str) {
        self.0.get_mut().write_all(request.as_bytes()).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> Option<(String, String)> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        tokio::time::timeout(PATIENCE, read_message(&mut self.0)).await.unwrap()
    }

    async fn get_with_token(&mut self, path: &str, token: &str) -> (String, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nX-Vault-Token: {token}\r\n\r\n")).await;
        tokio::time::timeout(PATIENCE, read_message(&mut self.0)).await.unwrap().unwrap()
    }

    /// Everything up to the end, and how it ended.
    async fn rest(&mut self) -> (String, Option<ErrorKind>) {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.unwrap();
        (String::from_utf8(rest).unwrap(), read.err().map(|error| error.kind()))
    }

    async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(MOMENT, self.0.fill_buf()).await.is_err()
    }
}

fn status(answer: &Option<(String, String)>) -> &str {
    answer.as_ref().unwrap().0.split(' ').nth(1).unwrap()
}

async fn started() -> (Upstream, Faults, Client) {
    let upstream = upstream().await;
    let faults = Faults::start(upstream.address).await.unwrap();
    let client = Client::connect(faults.address()).await;
    (upstream, faults, client)
}

#[tokio::test]
async fn without_rules_everything_passes_and_is_counted() {
    let (upstream, faults, mut client) = started().await;
    assert_eq!(client.get("/v1/a?b=c").await.unwrap().1, BODY);
    client.send("POST /chunked HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n").await;
    // The upstream cannot read a chunk extension: it must have arrived as it was.
    assert!(read_message(&mut client.0).await.is_none());
    let mut client = Client::connect(faults.address()).await;
    client.send("POST /chunked HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").await;
    assert_eq!(read_message(&mut client.0).await.unwrap().1, "abcdefg");
    client.send("PUT /x HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc").await;
    assert_eq!(read_message(&mut client.0).await.unwrap().1, "abc");
    let seen: Vec<_> =
        faults.requests().into_iter().map(|s| (s.connection, s.method, s.path)).collect();
    let expected =
        [(1, "GET", "/v1/a"), (1, "POST", "/chunked"), (2, "POST", "/chunked"), (2, "PUT", "/x")];
    assert_eq!(seen, expected.map(|(c, m, p)| (c, m.to_owned(), p.to_owned())));
    assert_eq!((faults.connections(), upstream.answered.load(Ordering::SeqCst)), (2, 3));
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let (_upstream, faults, mut client) = started().await;
    faults.inject(Rule::latency(Duration::from_millis(150)).times(1));
    let begun = Instant::now();
    assert_eq!(status(&client.get("/").await), "200");
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn answers_of_its_own_never_reach_the_server() {
    let (upstream, faults, mut client) = started().await;
    for (fault, code, error) in [
        (Fault::too_many_requests(Duration::from_secs(7)), "429", "quota exceeded"),
        (Fault::precondition_failed(), "412", "index state"),
        (Fault::unavailable(), "503", "Vault is sealed"),
        (Fault::dead_token(), "403", r"\t* permission denied\n\t* invalid token\n"),
    ] {
        faults.inject(Rule::new(fault.clone()).times(1));
        client.send("POST /v1/x HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc").await;
        let answer = read_message(&mut client.0).await;
        assert_eq!(status(&answer), code);
        let (head, body) = answer.unwrap();
        assert!(body.starts_with("{\"errors\":[\"") && body.contains(error), "{body}");
        assert_eq!(head.contains("Retry-After: 7\r\n"), code == "429");
        assert_eq!(faults.requests().pop().unwrap().fault, Some(fault));
    }
    assert_eq!(upstream.answered.load(Ordering::SeqCst), 0);
    assert_eq!(status(&client.get("/").await), "200");
}

#[tokio::test]
async fn rules_choose_by_method_path_and_count() {
    let (_upstream, faults, mut client) = started().await;
    let rule = Rule::new(Fault::unavailable()).method("GET").path("/v1/kv/").after(1).times(2);
    let id = faults.inject(rule);
    faults.inject(Rule::new(Fault::precondition_failed()).path("/v1/other"));
    let mut codes = Vec::new();
    for path in ["/v1/kv/a", "/v1/kv/a", "/v1/sys", "/v1/other", "/v1/kv/b", "/v1/kv/c"] {
        codes.push(status(&client.get(path).await).to_owned());
    }
    assert_eq!(codes, ["200", "503", "200", "412", "503", "200"]);
    faults.remove(id);
    faults.clear();
    assert_eq!(status(&client.get("/v1/other").await), "200");
}

#[tokio::test]
async fn a_rule_counts_the_requests_that_met_it() {
    let (_upstream, faults, mut client) = started().await;
    let spared = faults.inject(Rule::new(Fault::unavailable()).path("/other"));
    let met = faults.inject(Rule::new(Fault::unavailable()).times(2));
    for _ in 0..3 {
        client.get("/a").await;
    }
    assert_eq!((faults.met(spared), faults.met(met)), (0, 2));
    faults.clear();
    assert_eq!(faults.met(met), 0);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let (upstream, faults, mut client) = started().await;
    faults.inject(Rule::new(Fault::Reset).times(1));
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.rest().await, (String::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(upstream.answered.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn half_an_answer_breaks_off_in_the_body() {
    let (upstream, faults, mut client) = started().await;
    faults.inject(Rule::new(Fault::HalfAnswer).times(1));
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    let (rest, error) = client.rest().await;
    assert_eq!(
        (rest.as_str(), error),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", None)
    );
    assert_eq!(upstream.answered.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn silence_leaves_the_connection_open() {
    let (_upstream, faults, mut client) = started().await;
    faults.inject(Rule::new(Fault::Silence).times(1));
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    assert!(faults.wait_for_requests(1, PATIENCE).await);
    assert!(!faults.wait_for_requests(2, MOMENT).await);
    assert!(client.is_silent().await);
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    assert!(client.is_silent().await);
    assert_eq!(faults.open_connections(), 1);
    let mut other = Client::connect(faults.address()).await;
    assert_eq!(status(&other.get("/").await), "200");
    faults.reset_open_connections();
    assert_eq!(client.rest().await.1, Some(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn open_connections_are_forgotten_and_new_ones_work() {
    let (_upstream, faults, mut client) = started().await;
    assert_eq!(status(&client.get("/").await), "200");
    faults.silence_open_connections();
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    assert!(client.is_silent().await);
    let mut other = Client::connect(faults.address()).await;
    assert_eq!(status(&other.get("/").await), "200");
    assert_eq!((faults.connections(), faults.open_connections()), (2, 2));
    assert_eq!(faults.requests().len(), 2);
}

#[tokio::test]
async fn refused_then_back_on_the_same_port() {
    let (_upstream, mut faults, mut client) = started().await;
    assert_eq!(status(&client.get("/").await), "200");
    faults.refuse().await.unwrap();
    let refused = TcpStream::connect(faults.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(status(&client.get("/").await), "200");
    faults.reset_open_connections();
    assert_eq!(client.rest().await.1, Some(ErrorKind::ConnectionReset));
    faults.listen_again().await.unwrap();
    let mut client = Client::connect(faults.address()).await;
    assert_eq!(status(&client.get("/").await), "200");
}

#[tokio::test]
async fn tokens_seen_so_far_die_and_later_ones_live() {
    let (_upstream, faults, mut client) = started().await;
    assert!(client.get_with_token("/v1/a", "one").await.0.contains("200"));
    faults.kill_tokens();
    let (head, body) = client.get_with_token("/v1/a", "one").await;
    assert!(head.contains("403") && body.contains("invalid token"));
    assert!(client.get_with_token("/v1/auth/aws/login", "one").await.0.contains("200"));
    assert!(client.get_with_token("/v1/a", "two").await.0.contains("200"));
    assert!(client.get_with_token("/v1/a", "one").await.0.contains("403"));
    assert_eq!(status(&client.get("/v1/a").await), "200");
    faults.clear();
    assert!(client.get_with_token("/v1/a", "one").await.0.contains("200"));
    assert!(!format!("{faults:?}").contains("\"one\""));
}

#[tokio::test]
async fn a_server_that_goes_takes_its_connections_along() {
    let (upstream, faults, mut client) = started().await;
    assert_eq!(status(&client.get("/").await), "200");
    drop(upstream);
    assert_eq!(client.rest().await, (String::new(), None));
    let mut client = Client::connect(faults.address()).await;
    assert_eq!(client.rest().await, (String::new(), None));
    let again = self::upstream().await;
    faults.set_target(again.address);
    let mut client = Client::connect(faults.address()).await;
    assert_eq!(status(&client.get("/").await), "200");
}

#[tokio::test]
async fn connections_suffer_whatever_they_carry() {
    let upstream = upstream().await;
    let faults = Faults::start_opaque(upstream.address).await.unwrap();
    let begin = async || {
        let mut client = Client::connect(faults.address()).await;
        client.send("GET / HTTP/1.1\r\n\r\n").await;
        client
    };
    faults.inject_on_connections(ConnectionFault::Reset, 1);
    assert_eq!(begin().await.rest().await.1, Some(ErrorKind::ConnectionReset));
    faults.inject_on_connections(ConnectionFault::CutAfter(8), 1);
    assert_eq!(begin().await.rest().await, ("HTTP/1.1".to_owned(), None));
    faults.inject_on_connections(ConnectionFault::Silence, 1);
    let mut silent = begin().await;
    assert!(silent.is_silent().await);
    faults.inject_on_connections(ConnectionFault::Delay(Duration::from_millis(150)), 1);
    let begun = Instant::now();
    assert_eq!(status(&begin().await.get("/").await), "200");
    assert!(begun.elapsed() >= Duration::from_millis(150));
    let mut client = begin().await;
    assert_eq!(read_message(&mut client.0).await.unwrap().1, BODY);
    faults.silence_open_connections();
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    assert!(client.is_silent().await);
    assert_eq!(faults.requests(), []);
}
