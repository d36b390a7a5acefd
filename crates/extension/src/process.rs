//! What the process asks of the kernel for itself.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// Keeps secrets out of core files and, best effort, away from other processes of the same user.
/// Says which of the two held.
pub(crate) fn harden() {
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    let core = rustix::process::setrlimit(Resource::Core, no_core).is_ok();
    let dumpable = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    tracing::debug!(no_core_files = core, not_readable_by_others = dumpable, "process hardened");
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
