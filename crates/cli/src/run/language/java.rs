//! Java, with `aws-lambda-java-runtime-interface-client`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use strongroom_host::Runtime;

use super::{Interpreter, Wanted};

pub(super) async fn runtime(name: &str, major: u32, wanted: Wanted<'_>) -> Result<Runtime> {
    let interpreter = Interpreter::find(wanted.interpreter, &[PathBuf::from("java")])?;
    let shown = interpreter.path().display();
    let said = interpreter.ask(&["-version"]).await?;
    let Some(found) = version(&said.stderr) else {
        bail!("{shown} is no Java: it said {:?}", said.stderr.lines().next().unwrap_or_default());
    };
    if found != major {
        bail!(
            "{shown} is Java {found}, and the runtime is to be {name}; hint: --runtime java{found}, or name another \
             one by --interpreter"
        );
    }
    let places = match wanted.client {
        Some(client) => vec![client.to_owned(), client.join("lib")],
        None => vec![wanted.code.join("lib"), interpreter.language().join("lib")],
    };
    let client = places.iter().find(|place| holds_client(place)).with_context(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        format!(
            "there is no {CLIENT}-*.jar, which is AWS's runtime interface client for Java, in {}; hint: mvn \
             dependency:copy-dependencies -DincludeGroupIds=com.amazonaws -DoutputDirectory=DIR in a project that \
             depends on com.amazonaws:{CLIENT}, then --client DIR",
            places.join(" or ")
        )
    })?;
    let client = interpreter.inside(client, wanted.code)?;
    let file = interpreter.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    // The path of classes is Lambda's: code, then its `lib`. The options make it start faster, as Lambda's do.
    // <https://docs.aws.amazon.com/lambda/latest/dg/java-package.html>
    let command = [
        &format!("/var/lang/bin/{file}"),
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        &format!("{client}/*:/var/task:/var/task/lib/*"),
        "com.amazonaws.services.lambda.runtime.api.client.AWSLambda",
    ];
    Ok(Runtime::Managed {
        command: command.map(str::to_owned).to_vec(),
        language: interpreter.language().to_owned(),
        name: name.to_owned(),
    })
}

/// Of `openjdk version "17.0.2"`, or of `java version "1.8.0_392"`.
fn version(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    let version = version.strip_prefix("1.").unwrap_or(version);
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn holds_client(place: &Path) -> bool {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with(CLIENT))
}

const CLIENT: &str = "aws-lambda-java-runtime-interface-client";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_java_tells_its_version() {
        assert_eq!(version("openjdk version \"17.0.2\" 2022-01-18\nOpenJDK"), Some(17));
        assert_eq!(version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(version("command not found"), None);
    }
}
