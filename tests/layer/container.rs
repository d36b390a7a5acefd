//! Images that copy the layer from an image of it: each recipe of `examples/container` puts it where Lambda and the recipe
//! itself look for it, and the program of the one with its own entry point has its secret.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use strongroom_tests::beds::{self, Part, practice};
use strongroom_tests::stage::names::Reply;
use tempfile::TempDir;

use super::dockerfile::{self, Image};
use super::root::Root;
use super::sandbox::{HERE, HOST, NEEDED, Sandbox};

const RESOLVER: &str = "nameserver 127.0.0.1\n";

/// The layer as an image.
fn layer() -> Root {
    let context = TempDir::new().unwrap();
    super::unpack(&beds::layer(), &context.path().join("amd64"));
    let arguments = BTreeMap::from([("TARGETARCH", "amd64")]);
    let recipe = "layer.Dockerfile";
    dockerfile::build(recipe, &arguments, context.path(), &BTreeMap::new(), Root::empty("")).root
}

/// An image with it, by a recipe that names base and layer.
fn image(recipe: &str, context: &TempDir, base: Root) -> Image {
    let arguments =
        BTreeMap::from([("BASE", "base"), ("LAMBDA_TASK_ROOT", "/var/task"), ("LAYER", "layer")]);
    let layer = layer();
    dockerfile::build(
        recipe,
        &arguments,
        context.path(),
        &BTreeMap::from([("layer", &layer)]),
        base,
    )
}

#[track_caller]
fn check_executable(root: &Root, path: &str) {
    let mode = fs::metadata(root.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(mode.permissions().mode() & 0o777, 0o755, "{path}");
}

/// Lambda executes every file of `/opt/extensions`.
#[track_caller]
fn check_extensions(root: &Root) {
    let names = fs::read_dir(root.path("/opt/extensions")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["strongroom"]);
    check_executable(root, "/opt/extensions/strongroom");
}

#[test]
fn on_a_base_image_of_aws_the_wrapper_is_where_the_variable_says() {
    if !beds::available("an image on a base image of AWS", &[Part::Layer]) {
        return;
    }
    let context = TempDir::new().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a function of a test")]
    fs::write(context.path().join("app.py"), "").unwrap();
    let image = image("managed.Dockerfile", &context, Root::empty(""));
    check_extensions(&image.root);
    let [(name, wrapper)] = &image.variables[..] else { panic!("{:?}", image.variables) };
    assert_eq!(name, "AWS_LAMBDA_EXEC_WRAPPER");
    check_executable(&image.root, wrapper);
    assert!(image.root.path("/var/task/app.py").is_file());
}

#[test]
fn an_entry_point_of_its_own_starts_a_program_with_its_secret_on_any_base() {
    let needed = [NEEDED.as_slice(), &[Part::Program]].concat();
    if !beds::available("an entry point of its own", &needed) {
        return;
    }
    for base in [Root::empty, super::alpine::root] {
        beds::in_private_network(|| check_entry_point(base(RESOLVER)));
    }
}

fn check_entry_point(base: Root) {
    let context = TempDir::new().unwrap();
    fs::copy(beds::program(), context.path().join("app")).unwrap();
    let image = image("own.Dockerfile", &context, base);
    check_extensions(&image.root);
    // Lambda gives one to every image, whatever is in it.
    fs::create_dir_all(image.root.path("/tmp")).unwrap();

    let mut sandbox = Sandbox::set_up(HOST, Reply::Only(HOST, HERE));
    let reference = format!("vault:{}#{}", practice::SECRET_PATH, practice::SECRET_KEY);
    sandbox.variables.push(("DATABASE_PASSWORD".to_owned(), reference));
    sandbox.variables.extend(image.variables);
    let extension = sandbox.start_extension(&image.root);
    let command: Vec<_> = image.entry_point.iter().map(String::as_str).collect();
    let mut program = image.root.run(&command, &sandbox.variables);
    assert!(program.wait().success(), "{}\n{}", program.output(), extension.output());
    let said = program.output();
    assert!(said.trim_end().ends_with(practice::SECRET_VALUE), "{said}");
    sandbox.check(&image.root, extension);
}
