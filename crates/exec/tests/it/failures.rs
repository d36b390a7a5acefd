//! Extensions that do not answer as they should.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::stage::{Stage, answer, refusal, refused, variables};

/// With a reference and without: an extension that is there may be holding the program back for its files.
#[track_caller]
fn check(stage: &Stage, expect: &str) {
    let wrapper = || stage.wrapper(&["echo", "ran"]);
    for mut wrapper in [wrapper(), with_reference(wrapper())] {
        let said = refused(&mut wrapper, 125);
        assert!(said.contains(expect), "{said}");
        assert!(said.ends_with("error=Runtime.StrongroomSecretUnavailable"), "{said}");
    }
}

fn with_reference(mut wrapper: Command) -> Command {
    wrapper.env("A", "vault:a#b");
    wrapper
}

#[test]
fn a_refusal_is_shown_in_the_words_of_the_extension() {
    let stage = Stage::new();
    let message = "A: no secret at kv/data/app: Vault answered 404; hint: write it";
    let _extension = stage.extension(refusal(message));
    check(&stage, &format!("strongroom/exec: {message} error="));
}

#[test]
fn a_refusal_of_several_lines_is_one_line_of_the_log() {
    let stage = Stage::new();
    let _extension = stage.extension(refusal("one\ntwo\r\nthree\n"));
    check(&stage, "strongroom/exec: one two  three error=");
}

#[test]
fn an_extension_that_ends_while_asked_is_named_as_the_reason() {
    let whole = variables("A=s3cret\0B=other\0");
    for kept in [0, 1, 20, whole.len() - 10, whole.len() - 1] {
        let stage = Stage::new();
        let _extension = stage.extension(&whole[..kept]);
        check(&stage, "it ended before its answer was complete; hint: the log of the extension");
    }
}

#[test]
fn an_extension_that_hangs_up_unheard_is_named_as_the_reason() {
    let stage = Stage::new();
    let _extension = stage.extension_that(drop);
    check(&stage, "it ended before its answer was complete");
}

#[test]
fn answers_that_are_not_of_the_extension_are_not_taken() {
    let check = |bytes: &[u8], expect: &str| {
        let stage = Stage::new();
        let _extension = stage.extension(bytes);
        check(&stage, expect);
    };
    check(b"220 mail.example ESMTP\r\n", "its answer is no HTTP");
    check(&answer("200 OK", "text/html", b"A=b\0"), "its answer is not of the extension");
    check(&answer("500 Oh", "text/html", b"<html>"), "its answer is not of the extension");
    check(&variables("value\0"), "does not begin with a variable");
    check(&variables("=value\0"), "does not begin with a variable");
    check(&variables("A=b\0rest\0"), "the value of A holds a NUL");
    check(&variables("A=b\0\0"), "the value of A holds a NUL");
    check(&variables("A=b"), "breaks off within A");
}

#[test]
fn an_answer_may_come_in_the_smallest_pieces() {
    let stage = Stage::new();
    let _extension = stage.extension_that(|mut stream: UnixStream| {
        for byte in variables("A=s3cret\0") {
            stream.write_all(&[byte]).unwrap();
        }
    });
    let mut wrapper = with_reference(stage.wrapper(&["sh", "-c", "echo $A"]));
    assert_eq!(crate::stage::quiet_output(&mut wrapper), b"s3cret\n");
}

/// Runs it against an extension that, once asked, does `serve` until the wrapper has given up.
#[track_caller]
fn check_patience(serve: impl Fn(&mut UnixStream) + Send + 'static) {
    let stage = Stage::new();
    let (given_up, wait) = mpsc::channel::<()>();
    let _extension = stage.extension_that(move |mut stream| {
        serve(&mut stream);
        // Until the sender is gone.
        let _ = wait.recv();
    });
    let mut wrapper = with_reference(stage.wrapper(&["echo", "ran"]));
    let began = Instant::now();
    let said = refused(wrapper.env("STRONGROOM_INIT_TIMEOUT", "100ms"), 125);
    let took = began.elapsed();
    drop(given_up);
    assert!(said.contains("has not answered within 1.1s; hint: the log"), "{said}");
    assert!(took >= Duration::from_millis(1_100), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_extension_that_is_silent_is_waited_for_as_long_as_init_may_take() {
    check_patience(|_| {});
}

#[test]
fn an_extension_that_stops_in_its_answer_gets_no_more_time() {
    check_patience(|stream| stream.write_all(&variables("A=s3cret\0")[..30]).unwrap());
}

#[test]
fn an_extension_that_accepts_nobody_is_given_up_too() {
    let stage = Stage::new();
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    let address = rustix::net::SocketAddrUnix::new(stage.socket()).unwrap();
    rustix::net::bind(&socket, &address).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    // One fits into the queue; the next waits to be let in.
    let _queued = UnixStream::connect(stage.socket()).unwrap();
    let mut wrapper = with_reference(stage.wrapper(&["echo", "ran"]));
    let said = refused(wrapper.env("STRONGROOM_INIT_TIMEOUT", "100ms"), 125);
    assert!(said.contains("has not answered within 1.1s"), "{said}");
}
