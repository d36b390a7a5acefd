//! A running environment, as the tests see it: they ask, wait for observations, and end it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use strongroom_host::{Host, Invocation, Shutdown, Source, What};

use super::{PATIENCE, client};
use crate::beds::Answer;

/// A running environment, as the tests see it.
#[derive(Debug)]
pub struct Environment {
    /// The local Lambda.
    pub host: Host,
    pub(super) extension: String,
    pub(super) port: u16,
}

impl Environment {
    /// Runs init.
    ///
    /// # Panics
    /// If it fails; the message holds the log.
    pub async fn initialize(&self) {
        let outcome = within("init", self.host.initialize()).await;
        outcome.unwrap_or_else(|error| panic!("{error}:\n{}", self.log()));
    }

    /// Runs init, which is to fail, and returns how the extension's process ended: `exit status 3`.
    ///
    /// # Panics
    /// If it does not fail.
    pub async fn init_failure(&self) -> String {
        let outcome = within("init", self.host.initialize()).await;
        assert!(outcome.is_err(), "init went well:\n{}", self.log());
        self.exit().await
    }

    /// Waits for the extension's process to end, and says how it did.
    pub async fn exit(&self) -> String {
        let is_end =
            |what: &What| matches!(what, What::Exited { process, .. } if *process == self.source());
        match within("the extension's end", self.host.observed(is_end)).await.what {
            What::Exited { status, .. } => status,
            _ => unreachable!("nothing else was asked for"),
        }
    }

    /// Invokes the function, which reads `files` and asks for `paths` of the local Vault API.
    ///
    /// # Panics
    /// If the invocation fails.
    pub async fn invoke(&self, files: &[&str], paths: &[&str]) -> Value {
        let invocation = self.try_invoke(files, paths).await;
        assert_eq!(invocation.function_error, None, "{invocation:?}\n{}", self.log());
        serde_json::from_slice(&invocation.payload).expect("the function answers JSON")
    }

    /// Invokes the function, which looks at its variables.
    ///
    /// # Panics
    /// If the invocation fails.
    pub async fn variables(&self, names: &[&str]) -> Vec<Option<String>> {
        let event = json!({ "variables": names }).to_string();
        let invocation = within("the invocation", self.host.invoke(event)).await;
        let invocation = invocation.expect("the environment lives");
        assert_eq!(invocation.function_error, None, "{invocation:?}\n{}", self.log());
        let seen: Value = serde_json::from_slice(&invocation.payload).expect("JSON");
        let values = seen["variables"].as_array().expect("a list of values").iter();
        values.map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// A file of the environment's `/tmp`, as it is now.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn file(&self, path: &str) -> String {
        let below = path.strip_prefix("/tmp/").expect("a path below /tmp");
        let text = fs::read_to_string(self.host.tmp().join(below));
        text.unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    /// The same, whatever comes of it.
    ///
    /// # Panics
    /// If the environment has ended.
    pub async fn try_invoke(&self, files: &[&str], paths: &[&str]) -> Invocation {
        let event = json!({ "files": files, "get": paths }).to_string();
        within("the invocation", self.host.invoke(event)).await.expect("the environment lives")
    }

    /// Reads a path of the local Vault API.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// Asks the local Vault API.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<bytes::Bytes>,
    ) -> Answer {
        let asked = client::ask(self.proxy(), method, path, headers, body);
        let answer = within("an answer of the local Vault API", asked).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// Where the local Vault API is.
    pub fn proxy(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Waits for a line of the extension that holds `part`, and returns it.
    pub async fn line(&self, part: &str) -> String {
        let is_it = |what: &What| matches!(what, What::Line(line) if line.source == self.source() && line.text.contains(part));
        let found = tokio::time::timeout(PATIENCE, self.host.observed(is_it)).await;
        match found.unwrap_or_else(|_| panic!("no {part:?} in:\n{}", self.log())).what {
            What::Line(line) => line.text,
            _ => unreachable!("nothing else was asked for"),
        }
    }

    /// Everything that was printed.
    pub fn log(&self) -> String {
        let lines = self.host.logs().into_iter();
        lines.map(|line| format!("{}: {}\n", line.source, line.text)).collect()
    }

    /// Ends the environment as Lambda does.
    ///
    /// # Panics
    /// If it has ended already.
    pub async fn shut_down(&self) -> Shutdown {
        let shutdown = within("the end", self.host.shutdown("spindown")).await;
        shutdown.expect("the environment lives")
    }

    /// The extension, in the host's words.
    pub fn source(&self) -> Source {
        Source::Extension(self.extension.clone())
    }

    /// The process of the extension.
    ///
    /// # Panics
    /// If there is none.
    pub fn process(&self) -> u32 {
        let command = format!("extensions/{}\0", self.extension);
        let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
        let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let found = numbers.find(|number| {
            // Processes come and go meanwhile.
            fs::read_to_string(format!("/proc/{number}/cmdline"))
                .is_ok_and(|line| line.ends_with(&command))
        });
        found.unwrap_or_else(|| panic!("no process {command:?}"))
    }

    /// A figure of the extension's process, in KiB, such as `VmHWM`.
    ///
    /// # Panics
    /// If the kernel does not say.
    pub fn memory(&self, figure: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process()));
        let status = status.expect("the process lives");
        let line = status.lines().find(|line| line.starts_with(figure));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.unwrap_or_else(|| panic!("no {figure} in {status}"))
    }
}

/// Waits, but not for ever.
///
/// # Panics
/// If it takes longer than [`PATIENCE`].
pub async fn within<T>(what: &str, awaited: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(PATIENCE, awaited).await;
    outcome.unwrap_or_else(|_| panic!("{what} takes more than {PATIENCE:?}"))
}
