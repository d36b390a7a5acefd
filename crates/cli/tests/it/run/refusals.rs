//! What cannot be run at all is told with what to do, before anything is started.

use std::process::Stdio;

use super::{Ended, Site, bare};

#[test]
fn what_cannot_be_run_is_a_mistake_of_usage() {
    let site = Site::new();
    site.write("app/app.py", "");
    site.write("broken.json", "{");
    let elf =
        |machine: u8| [b"\x7fELF\x02\x01".as_slice(), &[0; 12], &[machine, 0], &[0; 44]].concat();
    site.write(
        "foreign/extensions/guard",
        elf(if cfg!(target_arch = "aarch64") { 62 } else { 183 }),
    );
    site.write("reserved.env", "AWS_SESSION_TOKEN=canary\n");
    let check = |arguments: &[&str], parts: &[&str]| {
        let mut command = bare(site.root.path());
        let ended = Ended::of(command.args(arguments).stdin(Stdio::null())).exits_with(2);
        assert!(parts.iter().all(|part| ended.err.contains(part)), "{arguments:?}: {}", ended.err);
        assert!(ended.out.is_empty() && !ended.err.contains("canary"), "{ended:?}");
    };
    let code = ["--code", "code"];
    let with = |more: &[&'static str]| [&code[..], more].concat();
    check(&["--code", "app"], &["has no bootstrap", "name the --runtime"]);
    check(&["--code", "app", "--runtime", "python3.11"], &["name the --handler"]);
    check(&["--code", "nowhere", "--runtime", "provided"], &["cannot read nowhere"]);
    check(&with(&["--runtime", "ruby3.4"]), &["python3.N, nodejsN.x, javaN and provided.al2023"]);
    check(&with(&["broken.json"]), &["the event broken.json is no JSON"]);
    check(&with(&["nowhere.json"]), &["cannot read the event nowhere.json"]);
    check(&with(&["--layer", "nowhere"]), &["cannot use the layer nowhere"]);
    check(
        &with(&["--layer", "foreign"]),
        &["is for", "by its extensions/guard", "hint: take the layer for"],
    );
    check(&with(&["--env-file", "reserved.env"]), &["Lambda sets AWS_SESSION_TOKEN itself"]);
    check(&with(&["--env", "canary"]), &["does not begin with NAME="]);
    check(&with(&["--timeout", "901"]), &["--timeout"]);
    check(&with(&["--serve", "9000", "--count", "2"]), &["cannot be used with"]);
    check(&with(&["--serve", "everywhere"]), &["no IP address with a port"]);
}

#[test]
fn an_interpreter_that_will_not_do_is_told_with_what_to_install() {
    let site = Site::new();
    site.write("app/app.py", "");
    site.write(
        "bin/python",
        "#!/bin/sh\necho 12\necho /usr\necho 'No module named awslambdaric' >&2\nexit 1\n",
    );
    site.write("bin/node", "#!/bin/sh\necho v22.1.0\n");
    site.write("bin/java", "#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n");
    let check = |runtime: &str, interpreter: &str, parts: &[&str]| {
        let mut command = bare(site.root.path());
        command.args(["--code", "app", "--handler", "app.handler", "--runtime", runtime]);
        command.args(["--interpreter", interpreter]).stdin(Stdio::null());
        let ended = Ended::of(&mut command).exits_with(2);
        assert!(parts.iter().all(|part| ended.err.contains(part)), "{runtime}: {}", ended.err);
    };
    let install = ["has no awslambdaric", "python3.12 -m venv .lambda && .lambda/bin/pip install"];
    check("python3.12", "bin/python", &install);
    check("python3.13", "bin/python", &["is Python 3.12", "hint: --runtime python3.12"]);
    check("python3.12", "bin/node", &["is no Python"]);
    check("python3.12", "nowhere", &["there is no interpreter at nowhere"]);
    check("nodejs20.x", "bin/node", &["is Node 22", "hint: --runtime nodejs22.x"]);
    check("nodejs22.x", "bin/node", &["there is no aws-lambda-ric", "npm install --prefix"]);
    // A place that the function does not see: below /tmp, where it has its own.
    let client = r#"{"bin": {"aws-lambda-ric": "./index.mjs"}}"#;
    site.write("client/node_modules/aws-lambda-ric/package.json", client);
    site.write("other/bin/node", "#!/bin/sh\necho v22.1.0\n");
    let hidden = std::env::temp_dir() == std::path::Path::new("/tmp");
    if hidden {
        let mut command = bare(site.root.path());
        command.args(["--code", "app", "--handler", "app.handler", "--runtime", "nodejs22.x"]);
        command.args(["--interpreter", "other/bin/node", "--client", "client"]);
        let ended = Ended::of(command.stdin(Stdio::null())).exits_with(2);
        assert!(ended.err.contains("see another /tmp; hint:"), "{}", ended.err);
    }
    check("java17", "bin/java", &["is Java 21", "hint: --runtime java21"]);
    check(
        "java21",
        "bin/java",
        &[
            "there is no aws-lambda-java-runtime-interface-client-*.jar",
            "mvn dependency:copy-dependencies",
        ],
    );
}

#[test]
fn a_port_that_is_taken_and_a_role_that_cannot_be_had_are_told() {
    let site = Site::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = site.run(&["--serve", &address]).exits_with(1);
    assert!(ended.err.contains(&format!("cannot listen on {address}")), "{}", ended.err);
    let role = "arn:aws:iam::123456789012:role/mine";
    let ended = site.run(&["--assume-role", role]).exits_with(1);
    assert!(ended.err.contains(&format!("cannot assume the role {role}")), "{}", ended.err);
}
