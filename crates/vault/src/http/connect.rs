//! Opens connections: name, TCP or Unix socket, forward proxy, TLS, HTTP/1.1.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{HeaderValue, PROXY_AUTHORIZATION};
use http::{Request, Uri};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use strongroom_core::address::{Address, Origin, Scheme};
use strongroom_core::settings::Tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::body::RequestBody;
use super::pool::Answer;
use super::service;
use super::stage::{Progress, Stage};
use crate::error::Error;
use crate::forward::{self, Forward};
use crate::task;
use crate::tls::{self, Peer};

/// Where to connect to, and how the host names itself there.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address.
    pub address: Address,
    /// Name to verify in the certificate instead of the address's host.
    pub server_name: Option<String>,
    /// Whether an SRV record says where the host is.
    pub srv_lookup: bool,
    /// Which forward proxy leads there.
    pub forward_proxy: ForwardProxy,
}

/// Which forward proxy leads to a target.
#[derive(Clone, Debug)]
pub enum ForwardProxy {
    /// The one that `HTTP_PROXY` and its companions name, if any.
    Environment,
    /// This one, whatever the environment says.
    Fixed(Origin),
    /// None: what is sent there is for this machine alone.
    None,
}

/// Opens connections.
pub struct Connector {
    tls: Tls,
    peer: Peer,
    config: OnceLock<Arc<rustls::ClientConfig>>,
    forward: Forward,
    progress: Progress,
    #[cfg(feature = "simulation")]
    network: Option<crate::simulation::Network>,
}

impl Connector {
    /// A connector that trusts what `tls` says. Nothing is read before the first TLS connection.
    #[must_use]
    pub fn new(tls: Tls, peer: Peer, forward: Forward, progress: Progress) -> Self {
        Self {
            tls,
            peer,
            config: OnceLock::new(),
            forward,
            progress,
            #[cfg(feature = "simulation")]
            network: None,
        }
    }

    /// The same, but every connection is one of `network`.
    #[cfg(feature = "simulation")]
    #[must_use]
    pub fn over(self, network: crate::simulation::Network) -> Self {
        Self { network: Some(network), ..self }
    }

    /// What the connector is waiting for.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Reads certificates and keys now rather than at the first connection.
    ///
    /// # Errors
    /// [`Error::TlsSettings`] naming the variable and the file.
    pub fn load(&self) -> Result<(), Error> {
        self.config().map(drop)
    }

    pub(super) async fn connect(&self, target: &Target) -> Result<Connection, Error> {
        #[cfg(feature = "simulation")]
        if let Some(network) = &self.network {
            return Connection::open(Box::new(network.connect().await), None).await;
        }
        match &target.address {
            Address::Unix(path) => {
                self.progress.enter(Stage::Unix(path.clone()));
                let stream = UnixStream::connect(path).await;
                let stream = stream
                    .map_err(|source| Error::Connect { to: format!("unix://{path}"), source })?;
                Connection::open(Box::new(stream), None).await
            }
            Address::Tcp(origin) => self.connect_tcp(origin, target).await,
        }
    }

    async fn connect_tcp(&self, origin: &Origin, target: &Target) -> Result<Connection, Error> {
        let proxy = match &target.forward_proxy {
            ForwardProxy::Environment => self.forward.proxy_for(origin).transpose(),
            ForwardProxy::Fixed(proxy) => Ok(Some(proxy.clone())),
            ForwardProxy::None => Ok(None),
        };
        let proxy = proxy.map_err(Error::ForwardProxy)?;
        let server_name = target.server_name.as_deref().unwrap_or(&origin.host);
        let Some(proxy) = proxy else {
            let stream = self.open_tcp(&origin.host, origin, target.srv_lookup).await?;
            return match origin.scheme {
                Scheme::Http => Connection::open(Box::new(stream), None).await,
                Scheme::Https => {
                    Connection::open(self.encrypt(Box::new(stream), server_name).await?, None).await
                }
            };
        };
        let stream: Stream = Box::new(self.open_tcp(&proxy.host, &proxy, false).await?);
        let mut stream = match proxy.scheme {
            Scheme::Http => stream,
            Scheme::Https => self.encrypt(stream, &proxy.host).await?,
        };
        let authorization = forward::authorization(&proxy);
        match origin.scheme {
            Scheme::Http => {
                Connection::open(
                    stream,
                    Some(AbsoluteForm { authority: origin.authority(), authorization }),
                )
                .await
            }
            Scheme::Https => {
                self.progress.enter(Stage::Tunnel(proxy.to_string()));
                open_tunnel(&mut stream, origin, &proxy, authorization).await?;
                Connection::open(self.encrypt(stream, server_name).await?, None).await
            }
        }
    }

    async fn open_tcp(
        &self,
        host: &str,
        origin: &Origin,
        srv_lookup: bool,
    ) -> Result<TcpStream, Error> {
        let addresses = self.resolve(host, origin, srv_lookup).await?;
        let mut last = None;
        for (index, address) in addresses.iter().enumerate() {
            self.progress.enter(Stage::Tcp(host.to_owned(), *address));
            let connecting = TcpStream::connect(address);
            // With further addresses to try, a silent one must not use up the whole deadline.
            let connected = if index + 1 < addresses.len() {
                tokio::time::timeout(NEXT_ADDRESS_AFTER, connecting)
                    .await
                    .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            } else {
                connecting.await
            };
            match connected {
                Ok(stream) => {
                    // Requests are small and each waits for its answer.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(source) => last = Some(Error::Connect { to: address.to_string(), source }),
            }
        }
        Err(last.unwrap_or_else(|| Error::Resolve {
            host: host.to_owned(),
            source: std::io::Error::other("the name has no address"),
        }))
    }

    async fn resolve(
        &self,
        host: &str,
        origin: &Origin,
        srv_lookup: bool,
    ) -> Result<Vec<SocketAddr>, Error> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, origin.port())]);
        }
        self.progress.enter(Stage::Name(host.to_owned()));
        let (name, port) = if srv_lookup && origin.explicit_port.is_none() {
            service::lookup(host)
                .await
                .map_err(|source| Error::Resolve { host: format!("_http._tcp.{host}"), source })?
        } else {
            (host.to_owned(), origin.port())
        };
        let found = tokio::net::lookup_host((name.as_str(), port)).await;
        Ok(found.map_err(|source| Error::Resolve { host: name.clone(), source })?.collect())
    }

    async fn encrypt(&self, stream: Stream, server_name: &str) -> Result<Stream, Error> {
        self.progress.enter(Stage::Tls(server_name.to_owned()));
        let config = Arc::clone(self.config()?);
        let name = ServerName::try_from(server_name.to_owned()).map_err(|_| Error::Tls {
            host: server_name.to_owned(),
            problem: "no certificate can hold this name".into(),
            hint: None,
        })?;
        let handshake = tokio_rustls::TlsConnector::from(config).connect(name, stream);
        match handshake.await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(self.tls_error(server_name, error)),
        }
    }

    fn tls_error(&self, host: &str, error: std::io::Error) -> Error {
        match tls::describe_io(&error, self.peer) {
            Some(tls::Explanation { problem, hint }) => {
                Error::Tls { host: host.to_owned(), problem, hint }
            }
            None => Error::Connect { to: format!("{host} by TLS"), source: error },
        }
    }

    fn config(&self) -> Result<&Arc<rustls::ClientConfig>, Error> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = tls::client_config(&self.tls).map_err(Error::TlsSettings)?;
        Ok(self.config.get_or_init(|| config))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// A connection that speaks HTTP/1.1; closed when dropped.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    task: JoinHandle<()>,
    absolute_form: Option<AbsoluteForm>,
}

impl Connection {
    async fn open(stream: Stream, absolute_form: Option<AbsoluteForm>) -> Result<Self, Error> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MOST_BUFFERED)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| Error::Broken { source })?;
        // Why it ended is told to whoever waits for an answer.
        let task = task::spawn(async move { drop(connection.await) });
        Ok(Self { sender, task, absolute_form })
    }

    pub(super) async fn ready(&mut self) -> Result<(), hyper::Error> {
        self.sender.ready().await
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Answer> + use<> {
        if let Some(form) = &self.absolute_form {
            form.apply(&mut request);
        }
        self.sender.try_send_request(request)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How requests look that a forward proxy passes on without TLS.
struct AbsoluteForm {
    authority: String,
    authorization: Option<HeaderValue>,
}

impl AbsoluteForm {
    fn apply(&self, request: &mut Request<RequestBody>) {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if let Ok(uri) = format!("http://{}{path}", self.authority).parse::<Uri>() {
            *request.uri_mut() = uri;
        }
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
    }
}

/// One type for every kind of stream: the calls through it cost nothing beside the system calls,
/// and hyper is compiled once.
type Stream = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Asks a forward proxy for a tunnel. <https://www.rfc-editor.org/rfc/rfc9110#name-connect>
async fn open_tunnel(
    stream: &mut Stream,
    origin: &Origin,
    proxy: &Origin,
    authorization: Option<HeaderValue>,
) -> Result<(), Error> {
    let refused = |reason: String| Error::Tunnel { proxy: proxy.to_string(), reason };
    let host =
        if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let to = format!("{host}:{}", origin.port());
    let mut head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes();
    if let Some(authorization) = authorization {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(authorization.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await.map_err(|error| refused(error.to_string()))?;
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte: what follows the head belongs to the TLS handshake.
        let byte = stream.read_u8().await.map_err(|error| refused(error.to_string()))?;
        answer.push(byte);
        if answer.len() > LONGEST_TUNNEL_ANSWER {
            return Err(refused("its answer to CONNECT has no end".into()));
        }
    }
    let status = std::str::from_utf8(&answer)
        .ok()
        .and_then(|text| text.split(' ').nth(1))
        .unwrap_or("nothing");
    if status.starts_with('2') {
        Ok(())
    } else {
        Err(refused(format!("it answered {status} to CONNECT {to}")))
    }
}

/// Bytes of an answer's head at most, and of what waits to be read or written on a connection.
const MOST_BUFFERED: usize = 128 * 1024;
const LONGEST_TUNNEL_ANSWER: usize = 8 * 1024;
const NEXT_ADDRESS_AFTER: Duration = Duration::from_secs(2);
