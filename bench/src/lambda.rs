//! The Extensions API, as much of it as one extension needs, with the time of each call.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use strongroom_lambda_api::extensions as api;

/// The API for one extension.
pub(crate) struct Lambda {
    pub(crate) address: SocketAddr,
    calls: Receiver<(Call, Instant)>,
    events: Sender<String>,
}

/// A call of the extension.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    Next,
    Register,
}

impl Lambda {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (call, calls) = channel();
        let (events, event) = channel();
        std::thread::spawn(move || {
            // One connection after another; the extension uses one at a time.
            while let Ok((stream, _)) = listener.accept() {
                if serve(&stream, &call, &event).is_err() {
                    return;
                }
            }
        });
        Ok(Self { address, calls, events })
    }

    /// When the extension makes this call, which must be its next.
    pub(crate) fn wait(&self, expect: Call) -> Result<Instant> {
        let (call, time) =
            self.calls.recv_timeout(PATIENCE).context("the extension does not call")?;
        if call != expect {
            bail!("{call:?} instead of {expect:?}");
        }
        Ok(time)
    }

    /// Answers `event/next`; returns when the event was handed over.
    pub(crate) fn send(&self, event: &api::Event) -> Result<Instant> {
        let event = serde_json::to_string(event)?;
        let now = Instant::now();
        self.events.send(event).context("the extension is gone")?;
        Ok(now)
    }
}

fn serve(
    stream: &TcpStream,
    calls: &Sender<(Call, Instant)>,
    events: &Receiver<String>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let (call, body) = if line.contains(api::REGISTER_PATH) {
            calls.send((Call::Register, now))?;
            (
                Call::Register,
                r#"{"functionName":"f","functionVersion":"$LATEST","handler":"h"}"#.to_owned(),
            )
        } else {
            calls.send((Call::Next, now))?;
            (Call::Next, events.recv()?)
        };
        let identifier =
            if call == Call::Register { "Lambda-Extension-Identifier: 8a3f1e0c\r\n" } else { "" };
        let answer =
            format!("HTTP/1.1 200 OK\r\n{identifier}Content-Length: {}\r\n\r\n{body}", body.len());
        (&mut &*stream).write_all(answer.as_bytes())?;
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
