//! Asks on the extension's Unix socket, as the exec wrapper does.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{Environment, within};

/// What was answered.
#[derive(Debug)]
pub struct Given {
    /// The status.
    pub status: u16,
    /// The body, as text.
    pub text: String,
}

impl Given {
    /// The variables that were given.
    ///
    /// # Panics
    /// If none were.
    pub fn variables(&self) -> BTreeMap<&str, &str> {
        assert_eq!(self.status, 200, "{}", self.text);
        let entries = self.text.split_terminator('\0');
        entries.map(|entry| entry.split_once('=').expect("a name and a value")).collect()
    }
}

impl Environment {
    /// Where the socket lies on this machine.
    pub fn socket(&self) -> PathBuf {
        self.host.tmp().join(".strongroom/socket")
    }

    /// Asks for the variables.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn ask_for_variables(&self) -> Given {
        let answer = within("an answer on the socket", self.try_to_ask_for_variables()).await;
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    async fn try_to_ask_for_variables(&self) -> io::Result<Given> {
        let mut stream = UnixStream::connect(self.socket()).await?;
        stream.write_all(b"GET /environment HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, text) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Given { status, text: text.to_owned() })
    }
}
