//! Asks the extension over its Unix socket, once it is certain that it is ours: whoever could put a socket there could
//! give the function any variables.

use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, socket_peercred};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use thiserror::Error;

use crate::answer::{self, Answer, Broken};
use crate::deadline::{Deadline, Timed};

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum Unasked {
    /// Nobody is there to ask.
    #[error("no extension listens at {0}")]
    Absent(String),
    /// It was there and gave none.
    #[error("the extension was asked at {0}, but {1}")]
    Broken(String, Broken),
    /// It was there and gave none in time.
    #[error("the extension at {0} has not answered within {1:?}")]
    Late(String, Duration),
    /// Whoever is there need not be the extension.
    #[error("{0}")]
    Untrusted(String),
}

impl Unasked {
    /// Whether the extension is there, and so may have had something to say.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Broken(..) | Self::Late(..))
    }

    /// The next step.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Absent(_) => {
                "add Strongroom's layer to the function; if it is there, the log of the extension says why it ended"
            }
            Self::Broken(..) => "the log of the extension says why",
            Self::Late(..) => {
                "the log of the extension says what it waits for; STRONGROOM_INIT_TIMEOUT gives it more time"
            }
            Self::Untrusted(_) => {
                "remove what is there before the extension starts, or set STRONGROOM_SOCKET to an absolute path in a \
                 directory of mode 0700 that belongs to the function's user"
            }
        }
    }
}

/// Asks at `socket`, and waits for `patience` at most in all.
pub(crate) fn ask(socket: &Path, patience: Duration) -> Result<Answer, Unasked> {
    let place = || socket.display().to_string();
    let user = rustix::process::geteuid().as_raw();
    let deadline = Deadline::after(patience);
    check_places(socket, user)?;
    let stream = open(socket, deadline).map_err(|errno| match errno {
        Errno::CONNREFUSED | Errno::NOENT => Unasked::Absent(place()),
        Errno::AGAIN | Errno::TIMEDOUT => Unasked::Late(place(), patience),
        errno => untrusted(socket, format!("cannot be connected to: {}", io::Error::from(errno))),
    })?;
    // Whoever listens, as the kernel knows it.
    match socket_peercred(&stream) {
        Ok(server) if server.uid.as_raw() == user => {}
        Ok(server) => {
            return Err(untrusted(socket, format!("is served by user {}", server.uid.as_raw())));
        }
        Err(_) => return Err(untrusted(socket, "is served by nobody knows whom".to_owned())),
    }
    exchange(Timed { socket: UnixStream::from(stream), deadline }).map_err(|broken| match broken {
        Broken::Unreadable(error) if error.kind() == io::ErrorKind::TimedOut => {
            Unasked::Late(place(), patience)
        }
        broken => Unasked::Broken(place(), broken),
    })
}

fn exchange(mut stream: Timed<UnixStream>) -> Result<Answer, Broken> {
    match stream.write_all(REQUEST) {
        // It may have answered before it went away.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Broken::Unreadable(error)),
        _ => answer::read(&mut stream),
    }
}

fn untrusted(path: &Path, what: String) -> Unasked {
    Unasked::Untrusted(format!("{} {what}", path.display()))
}

/// That socket and directory are `user`'s own, and that nobody else can put anything in their place.
fn check_places(socket: &Path, user: u32) -> Result<(), Unasked> {
    let (true, Some(directory)) = (socket.is_absolute(), socket.parent()) else {
        let what = format!("STRONGROOM_SOCKET, {}, is no absolute path", socket.display());
        return Err(Unasked::Untrusted(what));
    };
    check(socket, directory, user, wrong_with_directory)?;
    check(socket, socket, user, wrong_with_socket)
}

fn check(
    socket: &Path,
    path: &Path,
    user: u32,
    wrong: fn(&Metadata, u32) -> Option<String>,
) -> Result<(), Unasked> {
    // Not through a link, which could be changed after we looked.
    let found = match fs::symlink_metadata(path) {
        Ok(metadata) => wrong(&metadata, user),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Unasked::Absent(socket.display().to_string()));
        }
        Err(error) => Some(format!("cannot be looked at: {error}")),
    };
    found.map_or(Ok(()), |what| Err(untrusted(path, what)))
}

fn wrong_with_directory(metadata: &Metadata, user: u32) -> Option<String> {
    let mode = metadata.mode() & 0o777;
    if metadata.is_symlink() {
        Some("is a symbolic link, not a directory".to_owned())
    } else if !metadata.is_dir() {
        Some("is no directory".to_owned())
    } else if metadata.uid() != user {
        Some(belongs_to(metadata, user))
    } else {
        (mode != 0o700).then(|| format!("has mode {mode:04o}, not 0700"))
    }
}

fn wrong_with_socket(metadata: &Metadata, user: u32) -> Option<String> {
    if metadata.is_symlink() {
        Some("is a symbolic link, not a socket".to_owned())
    } else if !metadata.file_type().is_socket() {
        Some("is no socket".to_owned())
    } else {
        (metadata.uid() != user).then(|| belongs_to(metadata, user))
    }
}

fn belongs_to(metadata: &Metadata, user: u32) -> String {
    format!("belongs to user {}, not to {user}, who runs this", metadata.uid())
}

/// The standard library's `connect` waits without end for a listener that accepts nobody.
fn open(socket: &Path, deadline: Deadline) -> Result<rustix::fd::OwnedFd, Errno> {
    let address = SocketAddrUnix::new(socket)?;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    loop {
        deadline.limit(&fd, Timeout::Send).map_err(|_| Errno::TIMEDOUT)?;
        match connect(&fd, &address) {
            Err(Errno::INTR) => {}
            outcome => return outcome.map(|()| fd),
        }
    }
}

const REQUEST: &[u8] = b"GET /environment HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
