//! The documentation: its commands are run, its links lead somewhere, and its Korean pages say what the English ones do.
//!
//! The convention: a block that is marked `sh` holds commands, which are run in the order of their page; any other block
//! is text. Which commands a page has, and what comes of each, stands in `pages.rs`: a command that is not there fails.

mod builds;
mod links;
mod pages;
mod reading;
mod session;
mod snippets;

use strongroom_tests::beds::{self, Part};

use self::pages::{How, PAGES, Row};
use self::reading::Page;
use self::session::Session;

/// What running a page needs: AWS is moto's, Vault is real, and the function runs under the local Lambda.
const PARTS: [Part; 7] = [
    Part::AwsCli,
    Part::CommandLine,
    Part::Extension,
    Part::Moto,
    Part::Python,
    Part::Vault,
    Part::Wrapper,
];

/// Whose commands are for readers: the pages of the tests' own parts are for those who build them.
fn is_for_readers(path: &str) -> bool {
    path.starts_with("README")
        || path.starts_with("docs/")
        || path.starts_with("examples/")
        || path == "SECURITY.md"
}

fn pages_for_readers() -> Vec<Page> {
    reading::all_pages().into_iter().filter(|page| is_for_readers(&page.path)).collect()
}

#[test]
fn every_command_is_in_its_pages_table() {
    let pages = pages_for_readers();
    for page in &pages {
        let commands = page.commands();
        let rows = pages::rows_of(&page.path);
        let Some(rows) = rows else {
            assert_eq!(commands, [], "{} has commands and no table in pages.rs", page.path);
            continue;
        };
        for (index, command) in commands.iter().enumerate() {
            let row = rows.get(index).map_or("nothing more", |row| row.begins);
            let is_it = command.text.starts_with(row);
            assert!(
                is_it,
                "{}:{}: {}\nthe table has: {row}",
                page.path, command.line, command.text
            );
        }
        assert_eq!(rows.len(), commands.len(), "{} has fewer commands than its table", page.path);
    }
    for path in PAGES.iter().flat_map(|page| page.paths) {
        assert!(pages.iter().any(|page| page.path == *path), "{path} is not there");
    }
}

#[test]
fn no_command_hides_in_a_block_of_text() {
    const PROGRAMS: [&str; 19] = [
        "aws",
        "cargo",
        "cat",
        "cd",
        "curl",
        "docker",
        "export",
        "jq",
        "make",
        "mkdir",
        "mvn",
        "printf",
        "python3",
        "rustup",
        "sam",
        "strongroom",
        "terraform",
        "unzip",
        "vault",
    ];
    for page in pages_for_readers() {
        for (line, text) in page.lines_of_text_blocks() {
            let text = text.trim_start_matches("$ ");
            let mut words = text.split(' ');
            let program = words.next().unwrap_or_default();
            // Whose line of a log it is stands before a bar.
            let is_of_log = words.next() == Some("|");
            assert!(
                !PROGRAMS.contains(&program) || is_of_log,
                "{}:{line}: mark its block sh: {text}",
                page.path
            );
        }
    }
}

#[test]
fn builds_and_flags_that_are_named_are_there() {
    if !beds::available("what the documentation names is there", &[Part::CommandLine]) {
        return;
    }
    for page in reading::all_pages() {
        for (line, code) in page.inline_code() {
            let is_ours =
                ["cargo build ", "cargo lab", "cargo xtask ", "make ", "mvn ", "strongroom "]
                    .iter()
                    .any(|begin| code.starts_with(begin));
            if is_ours && let Err(reason) = builds::check(&code) {
                panic!("{}:{line}: `{code}`: {reason}", page.path);
            }
        }
    }
}

#[test]
fn the_korean_pages_have_the_commands_and_headings_of_the_english_ones() {
    let pages = reading::all_pages();
    let korean: Vec<&Page> = pages.iter().filter(|page| page.path.ends_with(".ko.md")).collect();
    let paths: Vec<&str> = korean.iter().map(|page| page.path.as_str()).collect();
    assert_eq!(paths, ["README.ko.md", "docs/tutorial.ko.md"]);
    for page in korean {
        let path = page.path.replace(".ko.md", ".md");
        let english = pages.iter().find(|page| page.path == path).unwrap();
        let texts = |page: &Page| {
            page.commands().into_iter().map(|command| command.text).collect::<Vec<_>>()
        };
        assert_eq!(texts(page), texts(english), "{path}");
        let levels = |page: &Page| {
            page.headings().into_iter().map(|heading| heading.level).collect::<Vec<_>>()
        };
        assert_eq!(levels(page), levels(english), "{path}");
    }
}

/// Runs the commands of a page, in their order, on a site of its own.
async fn run(path: &str) {
    if !beds::available(&format!("the commands of {path}"), &PARTS) {
        return;
    }
    let table = PAGES.iter().find(|page| page.paths.contains(&path)).unwrap();
    let page = reading::page(path);
    let mut session = Session::new(table.prepare);
    let commands = page.commands();
    assert_eq!(commands.len(), table.rows.len(), "{path}: see the test of the tables");
    for (command, Row { how, .. }) in commands.iter().zip(table.rows) {
        let place = format!("{path}:{}: {}", command.line, command.text);
        match how {
            How::Run { answers, says } => session.run(&command.text, answers, says, &place).await,
            How::Finds { says } => {
                session.run(&format!("{} || test $? = 1", command.text), "", says, &place).await;
            }
            How::Build => {
                builds::check(&command.text).unwrap_or_else(|reason| panic!("{place}: {reason}"))
            }
            How::Elsewhere { why, file, words } => {
                builds::say(&format!("not run: {place}: {why}"));
                let text = reading::text(file);
                assert!(text.contains(words), "{place}: {file} has no {words:?}");
            }
        }
    }
    session.end().await;
}

macro_rules! pages_that_are_run {
    ($($name:ident: $path:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                run($path).await;
            }
        )*

        #[test]
        fn every_table_is_run() {
            let run = [$($path),*];
            for page in PAGES {
                assert!(page.paths.iter().any(|path| run.contains(path)), "{:?}", page.paths);
            }
        }
    };
}

pages_that_are_run! {
    the_commands_of_the_readme_are_run: "README.md";
    the_commands_of_chaos_are_checked: "docs/chaos.md";
    the_commands_of_container_images_are_run: "docs/container-images.md";
    the_commands_of_doctor_are_proved_elsewhere: "docs/doctor.md";
    the_commands_of_from_vle_are_run: "docs/from-vle.md";
    the_commands_of_herd_are_checked: "docs/herd.md";
    the_commands_of_layer_are_run: "docs/layer.md";
    the_commands_of_run_are_run: "docs/run.md";
    the_commands_of_settings_file_are_run: "docs/settings-file.md";
    the_commands_of_setup_are_run: "docs/setup.md";
    the_commands_of_the_tutorial_are_run: "docs/tutorial.md";
    the_commands_of_the_examples_are_run: "examples/README.md";
}
