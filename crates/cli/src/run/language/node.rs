//! Node, with `aws-lambda-ric`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use strongroom_host::Runtime;

use super::{Interpreter, Wanted};

pub(super) async fn runtime(name: &str, major: u32, wanted: Wanted<'_>) -> Result<Runtime> {
    let interpreter = Interpreter::find(wanted.interpreter, &[PathBuf::from("node")])?;
    let shown = interpreter.path().display();
    let said = interpreter.ask(&["--version"]).await?;
    let version = said.stdout.strip_prefix('v').and_then(|version| version.split('.').next());
    let Some(found) = version.and_then(|version| version.parse::<u32>().ok()) else {
        bail!("{shown} is no Node: it said {:?}", said.stdout);
    };
    if found != major {
        bail!(
            "{shown} is Node {found}, and the runtime is to be {name}; hint: --runtime nodejs{found}.x, or name \
             another one by --interpreter"
        );
    }
    let language = interpreter.language();
    let places = match wanted.client {
        Some(client) => vec![client.join("node_modules"), client.to_owned()],
        None => vec![
            wanted.code.join("node_modules"),
            language.join("node_modules"),
            language.join("lib/node_modules"),
        ],
    };
    let client = places.iter().find_map(|place| main_file(&place.join(CLIENT)));
    let client = client.with_context(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        format!(
            "there is no {CLIENT}, which is AWS's runtime interface client for Node, in {}; hint: npm install --prefix \
             ~/.lambda-node {CLIENT}, which compiles a part of it with make, cmake and a C++ compiler, then --client \
             ~/.lambda-node",
            places.join(" or ")
        )
    })?;
    let command = vec![
        format!("/var/lang/bin/{}", file_name(interpreter.path())),
        interpreter.inside(&client, wanted.code)?,
    ];
    Ok(Runtime::Managed { command, language: language.to_owned(), name: name.to_owned() })
}

/// What the package has as its program: releases differ in where it lies.
fn main_file(package: &Path) -> Option<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Package {
        bin: std::collections::BTreeMap<String, PathBuf>,
    }
    let manifest = std::fs::read(package.join("package.json")).ok()?;
    let manifest: Package = serde_json::from_slice(&manifest).ok()?;
    let file = manifest.bin.get(CLIENT)?;
    Some(package.join(file.strip_prefix(".").unwrap_or(file)))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

const CLIENT: &str = "aws-lambda-ric";
