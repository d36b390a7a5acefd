//! Commands that are not run: those that build this repository or test it, which is what runs this test. Their
//! subcommands and flags are looked up in what `--help` says, and names of tests among the tests.

use std::process::{Command, Output};

use strongroom_tests::beds;

use super::reading;

/// Whether the command is one that could be run.
pub(super) fn check(command: &str) -> Result<(), String> {
    let words: Vec<&str> =
        command.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
    match words.as_slice() {
        ["cargo", "lab", rest @ ..] => has_flags(&[&["lab"], rest].concat(), help_of_command_line),
        // What follows goes to a program that is not built here; it takes what the page names, as `chaos.md` is its own.
        ["cargo", "xtask", "chaos", ..] => help_of_build(&["chaos"]).map(drop),
        ["cargo", "xtask", "test", "--", name] => has_test(name),
        ["cargo", "xtask", rest @ ..] => has_flags(rest, help_of_build),
        ["cargo", "build", "--release", "--package", package] => has_package(package),
        // The beds build the examples by the same files: `xtask/src/beds/recipe.rs`.
        ["make", "-C", folder] => is_file(&format!("{folder}/Makefile")),
        ["mvn", "-f", file, "package"] => is_file(file),
        ["strongroom", rest @ ..] => has_flags(rest, help_of_command_line),
        _ => Err("it is none that could be looked up".to_owned()),
    }
}

/// Says something to who runs the tests.
pub(super) fn say(what: &str) {
    #[expect(clippy::print_stderr, reason = "for who runs the tests")]
    {
        eprintln!("{what}");
    }
}

/// Whether the subcommand that the words begin with has the flags that follow.
fn has_flags(
    words: &[&str],
    help: impl Fn(&[&str]) -> Result<String, String>,
) -> Result<(), String> {
    let end = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
    let (subcommand, rest) = words.split_at(end);
    let help = help(subcommand)?;
    let known: Vec<&str> =
        help.split(|letter: char| !(letter.is_alphanumeric() || "-_".contains(letter))).collect();
    for flag in rest.iter().filter(|word| word.starts_with("--")) {
        let name = flag.split('=').next().unwrap_or_default();
        if !known.contains(&name) {
            return Err(format!("{} has no {name}", subcommand.join(" ")));
        }
    }
    Ok(())
}

fn help_of_command_line(subcommand: &[&str]) -> Result<String, String> {
    let mut command = Command::new(beds::command_line());
    printed(command.args(subcommand).arg("--help"))
}

/// By the alias that the pages use.
fn help_of_build(subcommand: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(reading::root()).arg("xtask").args(subcommand).arg("--help");
    printed(&mut command)
}

fn printed(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command.output().expect("it can be started");
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&stderr).into_owned()),
    }
}

/// Whether a test of this program has the name.
fn has_test(name: &str) -> Result<(), String> {
    let program = std::env::current_exe().expect("this program has a path");
    let tests = printed(Command::new(program).arg("--list"))?;
    tests.contains(name).then_some(()).ok_or_else(|| format!("no test is called {name}"))
}

fn is_file(path: &str) -> Result<(), String> {
    reading::root().join(path).is_file().then_some(()).ok_or_else(|| format!("there is no {path}"))
}

fn has_package(name: &str) -> Result<(), String> {
    let folder = name.strip_prefix("strongroom-").unwrap_or_default();
    let manifest = reading::text(&format!("crates/{folder}/Cargo.toml"));
    let line = format!("name = \"{name}\"");
    manifest
        .lines()
        .any(|it| it == line)
        .then_some(())
        .ok_or_else(|| format!("there is no package {name}"))
}
