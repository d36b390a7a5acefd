//! The function's variables, as a customer sets them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};

use crate::environment::assignment::{self, Assignment};
use crate::environment::env_file;

/// Those of the file, under those of the command line.
///
/// # Errors
/// The file cannot be read, or names what Lambda leaves to nobody.
pub(super) fn read(file: Option<&Path>, given: &[Assignment]) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    if let Some(file) = file {
        variables.extend(env_file::read(file)?);
    }
    variables.extend(assignment::all("--env", given)?);
    for name in variables.keys() {
        if !RESERVED.contains(&name.as_str()) {
            continue;
        }
        let instead = match name.as_str() {
            "AWS_REGION" | "AWS_DEFAULT_REGION" => "--region",
            "_HANDLER" => "--handler",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => "--memory",
            "AWS_LAMBDA_FUNCTION_NAME" => "--name",
            name if name.starts_with("AWS_LAMBDA_") || !name.starts_with("AWS_") => "leave it out",
            _ => "leave it out, and see --profile and --assume-role",
        };
        bail!("Lambda sets {name} itself and refuses it as a function's variable; hint: {instead}");
    }
    Ok(variables)
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
const RESERVED: [&str; 17] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_HANDLER",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts_and_lambdas_own_are_refused() {
        let read_all = |given: &[&str]| {
            let given: Vec<_> = given.iter().map(|given| given.parse().unwrap()).collect();
            read(None, &given).map_err(|error| error.to_string())
        };
        let variables = read_all(&["A=1", "B=x=y", "A="]).unwrap();
        assert_eq!(
            variables.into_iter().collect::<Vec<_>>(),
            [("A".to_owned(), String::new()), ("B".to_owned(), "x=y".to_owned())]
        );
        for (given, hint) in [
            ("AWS_REGION=x", "hint: --region"),
            ("AWS_SESSION_TOKEN=canary", "see --profile and --assume-role"),
            ("LAMBDA_TASK_ROOT=/x", "hint: leave it out"),
        ] {
            let error = read_all(&[given]).unwrap_err();
            assert!(error.ends_with(hint) && !error.contains("canary"), "{error}");
        }
        assert!(read_all(&["AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec"]).is_ok());
    }
}
