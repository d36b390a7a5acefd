//! What the process asks of the kernel: for itself, and about others.

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use tokio::net::UnixStream;

/// Keeps secrets out of core files and, best effort, away from other processes of the same user.
/// Says which of the two held.
pub(crate) fn harden() {
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    let core = rustix::process::setrlimit(Resource::Core, no_core).is_ok();
    let dumpable = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    tracing::debug!(no_core_files = core, not_readable_by_others = dumpable, "process hardened");
}

/// A process of this user, told from a later one of the same number by the time it started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    number: i32,
    started: u64,
}

impl Identity {
    /// Whether it can be told from others.
    pub(crate) fn is_known(self) -> bool {
        self.number > 0
    }

    /// The process at the other end; `None` if it is another user's.
    pub(crate) fn of_peer(stream: &UnixStream) -> Option<Self> {
        let peer = stream.peer_cred().ok()?;
        if peer.uid() != rustix::process::geteuid().as_raw() {
            return None;
        }
        let number = peer.pid().unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        // The second field is a name in brackets, which may hold anything; the 22nd is the start.
        // <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
        let after_name = status.rsplit_once(')').map_or("", |(_, rest)| rest);
        let started = after_name.split_whitespace().nth(19).and_then(|field| field.parse().ok());
        Some(Self { number, started: started.unwrap_or_default() })
    }
}

/// Clients of the local Vault API at most.
pub(crate) fn client_limit() -> usize {
    share_of_descriptors(4).clamp(1, 256)
}

/// Connections to Vault at most.
pub(crate) fn connection_limit() -> usize {
    share_of_descriptors(16).clamp(1, 64)
}

/// A share of the file descriptors that may be open, which the function has its part in: Lambda
/// allows 1,024.
fn share_of_descriptors(divisor: u64) -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / divisor).unwrap_or(usize::MAX)
}
