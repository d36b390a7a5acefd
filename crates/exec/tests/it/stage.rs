//! A directory with a socket, the wrapper to be run beside it, and what came of that.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tempfile::TempDir;

/// A directory of a test, with a place for the socket.
pub(crate) struct Stage {
    root: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        // Other users must be able to look for the socket in it.
        let root = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir();
        let stage = Self { root: root.unwrap() };
        fs::create_dir(stage.directory()).unwrap();
        set_mode(&stage.directory(), 0o700);
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The socket's directory, 0700.
    pub(crate) fn directory(&self) -> PathBuf {
        self.path("room")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory().join("socket")
    }

    /// The wrapper, told of the socket and of nothing else, before `program`.
    pub(crate) fn wrapper(&self, program: &[&str]) -> Command {
        let mut wrapper = Command::new(binary());
        wrapper.args(program).env_clear().stdin(Stdio::null());
        wrapper.env("PATH", "/usr/bin:/bin").env("STRONGROOM_SOCKET", self.socket());
        wrapper
    }

    /// An extension at the socket that gives each who asks these bytes and hangs up.
    pub(crate) fn extension(&self, answer: impl Into<Vec<u8>>) -> Extension {
        let answer = answer.into();
        self.extension_that(move |mut stream| stream.write_all(&answer).unwrap())
    }

    /// An extension at the socket that does this with each who asks.
    pub(crate) fn extension_that(&self, serve: impl Fn(UnixStream) + Send + 'static) -> Extension {
        Extension::start(UnixListener::bind(self.socket()).unwrap(), self.socket(), serve)
    }

    /// A socket that nobody listens at any more, as a process leaves it that was killed.
    pub(crate) fn leave_a_stale_socket(&self) {
        drop(UnixListener::bind(self.socket()).unwrap());
        assert!(self.socket().exists());
    }

    /// An executable script of `sh`.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        // Written by another process: this one may fork at any time, and what is open for writing cannot be executed.
        let mut writer = Command::new("sh");
        writer.args([
            "-c",
            r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#,
            "sh",
            text,
        ]);
        assert!(writer.arg(&path).status().unwrap().success());
        path
    }
}

/// The wrapper: the one of the layer if `cargo xtask test` runs this, else the one of this build.
pub(crate) fn binary() -> PathBuf {
    let built = std::env::var_os("STRONGROOM_EXEC");
    built.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_strongroom-exec")), PathBuf::from)
}

/// A stand-in for the extension. Ends with the test.
pub(crate) struct Extension {
    requests: mpsc::Receiver<String>,
    socket: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Extension {
    fn start(
        listener: UnixListener,
        socket: PathBuf,
        serve: impl Fn(UnixStream) + Send + 'static,
    ) -> Self {
        let (asked, requests) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = head(&mut stream);
                // Nothing is asked by who only wants this to end.
                if request.is_empty() {
                    return;
                }
                asked.send(request).unwrap();
                serve(stream);
            }
        });
        Self { requests, socket, thread: Some(thread) }
    }

    /// What it was asked so far, once the askers have ended.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        drop(UnixStream::connect(&self.socket));
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

/// Reads up to the empty line that ends a request's head, or to the end.
fn head(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// An answer that sets variables.
pub(crate) fn variables(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer("200 OK", "application/octet-stream", body.as_ref())
}

/// An answer in words.
pub(crate) fn refusal(message: &str) -> Vec<u8> {
    answer("503 Service Unavailable", "text/plain; charset=utf-8", message.as_bytes())
}

/// An answer with this status, content type and body.
pub(crate) fn answer(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// What a program that succeeded wrote, and that nothing was said beside it.
#[track_caller]
pub(crate) fn quiet_output(command: &mut Command) -> Vec<u8> {
    let output = run(command);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The variables that `env -0` wrote.
pub(crate) fn listed(output: &[u8]) -> Vec<(OsString, OsString)> {
    let entries = output.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    let pairs = entries.map(|entry| {
        let at = entry.iter().position(|byte| *byte == b'=').unwrap();
        let text = |bytes| OsStr::from_bytes(bytes).to_owned();
        (text(&entry[..at]), text(&entry[at + 1..]))
    });
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort();
    pairs
}

/// Asserts that the program was not started, with this exit code, and gives the last line on standard error.
#[track_caller]
pub(crate) fn refused(command: &mut Command, code: i32) -> String {
    let output = run(command);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "the program ran");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.ends_with('\n'), "{said:?}");
    said.lines().last().unwrap().to_owned()
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Whether this test may change users; if not, says so past the harness's capture and in the report of
/// `cargo xtask test`.
pub(crate) fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let line = format!("{test}: needs root\n");
        std::io::stderr().write_all(format!("SKIPPED: {line}").as_bytes()).unwrap();
        if let Some(file) = std::env::var_os("STRONGROOM_SKIPPED") {
            let file = fs::File::options().create(true).append(true).open(file);
            file.unwrap().write_all(line.as_bytes()).unwrap();
        }
    }
    root
}
