//! Which servers are trusted, against real handshakes, compared with Go's client.

mod authorities;
mod certificates;
mod go;
mod identity;
mod protocol;
mod server;
mod trust;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};
use strongroom_core::settings::{Authorities, Tls};
use strongroom_vault::tls::{self, Peer};

use certificates::{Certificate, Profile};

const NAME: &str = "vault.test";

/// What a case expects of us and of Go.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// Both connect.
    Accepted,
    /// Only Go connects, for the reason given; our error holds the words.
    AcceptedByGoOnly { words: &'static str, reason: &'static str },
    /// Neither connects; our error holds the words.
    Refused(&'static str),
}

fn trusting(path: PathBuf) -> Tls {
    Tls { authorities: Authorities::File(path), ..Tls::default() }
}

/// Connects, asks for a page and reads the first of it.
fn connect(
    config: &Arc<ClientConfig>,
    tls: &Tls,
    name: &str,
    address: SocketAddr,
) -> Result<HandshakeKind, String> {
    let name = tls.server_name.as_deref().unwrap_or(name).to_owned();
    let name = ServerName::try_from(name).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut stream);
    let result =
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").and_then(|()| stream.read_exact(&mut [0]));
    match result {
        Ok(()) => Ok(connection.handshake_kind().unwrap()),
        Err(error) => Err(tls::describe_io(&error, Peer::Vault)
            .map_or_else(|| error.to_string(), |explanation| explanation.to_string())),
    }
}

#[track_caller]
fn check_named(tls: &Tls, name: &str, address: SocketAddr, expected: Expected) {
    let config = tls::client_config_with(tls, &[]).unwrap();
    let ours = connect(&config, tls, name, address).map(drop);
    match (&ours, expected) {
        (Ok(()), Expected::Accepted) => {}
        (Err(error), Expected::Refused(words) | Expected::AcceptedByGoOnly { words, .. }) => {
            assert!(error.contains(words), "{error}")
        }
        _ => panic!("{expected:?}, but: {ours:?}"),
    }
    let name = tls.server_name.as_deref().unwrap_or(name);
    let Some(go) = go::decision(tls, name, address) else { return };
    match expected {
        Expected::Accepted => assert_eq!(go, "ok", "Go refuses"),
        Expected::AcceptedByGoOnly { reason, .. } => assert_eq!(go, "ok", "no longer: {reason}"),
        Expected::Refused(_) => assert_ne!(go, "ok", "Go accepts"),
    }
}

#[track_caller]
fn check(tls: &Tls, address: SocketAddr, expected: Expected) {
    check_named(tls, NAME, address, expected);
}

#[track_caller]
fn check_settings(tls: &Tls, words: &[&str]) {
    let error = tls::client_config(tls).expect_err("these settings are wrong");
    let text = match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    for word in words {
        assert!(text.contains(word), "{word:?} in {text:?}");
    }
}

fn chain() -> (Certificate, Certificate) {
    let authority = Certificate::self_signed(&Profile::authority("Test Root"));
    let leaf = Certificate::signed_by(&authority, &Profile::default());
    (authority, leaf)
}
