//! Sockets that need not be the extension's.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::stage::{
    Stage, binary, is_root, listed, quiet_output, refused, run, set_mode, variables,
};

/// What Lambda runs functions as.
const LAMBDA_USER: u32 = 993;

/// With a reference the program is not started and `expect` says why; without one it is, and a warning says it.
#[track_caller]
fn check(stage: &Stage, expect: &str) {
    let said = refused(stage.wrapper(&["echo", "ran"]).env("A", "vault:a#b"), 125);
    assert!(said.contains(&format!("A refers to a secret, but {expect}")), "{said}");
    let output = run(&mut stage.wrapper(&["echo", "ran"]));
    assert!(output.status.success());
    assert_eq!(output.stdout, b"ran\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("[WARN] strongroom/exec: the extension is not asked"), "{said}");
    assert!(said.contains(expect), "{said}");
}

fn shown(path: PathBuf) -> String {
    path.display().to_string()
}

#[test]
fn a_link_in_place_of_the_directory_is_not_followed() {
    let stage = Stage::new();
    let extension = stage.extension(variables("A=planted\0"));
    fs::rename(stage.directory(), stage.path("elsewhere")).unwrap();
    symlink(stage.path("elsewhere"), stage.directory()).unwrap();
    check(&stage, &format!("{} is a symbolic link", shown(stage.directory())));
    assert!(extension.requests().is_empty());
}

#[test]
fn a_link_in_place_of_the_socket_is_not_followed() {
    let stage = Stage::new();
    let extension = stage.extension(variables("A=planted\0"));
    fs::rename(stage.socket(), stage.path("elsewhere")).unwrap();
    symlink(stage.path("elsewhere"), stage.socket()).unwrap();
    check(&stage, &format!("{} is a symbolic link", shown(stage.socket())));
    assert!(extension.requests().is_empty());
    fs::remove_file(stage.socket()).unwrap();
    fs::rename(stage.path("elsewhere"), stage.socket()).unwrap();
}

#[test]
fn a_directory_that_others_may_enter_is_refused_with_its_mode() {
    let stage = Stage::new();
    let extension = stage.extension(variables("A=planted\0"));
    for mode in [0o755, 0o777, 0o710, 0o701] {
        set_mode(&stage.directory(), mode);
        let directory = shown(stage.directory());
        check(&stage, &format!("{directory} has mode {mode:04o}, not 0700"));
    }
    assert!(extension.requests().is_empty());
}

#[test]
fn what_is_no_directory_and_what_is_no_socket_is_refused() {
    let stage = Stage::new();
    fs::create_dir(stage.socket()).unwrap();
    check(&stage, &format!("{} is no socket", shown(stage.socket())));
    fs::remove_dir_all(stage.directory()).unwrap();
    drop(UnixListener::bind(stage.directory()).unwrap());
    check(&stage, &format!("{} is no directory", shown(stage.directory())));
}

#[test]
fn a_socket_that_takes_no_connections_is_refused() {
    let stage = Stage::new();
    let _datagrams = UnixDatagram::bind(stage.socket()).unwrap();
    check(&stage, &format!("{} cannot be connected to", shown(stage.socket())));
}

#[test]
fn a_path_that_is_relative_is_refused() {
    let stage = Stage::new();
    let said =
        refused(stage.wrapper(&["true"]).env("A", "vault:a#b").env("STRONGROOM_SOCKET", "x"), 125);
    assert!(said.contains("STRONGROOM_SOCKET, x, is no absolute path"), "{said}");
}

#[test]
fn a_directory_of_another_user_is_refused() {
    if !is_root("a_directory_of_another_user_is_refused") {
        return;
    }
    let stage = Stage::new();
    let extension = stage.extension(variables("A=planted\0"));
    chown(stage.directory(), Some(LAMBDA_USER), None).unwrap();
    let directory = shown(stage.directory());
    check(&stage, &format!("{directory} belongs to user {LAMBDA_USER}, not to 0, who runs this"));
    chown(stage.directory(), Some(0), None).unwrap();
    chown(stage.socket(), Some(LAMBDA_USER), None).unwrap();
    let socket = shown(stage.socket());
    check(&stage, &format!("{socket} belongs to user {LAMBDA_USER}, not to 0, who runs this"));
    assert!(extension.requests().is_empty());
}

/// The wrapper as Lambda's user, from a place that this user can reach.
fn as_lambdas_user(stage: &Stage, program: &[&str]) -> Command {
    let copy = stage.path("exec");
    if !copy.exists() {
        // By another process: this one may fork at any time, and what is open for writing cannot be executed.
        let mut install = Command::new("install");
        assert!(install.args(["-m", "755"]).args([&binary(), &copy]).status().unwrap().success());
    }
    let mut wrapper = Command::new(copy);
    wrapper.args(program).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    wrapper.env("STRONGROOM_SOCKET", stage.socket()).env("A", "vault:a#b");
    wrapper.uid(LAMBDA_USER).gid(990);
    wrapper
}

#[test]
fn a_socket_that_another_user_serves_is_not_believed_whoever_owns_it() {
    if !is_root("a_socket_that_another_user_serves_is_not_believed_whoever_owns_it") {
        return;
    }
    let stage = Stage::new();
    let extension = stage.extension(variables("A=planted\0"));
    chown(stage.directory(), Some(LAMBDA_USER), None).unwrap();
    chown(stage.socket(), Some(LAMBDA_USER), None).unwrap();
    let said = refused(&mut as_lambdas_user(&stage, &["echo", "ran"]), 125);
    let socket = shown(stage.socket());
    assert!(said.contains(&format!("{socket} is served by user 0")), "{said}");
    assert!(extension.requests().is_empty());
}

#[test]
fn lambdas_own_user_has_its_secrets_from_an_extension_of_the_same_user() {
    let test = "lambdas_own_user_has_its_secrets_from_an_extension_of_the_same_user";
    if !is_root(test) {
        return;
    }
    let stage = Stage::new();
    chown(stage.directory(), Some(LAMBDA_USER), None).unwrap();
    // Whoever listens is whose credentials the peer sees, so the listener must be another process.
    let answer = stage.path("answer");
    let mut file = fs::File::create(&answer).unwrap();
    std::io::Write::write_all(&mut file, &variables("A=s3cret\0")).unwrap();
    let script = "import socket, sys\n\
                  s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n\
                  print('listening', flush=True)\n\
                  c, _ = s.accept(); c.recv(4096); c.sendall(open(sys.argv[2], 'rb').read()); c.close()\n";
    let mut server = Command::new("python3");
    server.args(["-c", script]).arg(stage.socket()).arg(&answer).current_dir("/");
    let server = server.uid(LAMBDA_USER).gid(990).stdout(std::process::Stdio::piped()).spawn();
    let mut server = server.unwrap();
    let mut line = String::new();
    let output = server.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    assert_eq!(line, "listening\n");
    let seen = listed(&quiet_output(&mut as_lambdas_user(&stage, &["env", "-0"])));
    assert!(seen.contains(&("A".into(), "s3cret".into())), "{seen:?}");
    assert!(server.wait().unwrap().success());
}
