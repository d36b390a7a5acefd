//! The layer where there is nothing else: no shell, no library, no `/etc` but for the name server, no `/proc`, no `/tmp`.

use strongroom_tests::beds;
use strongroom_tests::stage::names::Reply;

use super::root::{Processor, Root};
use super::sandbox::{HERE, HOST, Sandbox, needed};

fn check(processor: Processor) {
    if !beds::available("the layer in an empty root", &needed(processor)) {
        return;
    }
    beds::in_private_network(|| {
        let mut sandbox = Sandbox::set_up(HOST, Reply::Only(HOST, HERE));
        let root = Root::empty("nameserver 127.0.0.1\n");
        root.add_layer(processor);
        let extension = sandbox.start_extension(&root);
        let asked = sandbox.names.asked();
        assert!(asked.iter().all(|name| name == HOST) && !asked.is_empty(), "{asked:?}");
        sandbox.check(&root, extension);
    });
}

#[test]
fn in_an_empty_root_the_extension_resolves_vaults_name_and_delivers_a_secret() {
    check(Processor::Ours);
}

#[test]
fn in_an_empty_root_the_extension_for_arm64_does() {
    check(Processor::Arm64);
}
