//! The function of the chaos, as a `provided` runtime: in each invocation it looks at its variables and files, asks the
//! local Vault API, and answers with what it saw. It judges nothing.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};

use strongroom_chaos::{Answer, Exchange, Micros, Questions, Report, Write, now};
use ureq::Agent;

fn main() {
    let started = now();
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("Lambda says where it is");
    let port = std::env::var("STRONGROOM_PROXY_PORT").expect("the port is set");
    let proxy = Proxy { port: port.parse().expect("a port is a number") };
    let invocations = format!("http://{api}/2018-06-01/runtime/invocation");
    let lambda = agent();
    loop {
        let mut next =
            lambda.get(format!("{invocations}/next")).call().expect("the next invocation");
        let request = next.headers().get("lambda-runtime-aws-request-id");
        let request = request.and_then(|value| value.to_str().ok()).expect("it has an identifier");
        let response = format!("{invocations}/{request}/response");
        let event = next.body_mut().read_to_string().expect("an event is text");
        let questions = serde_json::from_str(&event).expect("an event is a list of questions");
        let report = look(started, &proxy, &questions);
        let report = serde_json::to_string(&report).expect("a report can be written");
        lambda.post(response).send(report).expect("Lambda takes the answer");
    }
}

fn look(started: Micros, proxy: &Proxy, questions: &Questions) -> Report {
    for _ in 0..questions.hang_ups {
        proxy.hang_up(&questions.secret);
    }
    let read = |path: &String| fs::read_to_string(path).map_err(|error| error.to_string());
    let mut report = Report {
        started,
        files: questions.files.iter().map(read).collect(),
        variables: questions.variables.iter().map(|name| std::env::var(name).ok()).collect(),
        read: proxy.read(&questions.secret, "nocache"),
        cached: None,
        crowd: Vec::new(),
        written: None,
    };
    if report.read.is_late() {
        return report;
    }
    let cached = report.cached.insert(proxy.read(&questions.secret, "cache"));
    if cached.is_late() {
        return report;
    }
    report.crowd = std::thread::scope(|scope| {
        let ask = || proxy.read(&questions.secret, "nocache");
        let crowd: Vec<_> = (0..questions.crowd).map(|_| scope.spawn(ask)).collect();
        crowd.into_iter().map(|one| one.join().expect("who asks does not panic")).collect()
    });
    if report.crowd.iter().any(Exchange::is_late) {
        return report;
    }
    report.written = questions.write.as_ref().map(|write| {
        let written = proxy.write(write);
        let read = (!written.is_late()).then(|| proxy.read(&write.path, "nocache"));
        (written, read)
    });
    report
}

/// The local Vault API.
struct Proxy {
    port: u16,
}

impl Proxy {
    fn url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", Ipv4Addr::LOCALHOST, self.port)
    }

    fn read(&self, path: &str, cache: &str) -> Exchange {
        let request = agent().get(self.url(path)).header("x-vault-cache-control", cache);
        exchange(|| request.call())
    }

    fn write(&self, write: &Write) -> Exchange {
        let body = serde_json::json!({ "data": { "value": write.value } }).to_string();
        exchange(|| agent().post(self.url(&write.path)).send(body))
    }

    /// Asks and goes away.
    fn hang_up(&self, path: &str) {
        if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            // Who hangs up does not care.
            let _sent = stream.write_all(request.as_bytes());
        }
    }
}

fn exchange(
    send: impl FnOnce() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Exchange {
    let begun = now();
    let answer = send().and_then(|mut answer| {
        Ok(Answer {
            status: answer.status().as_u16(),
            is_stale: answer.headers().contains_key("warning"),
            body: answer.body_mut().read_to_string()?,
        })
    });
    Exchange { begun, ended: now(), answer: answer.map_err(|error| error.to_string()) }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent()
}
