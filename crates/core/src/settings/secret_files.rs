//! Which secrets go to which files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::environment::{Environment, Findings};
use super::variables as v;

/// A secret and the file it goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretFile {
    /// The variable that names the path, for errors.
    pub variable: String,
    /// Path of the secret below `/v1/`, without slashes at the begin.
    pub path: String,
    /// The file, absolute.
    pub file: PathBuf,
}

const PATH_PREFIX: &str = "VAULT_SECRET_PATH_";
const FILE_PREFIX: &str = "VAULT_SECRET_FILE_";
const DEFAULT_DIRECTORY: &str = "/tmp/vault";
const DEFAULT_FILE: &str = "secret.json";

/// All pairs; what is unpaired or collides is an error.
pub(super) fn parse(environment: &Environment, findings: &mut Findings) -> Vec<SecretFile> {
    let mut files = Vec::new();
    match (environment.trimmed(v::VAULT_SECRET_PATH), environment.trimmed(v::VAULT_SECRET_FILE)) {
        (Some(path), file) => {
            files.push(secret_file(v::VAULT_SECRET_PATH, path, file.unwrap_or(DEFAULT_FILE)))
        }
        (None, Some(_)) => findings
            .warning(v::VAULT_SECRET_FILE, "has no VAULT_SECRET_PATH beside it and is ignored"),
        (None, None) => {}
    }
    for name in environment.names_with_prefix(PATH_PREFIX) {
        let file_variable = name.replacen(PATH_PREFIX, FILE_PREFIX, 1);
        if name == PATH_PREFIX {
            findings.error(
                name,
                "has no name after the last underscore: write VAULT_SECRET_PATH_<NAME>",
            );
            continue;
        }
        match (environment.trimmed(name), environment.trimmed(&file_variable)) {
            (Some(path), Some(file)) => files.push(secret_file(name, path, file)),
            _ => findings
                .error(name, format!("has no {file_variable} beside it: set both or neither")),
        }
    }
    for name in environment.names_with_prefix(FILE_PREFIX) {
        let path_variable = name.replacen(FILE_PREFIX, PATH_PREFIX, 1);
        if environment.trimmed(&path_variable).is_none() {
            findings.error(name, format!("has no {path_variable} beside it: set both or neither"));
        }
    }
    report_collisions(&files, findings);
    files
}

/// In proxy mode nothing is written: what would be an error otherwise is a warning.
pub(super) fn warn_of_unused(environment: &Environment, findings: &mut Findings) {
    let named = [PATH_PREFIX, FILE_PREFIX]
        .into_iter()
        .flat_map(|prefix| environment.names_with_prefix(prefix));
    let anonymous = [v::VAULT_SECRET_PATH, v::VAULT_SECRET_FILE];
    for name in
        anonymous.into_iter().filter(|name| environment.trimmed(name).is_some()).chain(named)
    {
        findings.warning(name, "is ignored: VAULT_RUN_MODE is proxy, so no file is written");
    }
}

fn secret_file(variable: &str, path: &str, file: &str) -> SecretFile {
    let path = path.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/");
    let file = Path::new(DEFAULT_DIRECTORY).join(file);
    SecretFile { variable: variable.to_owned(), path, file: cleaned(&file) }
}

/// The file without `.` and `..`, so that two spellings of one place are seen to collide.
fn cleaned(file: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in file.components() {
        match component {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            std::path::Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

fn report_collisions(files: &[SecretFile], findings: &mut Findings) {
    let mut seen: HashMap<&Path, &str> = HashMap::new();
    for file in files {
        if let Some(other) = seen.insert(&file.file, &file.variable) {
            findings.error(
                &file.variable,
                format!(
                    "would write the same file as {other}, {}: give each its own",
                    file.file.display()
                ),
            );
        }
    }
}
