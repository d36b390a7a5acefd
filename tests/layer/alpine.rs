//! The layer in a root like Alpine's: musl's layout, without the files by which glibc decides how names are resolved. The
//! resolver is the one that is linked in, musl's, whatever image it runs in.

use strongroom_tests::beds;
use strongroom_tests::stage::names::Reply;

use super::root::{Processor, Root};
use super::sandbox::{HERE, HOST, NEEDED, Sandbox, needed};

/// A root like Alpine's, with this resolver's file.
pub(crate) fn root(resolver: &str) -> Root {
    let root = Root::empty(resolver);
    root.write("/etc/alpine-release", "3.22.1\n");
    root.write("/etc/hosts", "127.0.0.1 localhost localhost.localdomain\n::1 localhost\n");
    root.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    for folder in ["/bin", "/lib", "/proc", "/root", "/tmp", "/usr/lib", "/var/task"] {
        std::fs::create_dir_all(root.path(folder)).unwrap();
    }
    root
}

/// The same with the layer.
fn with_layer(processor: Processor, resolver: &str) -> Root {
    let root = root(resolver);
    root.add_layer(processor);
    root
}

#[test]
fn in_alpine_a_short_name_is_found_in_the_search_domain() {
    check_short_name(Processor::Ours);
}

#[test]
fn in_alpine_a_short_name_is_found_in_the_search_domain_on_arm64() {
    check_short_name(Processor::Arm64);
}

fn check_short_name(processor: Processor) {
    if !beds::available("the layer in Alpine", &needed(processor)) {
        return;
    }
    beds::in_private_network(|| {
        let mut sandbox = Sandbox::set_up("vault", Reply::Only(HOST, HERE));
        let resolver = "search other.test strongroom.test\nnameserver 127.0.0.1\noptions ndots:2\n";
        let root = with_layer(processor, resolver);
        let extension = sandbox.start_extension(&root);
        let asked = sandbox.names.asked();
        assert_eq!(asked.first().map(String::as_str), Some("vault.other.test"), "{asked:?}");
        assert!(asked.iter().any(|name| name == HOST), "{asked:?}");
        sandbox.check(&root, extension);
    });
}

#[test]
fn in_alpine_a_name_of_the_hosts_file_is_asked_of_nobody() {
    if !beds::available("a name of the hosts file", &NEEDED) {
        return;
    }
    beds::in_private_network(|| {
        let mut sandbox = Sandbox::set_up(HOST, Reply::NoSuchName);
        let root = with_layer(Processor::Ours, "nameserver 127.0.0.1\n");
        root.write("/etc/hosts", &format!("127.0.0.1 {HOST}\n"));
        let extension = sandbox.start_extension(&root);
        assert_eq!(sandbox.names.asked(), [""; 0]);
        sandbox.check(&root, extension);
    });
}

/// musl takes the first "no such name" for the answer, where glibc would take the address of the other question.
/// <https://wiki.musl-libc.org/functional-differences-from-glibc.html#Name-Resolver/DNS>
#[test]
fn a_name_server_that_denies_a_name_for_want_of_ipv6_is_believed_and_named() {
    if !beds::available("a name server that denies a name for want of IPv6", &NEEDED) {
        return;
    }
    beds::in_private_network(|| {
        let sandbox = Sandbox::set_up(HOST, Reply::Ipv4OrNoSuchName(HERE));
        let root = with_layer(Processor::Ours, "nameserver 127.0.0.1\n");
        let mut variables = sandbox.variables.clone();
        variables.push(("STRONGROOM_INIT_TIMEOUT".to_owned(), "2s".to_owned()));
        let mut extension = root.run(&["/opt/extensions/strongroom"], &variables);
        let status = extension.wait();
        let output = extension.output();
        assert_eq!(status.code(), Some(6), "{output}");
        assert!(output.contains(HOST) && output.contains("name resolution"), "{output}");
    });
}
