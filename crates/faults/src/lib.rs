//! A TCP proxy that misbehaves on request, to stand before an HTTP server in tests and benchmarks.
//! It understands plain HTTP/1.1 well enough to choose by method and path; bytes that it is not to
//! understand, such as TLS, it passes on and can still delay, cut, reset and swallow.
//! It is not a load generator and holds no opinion about the server behind it.
//!
//! ```no_run
//! # async fn example(vault: std::net::SocketAddr) -> std::io::Result<()> {
//! use std::time::Duration;
//! use strongroom_faults::{Fault, Faults, Rule};
//!
//! let faults = Faults::start(vault).await?;
//! faults.inject(Rule::new(Fault::too_many_requests(Duration::from_secs(1))).path("/v1/kv").times(2));
//! # Ok(())
//! # }
//! ```

mod connection;
mod message;
mod plan;
mod rule;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

use self::plan::{Command, Plan};
pub use self::plan::{RuleId, Seen};
pub use self::rule::{ConnectionFault, Fault, Rule};

/// The proxy. Dropped, it closes its port and every connection.
#[derive(Debug)]
pub struct Faults {
    address: SocketAddr,
    /// The connections, which outlive the listener when it refuses new ones.
    connections: Arc<Mutex<JoinSet<()>>>,
    plan: Arc<Plan>,
    port: Port,
}

/// How much the proxy understands of what passes through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// Nothing: for TLS. Only [`ConnectionFault`]s apply.
    Bytes,
    /// HTTP/1.1 without TLS.
    Http,
}

#[derive(Debug)]
enum Port {
    Listening(JoinHandle<()>),
    /// Bound, so that nobody else takes it, but not listening: connections are refused.
    /// Nothing is held if the binding failed.
    Refusing(Option<TcpSocket>),
}

impl Faults {
    /// Stands before a plain HTTP server, on a free port of loopback.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), target, Protocol::Http).await
    }

    /// Stands before a server of which it is to understand nothing, on a free port of loopback.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn start_opaque(target: SocketAddr) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), target, Protocol::Bytes).await
    }

    /// Stands at an address of the caller's choice.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start_at(
        listen: SocketAddr,
        target: SocketAddr,
        protocol: Protocol,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let plan = Arc::new(Plan::new(target, protocol));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&connections), Arc::clone(&plan)));
        Ok(Self { address, connections, plan, port: Port::Listening(accepting) })
    }

    /// Where clients are to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients of plain HTTP are to connect.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends connections that begin from now on to another server.
    pub fn set_target(&self, target: SocketAddr) {
        self.plan.set_target(target);
    }

    /// Adds a rule. For each request the first rule that matches and is not used up applies.
    pub fn inject(&self, rule: Rule) -> RuleId {
        self.plan.inject(rule)
    }

    /// Lets the next `times` connections suffer a fault, whatever they carry.
    pub fn inject_on_connections(&self, fault: ConnectionFault, times: usize) {
        self.plan.inject_on_connections(fault, times);
    }

    /// How many requests have met this rule; none any more once it is taken away.
    pub fn met(&self, rule: RuleId) -> usize {
        self.plan.met(rule)
    }

    /// Takes one rule away.
    pub fn remove(&self, rule: RuleId) {
        self.plan.remove(rule);
    }

    /// Behaves from now on: no rules, no faults for connections to come, no dead tokens.
    /// Connections that have gone silent stay so.
    pub fn clear(&self) {
        self.plan.clear();
    }

    /// Lets every token die that has passed through: requests that carry one are answered as
    /// Vault answers a revoked token, logins excepted. A token first seen later lives.
    pub fn kill_tokens(&self) {
        self.plan.kill_tokens();
    }

    /// Resets the connections that are open.
    pub fn reset_open_connections(&self) {
        self.plan.command(Command::Reset);
    }

    /// Swallows from now on whatever arrives on the connections that are open, and keeps them
    /// open without a word, as a NAT does that has forgotten them. New connections work.
    pub fn silence_open_connections(&self) {
        self.plan.command(Command::Silence);
    }

    /// Refuses new connections; open ones stay.
    ///
    /// # Errors
    /// The port cannot be kept.
    pub async fn refuse(&mut self) -> io::Result<()> {
        let Port::Listening(accepting) = &mut self.port else { return Ok(()) };
        accepting.abort();
        // The listener is closed when its task is gone.
        let _cancelled = accepting.await;
        self.port = Port::Refusing(None);
        self.port = Port::Refusing(Some(bound(self.address)?));
        Ok(())
    }

    /// Undoes [`Faults::refuse`], on the same port.
    ///
    /// # Errors
    /// The port cannot be listened on.
    pub async fn listen_again(&mut self) -> io::Result<()> {
        let Port::Refusing(socket) = &mut self.port else { return Ok(()) };
        let socket = match socket.take() {
            Some(socket) => socket,
            None => bound(self.address)?,
        };
        let listener = socket.listen(1024)?;
        let connections = Arc::clone(&self.connections);
        let accepting = tokio::spawn(accept(listener, connections, Arc::clone(&self.plan)));
        self.port = Port::Listening(accepting);
        Ok(())
    }

    /// How many connections have been accepted so far.
    pub fn connections(&self) -> usize {
        self.plan.accepted()
    }

    /// How many connections are open, silent ones included.
    pub fn open_connections(&self) -> usize {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while connections.try_join_next().is_some() {}
        connections.len()
    }

    /// The requests seen so far, in the order in which their heads had been read.
    pub fn requests(&self) -> Vec<Seen> {
        self.plan.seen()
    }

    /// Returns when `count` requests have been seen, or with `false` when `patience` is over.
    pub async fn wait_for_requests(&self, count: usize, patience: Duration) -> bool {
        self.plan.wait_for_requests(count, patience).await
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        if let Port::Listening(accepting) = &self.port {
            accepting.abort();
        }
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, connections: Arc<Mutex<JoinSet<()>>>, plan: Arc<Plan>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of descriptors, or a peer already gone.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Subscribed before the next accept, so that a command reaches every accepted connection.
        let serving = connection::serve(client, Arc::clone(&plan), plan.admit());
        let mut open = connections.lock().unwrap_or_else(PoisonError::into_inner);
        while open.try_join_next().is_some() {}
        open.spawn(serving);
    }
}
