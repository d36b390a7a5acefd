//! The commands of each page, in their order, and what is done with each.

use std::fs;

use strongroom_tests::beds::{self, ROOT_TOKEN};
use strongroom_tests::stage::free_port;
use strongroom_tests::stage::site::Site;

use super::reading;
use super::session::{LAYER, with_function, with_secret, with_settings, with_vle};

/// A page, with its translations.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) paths: &'static [&'static str],
    /// Makes what the page takes for granted.
    pub(super) prepare: fn(&mut Site),
    pub(super) rows: &'static [Row],
}

/// A command.
#[derive(Debug)]
pub(super) struct Row {
    /// How it begins.
    pub(super) begins: &'static str,
    pub(super) how: How,
}

/// What is done with a command.
#[derive(Debug)]
pub(super) enum How {
    /// It is run. `answers` are typed where it asks, and `says` is in what it prints.
    Run { answers: &'static str, says: &'static [&'static str] },
    /// It is run and finds something wrong.
    Finds { says: &'static [&'static str] },
    /// It builds or tests this repository, which is what runs this test: it is looked up and not run.
    Build,
    /// It cannot be run here; what stands in `file` proves what it needs.
    Elsewhere { why: &'static str, file: &'static str, words: &'static str },
}

/// The rows of a page, if it has a table.
pub(super) fn rows_of(path: &str) -> Option<&'static [Row]> {
    PAGES.iter().find(|table| table.paths.contains(&path)).map(|table| table.rows)
}

const fn run(begins: &'static str, says: &'static [&'static str]) -> Row {
    Row { begins, how: How::Run { answers: "", says } }
}

const fn asks(begins: &'static str, answers: &'static str, says: &'static [&'static str]) -> Row {
    Row { begins, how: How::Run { answers, says } }
}

const fn build(begins: &'static str) -> Row {
    Row { begins, how: How::Build }
}

/// Each form has tests of its own, before a hundred faults.
const OF_DOCTOR: How = How::Elsewhere {
    why: "there is nothing wrong here that it could find",
    file: "tests/it/real/doctor/laptop.rs",
    words: "a_function_is_examined_from_its_configuration_alone",
};
const YES: &str = "y\n";
/// An empty line takes what stands in brackets.
const FILE_ONLY: &str = "\n\norders\n\n\n\nkv/data/app\n\n\n\n";
const FILE_AND_VARIABLE: &str =
    "\n\norders\n\n\n\nkv/data/app\n\n\nkv/data/app\nvariable\nAPI_KEY\napi-key\n\n";
/// Of the first secret of the tutorial, and of the second.
const FIRST: &str = "5e042afa";
const SECOND: &str = "28e81344";
const ALL_FIRST: &str = r#"{"variable": "5e042afa", "file": "5e042afa", "local API": "5e042afa"}"#;
const ALL_SECOND: &str = r#"{"variable": "28e81344", "file": "28e81344", "local API": "28e81344"}"#;
const PUBLISHED: &str = "arn:aws:lambda:us-east-1:123456789012:layer:strongroom:1";
const WRAPPER: &str = "+ AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec";

/// Every page that has commands.
pub(super) const PAGES: &[Table] = &[
    Table {
        paths: &["README.md", "README.ko.md"],
        prepare: with_function,
        rows: &[
            build("cargo lab"),
            build("cargo xtask test"),
            asks("strongroom setup init", FILE_AND_VARIABLE, &["strongroom.toml is written"]),
            asks("strongroom setup apply", YES, &["Done."]),
            run("strongroom layer publish", &[PUBLISHED]),
            asks("strongroom layer attach", YES, &[WRAPPER]),
        ],
    },
    Table { paths: &["docs/chaos.md"], prepare: nothing, rows: &[build("cargo xtask chaos")] },
    Table {
        paths: &["docs/container-images.md"],
        prepare: with_zip,
        rows: &[run("unzip", &["inflating: layer/extensions/strongroom"])],
    },
    Table {
        paths: &["docs/from-vle.md"],
        prepare: with_vle,
        rows: &[
            run("strongroom layer publish", &[PUBLISHED]),
            asks(
                "strongroom layer attach",
                YES,
                &["- layer arn:", "A missing or deleted secret fails init."],
            ),
            asks("strongroom layer attach", YES, &["layer:vault-lambda-extension:1"]),
        ],
    },
    Table {
        paths: &["docs/herd.md"],
        prepare: nothing,
        rows: &[build("cargo xtask herd"), build("cargo xtask herd --environments")],
    },
    Table {
        paths: &["docs/layer.md"],
        prepare: with_settings,
        rows: &[
            build("cargo xtask layer"),
            run("strongroom layer publish", &[PUBLISHED]),
            asks("strongroom layer attach", YES, &["+ layer arn:"]),
            run("unzip", &["inflating: layer/strongroom/exec"]),
        ],
    },
    Table {
        paths: &["docs/doctor.md"],
        prepare: nothing,
        rows: &[
            Row { begins: "strongroom doctor --function", how: OF_DOCTOR },
            Row { begins: "strongroom doctor --env-file", how: OF_DOCTOR },
            Row { begins: "strongroom doctor", how: OF_DOCTOR },
        ],
    },
    Table {
        paths: &["docs/run.md"],
        prepare: with_function_to_run,
        rows: &[
            run("strongroom run", &[r#"{"id": 7}"#, "ready: secrets of", "cold start: "]),
            Row {
                begins: "strongroom run --handler app.handler --runtime python3.12 --layer layer.zip --env-file \
                         function.env --serve",
                how: How::Elsewhere {
                    why: "it serves until Ctrl-C, which that test is",
                    file: "tests/it/real/run.rs",
                    words: "--serve",
                },
            },
            Row {
                begins: "aws lambda invoke --endpoint-url",
                how: How::Elsewhere {
                    why: "it calls what serves, which that test starts",
                    file: "crates/cli/tests/it/run/endpoint.rs",
                    words: r#"["lambda", "invoke", "--endpoint-url""#,
                },
            },
        ],
    },
    Table {
        paths: &["docs/settings-file.md"],
        prepare: with_its_own_file,
        rows: &[run("strongroom explain", &["VAULT_AUTH_ROLE"])],
    },
    Table {
        paths: &["docs/setup.md"],
        prepare: with_secret,
        rows: &[
            asks("strongroom setup init", FILE_ONLY, &["strongroom.toml is written"]),
            run("strongroom setup plan", &["+ IAM role orders-role"]),
            run("strongroom setup export", &["aws_iam_role"]),
            asks("strongroom setup apply", YES, &["Done."]),
            asks("strongroom setup destroy", YES, &["Done."]),
            run("strongroom setup export --as terraform", &[]),
            run("strongroom setup export --as cloudformation", &[]),
            Row {
                begins: "jq -r '.Metadata.Strongroom.Vault.Commands[]'",
                how: How::Elsewhere {
                    why: "it comes after the stack, which that test makes",
                    file: "tests/it/real/setup/export.rs",
                    words: r#"["Metadata"]["Strongroom"]["Vault"]["Commands"]"#,
                },
            },
        ],
    },
    Table { paths: &["docs/tutorial.md", "docs/tutorial.ko.md"], prepare: nothing, rows: TUTORIAL },
    Table {
        paths: &["examples/README.md"],
        prepare: nothing,
        rows: &[
            build("cargo xtask layer"),
            run("strongroom layer publish", &[PUBLISHED]),
            Row {
                begins: "sam build && sam deploy",
                how: How::Elsewhere {
                    why: "it deploys to AWS, and moto has no such service",
                    file: "tests/it/languages/templates.rs",
                    words: "cfn_lint",
                },
            },
            Row {
                begins: "terraform init && terraform apply",
                how: How::Elsewhere {
                    why: "it deploys to AWS, and fetches a provider before",
                    file: "tests/it/languages/templates.rs",
                    words: "main.tf",
                },
            },
            run("vault secrets enable", &[]),
            run("vault kv put", &[]),
            run("echo 'path ", &[]),
            run("vault auth enable aws", &[]),
            run("vault write auth/aws/role/app", &[]),
        ],
    },
];

const TUTORIAL: &[Row] = &[
    build("cargo lab"),
    build("cargo lab --reveal"),
    build("cargo lab --keep"),
    build("cargo build --release"),
    build("cargo xtask layer"),
    run("export PATH=", &[]),
    run("mkdir practice", &[]),
    run("export AWS_REGION=", &[]),
    run("export VAULT_ADDR=", &[]),
    run("aws sts get-caller-identity", &["123456789012"]),
    run("vault secrets enable", &[]),
    run("vault kv put", &[]),
    run("cat > app.py", &[]),
    run("python3 -m zipfile", &[]),
    asks("strongroom setup init", FILE_AND_VARIABLE, &["strongroom.toml is written"]),
    run("cat >> strongroom.toml", &[]),
    run("strongroom explain", &["kv/data/app"]),
    run("strongroom setup plan", &["+ IAM role orders-role"]),
    asks("strongroom setup apply", YES, &["Done."]),
    run("strongroom layer publish", &[PUBLISHED]),
    asks("strongroom layer attach", YES, &[WRAPPER]),
    run("aws lambda invoke", &[]),
    run("cat answer.json", &[ALL_FIRST]),
    run("python3 -c", &[FIRST]),
    run("vault kv put", &[]),
    run("aws lambda invoke", &[]),
    run("cat answer.json", &[r#""variable": "5e042afa", "#, r#""local API": "28e81344""#]),
    run("python3 -c", &[SECOND]),
    run("aws lambda update-function-configuration", &[]),
    run("aws lambda wait", &[]),
    run("aws lambda invoke", &[]),
    run("cat answer.json", &[ALL_SECOND]),
    run("vault delete", &[]),
    run("aws lambda update-function-configuration", &[]),
    run("aws lambda wait", &[]),
    run("aws lambda invoke", &[]),
    run(
        "cat answer.json",
        &[
            "Runtime.StrongroomSecretUnavailable",
            "entry for role orders not found; hint: VAULT_AUTH_ROLE names no role",
        ],
    ),
    Row { begins: "strongroom doctor", how: How::Finds { says: &["role-binding"] } },
    run("strongroom setup plan", &["+ auth/aws/role/orders"]),
    asks("strongroom setup apply", YES, &["Done."]),
    run("aws lambda invoke", &[]),
    run("cat answer.json", &[ALL_SECOND]),
    asks("strongroom layer attach --function orders --undo", YES, &["- layer arn:"]),
    asks("strongroom setup destroy", YES, &["Done."]),
    run("aws lambda delete-layer-version", &[]),
    run("aws logs delete-log-group", &[]),
    run("vault secrets disable", &[]),
];

fn nothing(_: &mut Site) {}

fn with_zip(site: &mut Site) {
    fs::copy(site.path(LAYER), site.path("strongroom-layer-x86_64.zip")).unwrap();
}

/// A function in the directory, with an event, and with variables that reach Vault.
fn with_function_to_run(site: &mut Site) {
    with_secret(site);
    site.write_layer("layer.zip");
    let python = beds::python();
    let environment = python.ancestors().nth(2).unwrap();
    site.set("VIRTUAL_ENV", &environment.display().to_string());
    site.write("app.py", "def handler(event, context):\n    return event\n");
    site.write("event.json", "{\"id\": 7}\n");
    let (vault, port) = (&site.vault.address, free_port());
    let variables = format!(
        "VAULT_ADDR={vault}\nVAULT_TOKEN={ROOT_TOKEN}\nSTRONGROOM_PROXY_PORT={port}\n\
         VAULT_SECRET_PATH=kv/data/app\nVAULT_SECRET_FILE=/tmp/vault/app.json\n"
    );
    site.write("function.env", &variables);
}

/// The settings file is the one that the page itself shows.
fn with_its_own_file(site: &mut Site) {
    let page = reading::text("docs/settings-file.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    site.write("strongroom.toml", file);
    site.write("function.env", "VAULT_LOG_LEVEL=DEBUG\n");
}
