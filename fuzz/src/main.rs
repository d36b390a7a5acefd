//! Fuzz targets for what comes from the network or the environment: `cargo xtask fuzz`.
//!
//! One program for all of them; `STRONGROOM_FUZZ_TARGET` names the one, and without it they are listed.
#![no_main]

mod environment;
mod network;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// What a target does with bytes: it panics if something is wrong.
type Target = fn(&[u8]);

/// All of them, by name.
const TARGETS: &[(&str, Target)] = &[
    ("address", environment::address),
    ("aws-answer", network::aws_answer),
    ("certificates", environment::certificates),
    ("client-request", strongroom_extension::client_request),
    ("document", network::document),
    ("event", network::event),
    ("forward-proxy", environment::forward_proxy),
    ("reference", environment::reference),
    ("refusal", network::refusal),
    ("settings", environment::settings),
    ("settings-file", environment::settings_file),
    ("srv-answer", network::srv_answer),
    ("wrapper-answer", strongroom_exec::wrapper_answer),
];

static TARGET: OnceLock<Target> = OnceLock::new();

/// Chooses the target of this process; without a name it says which there are.
fn choose() {
    let Ok(name) = std::env::var("STRONGROOM_FUZZ_TARGET") else {
        for (name, _) in TARGETS {
            println!("{name}");
        }
        std::process::exit(0);
    };
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("there is no target {name}"));
    TARGET.get_or_init(|| *target);
}

fuzz_target!(init: choose(), |bytes: &[u8]| TARGET.get().expect("chosen before")(bytes));
