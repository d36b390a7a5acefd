//! One client's connection and, behind it, one to the server.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::Protocol;
use crate::message::{self, RequestHead, ResponseHead};
use crate::plan::{Admission, Command, Plan};
use crate::rule::{ConnectionFault, Fault};

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Close,
    Reset,
    /// Held open without a word, until the client goes.
    Silence,
}

struct Connection {
    from_client: BufReader<OwnedReadHalf>,
    number: usize,
    plan: Arc<Plan>,
    to_client: OwnedWriteHalf,
}

struct Server {
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

pub(crate) async fn serve(client: TcpStream, plan: Arc<Plan>, admission: Admission) {
    let _unimportant = client.set_nodelay(true);
    let Admission { mut commands, fault, number, target } = admission;
    let (from_client, to_client) = client.into_split();
    let mut connection =
        Connection { from_client: BufReader::new(from_client), number, plan, to_client };
    let mut server = None;
    let served = async {
        match fault {
            Some(ConnectionFault::Silence) => return Ok(End::Silence),
            Some(ConnectionFault::Reset) => {
                connection.from_client.fill_buf().await?;
                return Ok(End::Reset);
            }
            Some(ConnectionFault::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(ConnectionFault::CutAfter(_)) | None => {}
        }
        let server = server.insert(Server::connect(target).await?);
        match (fault, connection.plan.protocol) {
            (Some(ConnectionFault::CutAfter(bytes)), _) => connection.pass(server, bytes).await,
            (_, Protocol::Bytes) => connection.pass(server, u64::MAX).await,
            (_, Protocol::Http) => connection.pass_requests(server).await,
        }
    };
    let end = tokio::select! {
        end = served => end.unwrap_or(End::Close),
        end = commanded(&mut commands) => end,
    };
    connection.end(end, &mut commands).await;
    // The server keeps its end of a silent connection as long as the client does.
    drop(server);
}

async fn commanded(commands: &mut watch::Receiver<Command>) -> End {
    loop {
        if commands.changed().await.is_err() {
            return std::future::pending().await;
        }
        match *commands.borrow_and_update() {
            Command::CarryOn => {}
            Command::Reset => return End::Reset,
            Command::Silence => return End::Silence,
        }
    }
}

impl Server {
    async fn connect(target: std::net::SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let (from, to) = stream.into_split();
        Ok(Self { from: BufReader::new(from), to })
    }
}

impl Connection {
    async fn end(mut self, end: End, commands: &mut watch::Receiver<Command>) {
        match end {
            End::Close => drop(self.to_client.shutdown().await),
            End::Reset => self.reset(),
            End::Silence => {
                let is_reset = tokio::select! {
                    () = swallow(&mut self.from_client) => false,
                    () = reset_commanded(commands) => true,
                };
                if is_reset {
                    self.reset();
                }
            }
        }
    }

    /// With no time to linger, closing sends a RST; a half that is dropped would send a FIN first.
    fn reset(self) {
        let stream: &TcpStream = self.to_client.as_ref();
        let _already_gone = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        self.to_client.forget();
    }

    /// Passes bytes both ways, closing after so many from the server.
    async fn pass(&mut self, server: &mut Server, limit: u64) -> io::Result<End> {
        let up = async {
            tokio::io::copy_buf(&mut self.from_client, &mut server.to).await?;
            server.to.shutdown().await
        };
        let down = async {
            let mut limited = (&mut server.from).take(limit);
            tokio::io::copy(&mut limited, &mut self.to_client).await
        };
        let (mut up, mut down) = (pin!(up), pin!(down));
        tokio::select! {
            sent = &mut up => {
                sent?;
                down.await?;
            }
            received = &mut down => {
                received?;
            }
        }
        Ok(End::Close)
    }

    async fn pass_requests(&mut self, server: &mut Server) -> io::Result<End> {
        loop {
            let head = tokio::select! {
                head = message::read_request(&mut self.from_client) => head?,
                // A server that goes away between requests takes the connection with it.
                _ = server.from.fill_buf() => return Ok(End::Close),
            };
            let Some(head) = head else { return Ok(End::Close) };
            let token = head.token.as_deref();
            let verdict = self.plan.judge(self.number, &head.method, &head.path, token);
            tokio::time::sleep(verdict.delay).await;
            let end = match verdict.fault {
                Fault::Forward => self.exchange(server, &head).await?,
                Fault::HalfAnswer => self.half_answer(server, &head).await?,
                Fault::Answer { body, retry_after, status } => {
                    message::relay_body(head.body, &mut self.from_client, &mut tokio::io::sink())
                        .await?;
                    self.answer(status, retry_after, &body).await?;
                    None
                }
                Fault::Reset => Some(End::Reset),
                Fault::Silence => Some(End::Silence),
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// One request up and its answer down, both at once.
    async fn exchange(
        &mut self,
        server: &mut Server,
        head: &RequestHead,
    ) -> io::Result<Option<End>> {
        let Server { from, to } = server;
        let sending = async {
            to.write_all(&head.raw).await?;
            message::relay_body(head.body, &mut self.from_client, to).await
        };
        let receiving = async {
            loop {
                let answer = message::read_response(from, &head.method).await?;
                self.to_client.write_all(&answer.raw).await?;
                message::relay_body(answer.body, from, &mut self.to_client).await?;
                if !answer.is_interim {
                    return Ok::<ResponseHead, io::Error>(answer);
                }
            }
        };
        let (mut sending, mut receiving) = (pin!(sending), pin!(receiving));
        tokio::select! {
            // Answered before the whole request was sent: what remains of it has no place to go.
            answer = &mut receiving => answer.map(|_| Some(End::Close)),
            sent = &mut sending => {
                sent?;
                let answer = receiving.await?;
                let ends = answer.closes || answer.body == message::Body::UntilClose;
                Ok(ends.then_some(End::Close))
            }
        }
    }

    async fn half_answer(
        &mut self,
        server: &mut Server,
        head: &RequestHead,
    ) -> io::Result<Option<End>> {
        server.to.write_all(&head.raw).await?;
        message::relay_body(head.body, &mut self.from_client, &mut server.to).await?;
        let answer = message::read_response(&mut server.from, &head.method).await?;
        let mut body = Vec::new();
        message::relay_body(answer.body, &mut server.from, &mut body).await?;
        if body.is_empty() {
            self.to_client.write_all(&answer.raw[..answer.raw.len() / 2]).await?;
        } else {
            self.to_client.write_all(&answer.raw).await?;
            self.to_client.write_all(&body[..body.len() / 2]).await?;
        }
        Ok(Some(End::Close))
    }

    async fn answer(
        &mut self,
        status: u16,
        retry_after: Option<u64>,
        body: &str,
    ) -> io::Result<()> {
        let retry_after = retry_after.map_or_else(String::new, |s| format!("Retry-After: {s}\r\n"));
        let length = body.len();
        // No reason phrase: https://www.rfc-editor.org/rfc/rfc9112#name-status-line allows none.
        let answer = format!(
            "HTTP/1.1 {status} \r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
             {retry_after}Content-Length: {length}\r\n\r\n{body}"
        );
        self.to_client.write_all(answer.as_bytes()).await
    }
}

/// Reads and forgets, until the client goes.
async fn swallow(client: &mut BufReader<OwnedReadHalf>) {
    let mut forgotten = [0; 4096];
    while client.read(&mut forgotten).await.is_ok_and(|read| read > 0) {}
}

async fn reset_commanded(commands: &mut watch::Receiver<Command>) {
    while commanded(commands).await != End::Reset {}
}
