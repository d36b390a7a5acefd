//! Streams that give up at a point in time, however their peer drips.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// A point in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// The time until then.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if it has come.
    pub(crate) fn remaining(self) -> io::Result<Duration> {
        let remaining = self.0.saturating_duration_since(Instant::now());
        // Zero would be no limit at all.
        if remaining.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(remaining) }
    }

    /// Limits the next system call on `socket` that waits to receive or to send.
    pub(crate) fn limit(self, socket: impl AsFd, which: Timeout) -> io::Result<()> {
        Ok(set_socket_timeout(socket, which, Some(self.remaining()?))?)
    }
}

/// A socket whose reads and writes all end by one deadline.
#[derive(Debug)]
pub(crate) struct Timed<S> {
    pub(crate) socket: S,
    pub(crate) deadline: Deadline,
}

impl<S: AsFd + Read> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.deadline.limit(&self.socket, Timeout::Recv)?;
        self.socket.read(buffer).map_err(timed_out)
    }
}

impl<S: AsFd + Write> Write for Timed<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.deadline.limit(&self.socket, Timeout::Send)?;
        self.socket.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// The kernel says "try again" when the time of a blocking call is over.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}
