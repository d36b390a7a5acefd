//! The program: its arguments, what it inherits, and why it may not start.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use crate::stage::{Stage, binary, quiet_output, refused, run, set_mode, variables};

/// Shows the arguments of a shell behind the name that `-c` gives it, as the kernel has them.
const SHOW_ARGUMENTS: [&str; 3] = ["-c", "cat /proc/$$/cmdline; :", "sh"];

#[test]
fn arguments_arrive_with_every_byte_that_an_argument_can_have() {
    let stage = Stage::new();
    let _extension = stage.extension(variables("A=b\0"));
    let mut arguments: Vec<Vec<u8>> = (1..=255).map(|byte| vec![byte]).collect();
    arguments.push((1..=255).collect());
    for odd in ["", "-", "--", "--help", "a b", " ", "$HOME", "`id`", "*", "'\"\\", "\n", ""] {
        arguments.push(odd.into());
    }
    let mut wrapper = stage.wrapper(&["sh"]);
    wrapper.args(SHOW_ARGUMENTS).args(arguments.iter().map(|bytes| OsStr::from_bytes(bytes)));
    let mut expect: Vec<u8> = Vec::new();
    for argument in ["sh"].iter().chain(&SHOW_ARGUMENTS) {
        expect.extend_from_slice(argument.as_bytes());
        expect.push(0);
    }
    for argument in &arguments {
        expect.extend_from_slice(argument);
        expect.push(0);
    }
    assert_eq!(quiet_output(&mut wrapper), expect);
}

#[test]
fn the_program_is_the_same_process_and_its_exit_code_is_its_own() {
    let stage = Stage::new();
    let mut wrapper = stage.wrapper(&["sh", "-c", "echo $$; exit 42"]);
    let child = wrapper.stdout(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, format!("{id}\n").as_bytes());
    assert_eq!(output.status.code(), Some(42));
}

#[test]
fn the_program_inherits_no_file_and_no_signal_from_the_wrapper() {
    let stage = Stage::new();
    let extension = stage.extension(variables("A=b\0"));
    let script = "ls /proc/self/fd; grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status";
    // Both from one shell, so that what that inherits of this process is the same for both.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#""$@"; echo wrapped; exec "$0" "$@""#]).arg(binary());
    shell.args(["sh", "-c", script]).env("STRONGROOM_SOCKET", stage.socket());
    let seen = String::from_utf8(quiet_output(shell.stdin(Stdio::null()))).unwrap();
    let (alone, wrapped) = seen.split_once("wrapped\n").unwrap();
    assert!(alone.contains("SigIgn"), "{alone}");
    assert_eq!(alone, wrapped);
    assert_eq!(extension.requests().len(), 1);
}

#[test]
fn the_program_is_looked_up_in_path() {
    let stage = Stage::new();
    stage.script("of-this-test", "echo found");
    let mut wrapper = stage.wrapper(&["of-this-test"]);
    let directory = stage.path("");
    assert_eq!(quiet_output(wrapper.env("PATH", directory.to_str().unwrap())), b"found\n");
}

#[test]
fn a_program_that_is_not_there_gives_127_and_one_that_may_not_run_126() {
    let stage = Stage::new();
    let check = |program: &str, code, expect: &str| {
        let said = refused(&mut stage.wrapper(&[program]), code);
        let begin = format!("[ERROR] strongroom/exec: the program {program} cannot be executed: ");
        assert!(said.contains(&begin), "{said}");
        assert!(said.contains(&format!("; hint: {expect}")), "{said}");
        assert!(said.ends_with("error=Runtime.StrongroomExec"), "{said}");
    };
    check("no-such-program-in-path", 127, "check its path");
    check("/no/such/program", 127, "check its path");
    check("", 127, "check its path");
    let orphan = stage.script("orphan", "");
    let mut sed = Command::new("sed");
    assert!(sed.args(["-i", "1s,.*,#!/no/such/sh,"]).arg(&orphan).status().unwrap().success());
    check(orphan.to_str().unwrap(), 127, "check its path, and that of the interpreter");
    let plain = stage.script("plain", "");
    set_mode(&plain, 0o644);
    check(plain.to_str().unwrap(), 126, "it must be a file with the x permission");
    check(stage.path("").to_str().unwrap(), 126, "it must be a file");
}

#[test]
fn without_a_program_its_use_is_shown() {
    let output = run(Command::new(binary()).env_clear());
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("usage: strongroom/exec PROGRAM [ARGUMENT]..."), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
