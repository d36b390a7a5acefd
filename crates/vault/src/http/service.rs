//! Asks the name servers of `/etc/resolv.conf` for an SRV record.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::UdpSocket;

use crate::srv;

/// Target and port of the service `_http._tcp.<host>`, chosen by priority and weight.
pub(super) async fn lookup(host: &str) -> io::Result<(String, u16)> {
    let servers = srv::name_servers(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default());
    let mut last = io::Error::other("there is no name server in /etc/resolv.conf");
    for server in servers.iter().cycle().take(servers.len() * TRIES) {
        match tokio::time::timeout(PATIENCE, ask(host, *server)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => last = error,
            Err(_) => {
                last = io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("name server {server} is silent"),
                )
            }
        }
    }
    Err(last)
}

async fn ask(host: &str, server: SocketAddr) -> io::Result<(String, u16)> {
    let local: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    let id = random() as u16;
    socket.send(&srv::query(id, host).map_err(io::Error::other)?).await?;
    let mut buffer = vec![0; usize::from(srv::LARGEST_ANSWER)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let mut records = match srv::parse(id, host, &buffer[..length]) {
            Ok(records) => records,
            Err(srv::Error::Foreign) => continue,
            Err(error) => return Err(io::Error::other(error)),
        };
        srv::order(&mut records, &mut |below| random() % below.max(1));
        let first =
            records.into_iter().next().ok_or_else(|| io::Error::other(srv::Error::NoRecord))?;
        return Ok((first.target, first.port));
    }
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without chance the query's number can be guessed and the first record is taken.
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

const PATIENCE: Duration = Duration::from_secs(2);
const RESOLV_CONF: &str = "/etc/resolv.conf";
const TRIES: usize = 2;
