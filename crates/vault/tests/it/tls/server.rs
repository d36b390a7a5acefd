//! Servers to shake hands with: `openssl s_server`, and one that speaks no TLS.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::certificates::Certificate;

/// `openssl s_server`, which answers each request with a page; ends when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// With further arguments of `s_server`.
    pub(super) fn start(certificate: &Certificate, arguments: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .arg("-cert")
            .arg(certificate.path())
            .arg("-key")
            .arg(certificate.key())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need the openssl command");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let accepting = lines
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix("ACCEPT ").map(|address| address.parse().unwrap()));
        let address = accepting.expect("s_server says where it listens");
        Self { child, address }
    }

    /// One that sends these certificates along with its own.
    pub(super) fn with_chain(certificate: &Certificate, chain: &Path) -> Self {
        Self::start(certificate, &["-cert_chain", chain.to_str().unwrap()])
    }

    /// One that wants a client certificate of this authority.
    pub(super) fn mutual(certificate: &Certificate, client: &Certificate, version: &str) -> Self {
        let authority = client.path();
        let wants = ["-Verify", "2", "-verify_return_error", version, "-CAfile"];
        Self::start(certificate, &[&wants[..], &[authority.to_str().unwrap()]].concat())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of a server that answers one connection as an HTTP server answers what is no HTTP.
pub(super) fn plain_http() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 16]);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        // To the end, as closing with unread bytes would reset the connection.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    address
}
