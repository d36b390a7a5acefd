//! The layer where there is nothing else: no shell, no library, no `/etc` but for the name server, no `/proc`, no `/tmp`.

use strongroom_tests::beds;
use strongroom_tests::stage::names::Reply;

use super::root::Root;
use super::sandbox::{HERE, HOST, NEEDED, Sandbox};

#[test]
fn in_an_empty_root_the_extension_resolves_vaults_name_and_delivers_a_secret() {
    if !beds::available("the layer in an empty root", &NEEDED) {
        return;
    }
    beds::in_private_network(|| {
        let mut sandbox = Sandbox::set_up(HOST, Reply::Only(HOST, HERE));
        let root = Root::empty("nameserver 127.0.0.1\n");
        root.add_layer();
        let extension = sandbox.start_extension(&root);
        let asked = sandbox.names.asked();
        assert!(asked.iter().all(|name| name == HOST) && !asked.is_empty(), "{asked:?}");
        sandbox.check(&root, extension);
    });
}
