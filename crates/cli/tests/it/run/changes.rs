//! Code, layers and settings that change.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use super::endpoint::Endpoint;
use super::{Running, Site};

#[test]
fn the_events_run_again_in_a_new_environment_when_something_changes() {
    let site = Site::new();
    site.write("function.env", "A=1\n");
    let event = r#"{"variables": ["A"]}"#;
    let arguments = ["--watch", "--env-file", "function.env", "--event", event];
    let mut running = Running::start(site.command(&arguments).stdin(Stdio::null()));
    let first = running.answer();
    running.line("waiting for a change");
    site.write("function.env", "A=22\n");
    let second = running.answer();
    running.line("waiting for a change");
    // What is half-written is told and mended by the next change.
    site.write("function.env", "A 3\n");
    running.line("does not begin with NAME=");
    running.line("waiting for a change");
    site.write("layer/extensions/guard", include_str!("guard.py").replace("told", "heard"));
    site.write("function.env", "A=4444\n");
    let third = running.answer();
    let seen = |answer: &Value| answer["variables"]["A"].clone();
    assert_eq!([seen(&first), seen(&second), seen(&third)], ["1", "22", "4444"]);
    running.line("waiting for a change");
    running.signal(Signal::INT);
    let (status, said) = running.end();
    assert!(status.success(), "{said:#?}");
    let shutdowns = said.iter().filter(|line| line.ends_with("told SHUTDOWN")).count();
    assert_eq!(shutdowns, 2, "{said:#?}");
    assert!(said.iter().any(|line| line.ends_with("heard SHUTDOWN")), "{said:#?}");
    assert!(said.iter().any(|line| line.contains("function.env has changed")), "{said:#?}");
}

#[test]
fn the_endpoint_takes_what_has_changed_with_the_next_call() {
    let site = Site::new();
    let mut endpoint = Endpoint::start(&site, &[]);
    let (first, second) = (endpoint.invoke("{}"), endpoint.invoke("{}"));
    assert_eq!(first["instance"], second["instance"]);
    site.write("code/lib/new.txt", "new");
    let third = endpoint.invoke("{}");
    assert_ne!(second["instance"], third["instance"]);
    assert_eq!(third["calls"], 1);
    endpoint.running.line("new.txt has changed");
    endpoint.running.line("told SHUTDOWN");
    endpoint.end();
}
