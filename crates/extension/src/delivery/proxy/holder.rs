//! Who holds a port, as far as the kernel tells.
//! <https://man7.org/linux/man-pages/man5/proc_pid_net.5.html>

use std::fs;
use std::io::Read as _;

/// A sentence about the process that listens on this port.
pub(super) fn of(port: u16) -> String {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| listening(&beginning(table), port))
        .collect();
    match inodes.iter().find_map(|inode| process_with(inode)) {
        Some(process) => format!("{process} holds it"),
        None => "which process holds it cannot be told: it may be another user's".to_owned(),
    }
}

/// Inodes of the sockets that listen on the port.
fn listening(table: &str, port: u16) -> Vec<String> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local_port, 16) == Ok(port) && *fields.get(3)? == LISTEN;
        is_it.then(|| (*fields.get(9).unwrap_or(&"")).to_owned())
    };
    table.lines().filter_map(inode).filter(|inode| !inode.is_empty()).collect()
}

fn process_with(inode: &str) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let number = numbers.take(MOST_PROCESSES).find(|number| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{number}/fd")) else { return false };
        descriptors.flatten().take(MOST_DESCRIPTORS).any(|descriptor| {
            fs::read_link(descriptor.path())
                .is_ok_and(|target| target.as_os_str() == wanted.as_str())
        })
    })?;
    let name = beginning(&format!("/proc/{number}/comm"));
    Some(format!("process {number} ({})", name.trim_end().escape_debug()))
}

/// What fits.
fn beginning(path: &str) -> String {
    let mut text = String::new();
    if let Ok(file) = fs::File::open(path) {
        // What cannot be read, or is no text, names nobody.
        let _ = file.take(LONGEST_TABLE).read_to_string(&mut text);
    }
    text
}

const LISTEN: &str = "0A";
const LONGEST_TABLE: u64 = 1024 * 1024;
const MOST_DESCRIPTORS: usize = 4096;
const MOST_PROCESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_holder_is_named() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let found = of(listener.local_addr().unwrap().port());
            assert!(found.contains(&format!("process {} (", std::process::id())), "{found}");
        }
    }

    #[test]
    fn a_port_that_nobody_holds_has_no_holder() {
        assert!(of(0).contains("cannot be told"));
    }
}
