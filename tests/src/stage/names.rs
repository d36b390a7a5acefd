//! A network whose name server is the test's: it can be silent, slow, wrong, and change its mind.
//! <https://www.rfc-editor.org/rfc/rfc1035>

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::mount::MountPropagationFlags;
use rustix::thread::UnshareFlags;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::beds;

/// Runs `body` in a network of its own, where processes ask 127.0.0.1 for names.
///
/// # Panics
/// If the network or its mounts cannot be made, or if `body` does.
pub fn in_private_network(body: impl Future<Output = ()> + Send) {
    beds::in_private_network(|| {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        #[expect(clippy::disallowed_methods, reason = "a file of a test")]
        fs::write(file.path(), "nameserver 127.0.0.1\n").expect("it can be written");
        #[expect(unsafe_code, reason = "there is no safe unshare")]
        // SAFETY: only mounts change, for this thread alone; file descriptors stay shared.
        unsafe {
            rustix::thread::unshare_unsafe(UnshareFlags::NEWNS).expect("mounts can be made");
        }
        let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        rustix::mount::mount_change("/", private).expect("mounts can be private");
        rustix::mount::mount_bind(file.path(), "/etc/resolv.conf").expect("a file can be mounted");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(body);
    });
}

/// What is answered to whoever asks for a name.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// This address.
    Address(Ipv4Addr),
    /// This address, after a while.
    Late(Ipv4Addr, Duration),
    /// This address for that name, and that there is no other name.
    Only(&'static str, Ipv4Addr),
    /// This address, and to who asks for one of version 6 that there is no such name: some name servers do, and mean
    /// that they have none.
    Ipv4OrNoSuchName(Ipv4Addr),
    /// There is no such name.
    NoSuchName,
}

/// A name server at 127.0.0.1 port 53.
#[derive(Debug)]
pub struct NameServer {
    asked: Arc<Mutex<Vec<String>>>,
    reply: Arc<Mutex<Reply>>,
    serving: JoinHandle<()>,
}

impl NameServer {
    /// Starts to answer, each name alike.
    ///
    /// # Panics
    /// If the port is taken; so be in a network of one's own.
    pub async fn start(reply: Reply) -> Self {
        let port = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
        let socket = Arc::new(UdpSocket::bind(port).await.expect("the port of name servers"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let reply = Arc::new(Mutex::new(reply));
        let (record, current) = (Arc::clone(&asked), Arc::clone(&reply));
        let serving = tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut query).await {
                let Some(question) = Question::parse(&query[..length]) else { continue };
                record.lock().unwrap_or_else(PoisonError::into_inner).push(question.name.clone());
                let reply = *current.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = question.answer(reply);
                let socket = Arc::clone(&socket);
                tokio::spawn(async move {
                    if let Reply::Late(_, delay) = reply {
                        tokio::time::sleep(delay).await;
                    }
                    // Who asked may have gone.
                    drop(socket.send_to(&answer, client).await);
                });
            }
        });
        Self { asked, reply, serving }
    }

    /// Answers otherwise from now on.
    pub fn set(&self, reply: Reply) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
    }

    /// The names that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A query for one name.
struct Question {
    id: [u8; 2],
    is_for_ipv4: bool,
    name: String,
    /// Name, type and class, as they came.
    section: Vec<u8>,
}

impl Question {
    fn parse(query: &[u8]) -> Option<Self> {
        let mut rest = query.get(12..)?;
        let mut labels = Vec::new();
        while let (&length @ 1.., after) = rest.split_first()? {
            labels.push(String::from_utf8(after.get(..usize::from(length))?.to_vec()).ok()?);
            rest = after.get(usize::from(length)..)?;
        }
        let end = query.len() - rest.len() + 5;
        let section = query.get(12..end)?.to_vec();
        let is_for_ipv4 = section.get(section.len() - 4..section.len() - 2)? == [0, 1];
        Some(Self { id: [query[0], query[1]], is_for_ipv4, name: labels.join("."), section })
    }

    fn answer(&self, reply: Reply) -> Vec<u8> {
        let address = match reply {
            Reply::Address(address) | Reply::Late(address, _) => Some(address),
            Reply::Only(name, address) => (self.name == name).then_some(address),
            Reply::Ipv4OrNoSuchName(address) => self.is_for_ipv4.then_some(address),
            Reply::NoSuchName => None,
        };
        let code = if address.is_some() { 0 } else { 3 };
        // There are addresses of version 4 only.
        let address = address.filter(|_| self.is_for_ipv4);
        let count = u8::from(address.is_some());
        let mut answer = self.id.to_vec();
        // A response to a standard query, recursion desired and available; one question.
        answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        answer.extend(&self.section);
        if let Some(address) = address {
            // The question's name, type A, class IN, to be held for no time, four bytes.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        answer
    }
}
