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

/// How many file descriptors the process may have open; the function shares them.
pub(crate) fn descriptor_limit() -> u64 {
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
