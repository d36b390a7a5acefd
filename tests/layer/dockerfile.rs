//! The recipes of `examples/container`, read and carried out as far as they go without Docker: what is copied where, which
//! variables are set, and what is started. <https://docs.docker.com/reference/dockerfile/>

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::root::Root;

/// An image: its root, and how a container of it begins.
pub(crate) struct Image {
    pub(crate) root: Root,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) entry_point: Vec<String>,
}

/// Carries a recipe out. Its last stage begins with `base`; `stages` are the images that it copies from, by their names.
pub(crate) fn build(
    recipe: &str,
    arguments: &BTreeMap<&str, &str>,
    context: &Path,
    stages: &BTreeMap<&str, &Root>,
    base: Root,
) -> Image {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/container").join(recipe);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let mut image = Image { root: base, variables: Vec::new(), entry_point: Vec::new() };
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let line = fill_in(line, arguments);
        let (instruction, rest) = line.split_once(' ').unwrap();
        match instruction {
            "ARG" | "CMD" => {}
            "FROM" => assert!(!rest.contains("${"), "{recipe}: nothing stands for {rest}"),
            "COPY" => copy(rest, context, stages, &image.root),
            "ENV" => {
                let (name, value) = rest.split_once('=').unwrap();
                image.variables.push((name.to_owned(), value.to_owned()));
            }
            "ENTRYPOINT" => image.entry_point = serde_json::from_str(rest).unwrap(),
            _ => panic!("{recipe}: {instruction} is not known here"),
        }
    }
    image
}

fn fill_in(line: &str, arguments: &BTreeMap<&str, &str>) -> String {
    let fill =
        |line: String, (name, value): (&&str, &&str)| line.replace(&format!("${{{name}}}"), value);
    arguments.iter().fold(line.to_owned(), fill)
}

/// `[--from=STAGE] [--chmod=MODE] SOURCE DESTINATION`; a slash at the end of both means all that is in the folder.
fn copy(arguments: &str, context: &Path, stages: &BTreeMap<&str, &Root>, root: &Root) {
    let (flags, places): (Vec<_>, Vec<_>) =
        arguments.split(' ').partition(|word| word.starts_with("--"));
    let [source, destination] = places[..] else { panic!("COPY {arguments}") };
    let flag = |name: &str| flags.iter().find_map(|flag| flag.strip_prefix(name));
    let from = match flag("--from=") {
        Some(stage) => stages[stage].path(source),
        None => context.join(source),
    };
    let mut to = root.path(destination);
    if from.is_dir() {
        fs::create_dir_all(&to).unwrap();
    } else if destination.ends_with('/') {
        fs::create_dir_all(&to).unwrap();
        to.push(from.file_name().unwrap());
    }
    let from = if from.is_dir() { from.join(".") } else { from };
    run(Command::new("cp").arg("-RT").arg("--preserve=mode").args([&from, &to]));
    if let Some(mode) = flag("--chmod=") {
        run(Command::new("chmod").args(["-R", mode]).arg(to));
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
