//! What Lambda is told when the program is not started.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::{Stage, refusal, refused, run};

/// One request to the Runtime API.
struct Report {
    line: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Report {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// A Runtime API for one request.
struct RuntimeApi {
    address: SocketAddr,
    thread: JoinHandle<Report>,
}

impl RuntimeApi {
    fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(&stream);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.strip_suffix("\r\n").unwrap().to_owned();
                if line.is_empty() {
                    break;
                }
                lines.push(line);
            }
            let line = lines.remove(0);
            let headers: Vec<_> = lines
                .iter()
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let mut report = Report { line, headers, body: Value::Null };
            let mut body = vec![0; report.header("content-length").parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            report.body = serde_json::from_slice(&body).unwrap();
            (&stream).write_all(answer.as_bytes()).unwrap();
            report
        });
        Self { address, thread }
    }

    fn report(self) -> Report {
        self.thread.join().unwrap()
    }
}

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_refusal_is_reported_as_the_error_of_init() {
    let stage = Stage::new();
    let message = "A: no secret at \"kv/data/app\"\nhint: write it to C:\\x, \u{e9}\u{1}";
    let _extension = stage.extension(refusal(message));
    let lambda = RuntimeApi::start(ACCEPTED);
    let address = lambda.address.to_string();
    let mut wrapper = stage.wrapper(&["echo", "ran"]);
    let said = refused(wrapper.env("AWS_LAMBDA_RUNTIME_API", &address), 125);
    assert!(said.contains("[ERROR]"), "{said}");
    let report = lambda.report();
    assert_eq!(report.line, "POST /2018-06-01/runtime/init/error HTTP/1.1");
    assert_eq!(report.header("host"), address);
    assert_eq!(report.header("content-type"), "application/json");
    let error_type = "Runtime.StrongroomSecretUnavailable";
    assert_eq!(report.header("lambda-runtime-function-error-type"), error_type);
    let expect = json!({ "errorMessage": message, "errorType": error_type, "stackTrace": [] });
    assert_eq!(report.body, expect);
}

#[test]
fn a_program_that_is_not_there_is_reported_with_the_next_step() {
    let stage = Stage::new();
    let lambda = RuntimeApi::start(ACCEPTED);
    let address = lambda.address.to_string();
    let mut wrapper = stage.wrapper(&["/no/such/program"]);
    refused(wrapper.env("AWS_LAMBDA_RUNTIME_API", &address), 127);
    let report = lambda.report();
    assert_eq!(report.header("lambda-runtime-function-error-type"), "Runtime.StrongroomExec");
    let message = report.body["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.contains("/no/such/program cannot be executed"), "{message}");
    assert!(message.contains("; hint: check its path"), "{message}");
}

#[test]
fn log_lines_are_json_where_lambdas_are() {
    let stage = Stage::new();
    let _extension = stage.extension(refusal("A: \"no\"\nsecret"));
    let said = refused(stage.wrapper(&["true"]).env("AWS_LAMBDA_LOG_FORMAT", "JSON"), 125);
    let mut line: Value = serde_json::from_str(&said).unwrap();
    let time = line["timestamp"].take();
    assert_eq!(time.as_str().unwrap().len(), "2026-11-25T02:00:00.000Z".len());
    let expect = json!({
        "timestamp": null, "level": "ERROR", "wrapper": "strongroom/exec",
        "message": "A: \"no\"\nsecret", "error": "Runtime.StrongroomSecretUnavailable",
    });
    assert_eq!(line, expect);
}

/// That the reason for `address` not having been told stands behind the failure.
#[track_caller]
fn check_untold(address: &str, expect: &str) {
    let stage = Stage::new();
    let _extension = stage.extension(refusal("no"));
    let output = run(stage.wrapper(&["echo", "ran"]).env("AWS_LAMBDA_RUNTIME_API", address));
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 2, "{said}");
    let last = said.lines().last().unwrap();
    let begin = format!("[WARN] strongroom/exec: Lambda was not told why: {expect}");
    assert!(last.contains(&begin), "{said}");
}

#[test]
fn a_report_that_does_not_arrive_is_a_line_of_its_own() {
    let closed = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().to_string()
    };
    check_untold(&closed, "Connection refused");
    check_untold("not an address", "AWS_LAMBDA_RUNTIME_API is no IP address with a port");
    let lambda = RuntimeApi::start("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    check_untold(&lambda.address.to_string(), "init/error was answered with 403");
    lambda.report();
}

#[test]
fn a_runtime_api_that_is_silent_is_not_waited_for_longer_than_two_seconds() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (over, wait) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let (_stream, _) = listener.accept().unwrap();
        let _ = wait.recv();
    });
    let began = Instant::now();
    check_untold(&address, "timed out");
    let took = began.elapsed();
    drop(over);
    thread.join().unwrap();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(6), "{took:?}");
}
