//! A network of one's own: the same ports in every test, and nobody else on them.

use std::process::{Command, Stdio};

use rustix::thread::UnshareFlags;

/// Runs `body` on a thread that has its own network, with nothing in it but loopback.
/// Threads and processes that it starts live there too, and processes of the beds die when it returns.
///
/// # Panics
/// If the network cannot be made ([`super::Part::PrivateNetwork`] says whether it can), or if `body` does.
pub fn in_private_network<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        #[expect(unsafe_code, reason = "there is no safe unshare")]
        // SAFETY: only the network changes, for this thread alone; file descriptors stay shared.
        unsafe {
            rustix::thread::unshare_unsafe(UnshareFlags::NEWNET).expect("a network can be made");
        }
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.expect("ip starts").success(), "loopback does not come up");
        body()
    };
    std::thread::scope(|scope| {
        scope.spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Why no such network can be made here, if it cannot.
pub(super) fn missing() -> Option<String> {
    let works = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !works("ip", &["-V"]) {
        return Some("ip is not installed".to_owned());
    }
    let may = works("unshare", &["-m", "-n", "-p", "-f", "true"]);
    (!may).then(|| "only root may make networks and mounts of its own".to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::beds::{self, Part};

    #[test]
    fn one_port_is_free_in_two_networks_at_once() {
        if !beds::available("one port is free in two networks", &[Part::PrivateNetwork]) {
            return;
        }
        let outer = in_private_network(|| TcpListener::bind("127.0.0.1:8200").unwrap());
        let inner = in_private_network(|| TcpListener::bind("127.0.0.1:8200").unwrap());
        assert_eq!(outer.local_addr().unwrap(), inner.local_addr().unwrap());
    }
}
