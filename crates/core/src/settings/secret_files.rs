//! Which secrets go to which files, and how.

use std::path::{Path, PathBuf};

use super::environment::{Environment, Findings};
use super::variables as v;
use crate::format::Format;
use crate::reference::SecretId;

/// A secret and the file it goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretFile {
    /// The variable that names the path, for errors.
    pub variable: String,
    /// The secret.
    pub secret: SecretId,
    /// The file, absolute.
    pub file: PathBuf,
    /// What of the secret is written.
    pub format: Format,
    /// The file's permissions.
    pub mode: u32,
}

const PATH_PREFIX: &str = "VAULT_SECRET_PATH_";
const FILE_PREFIX: &str = "VAULT_SECRET_FILE_";
const FORMAT_PREFIX: &str = "STRONGROOM_FILE_FORMAT_";
const MODE_PREFIX: &str = "STRONGROOM_FILE_MODE_";
const DEFAULT_DIRECTORY: &str = "/tmp/vault";
const DEFAULT_FILE: &str = "secret.json";
const DEFAULT_MODE: u32 = 0o600;

/// All pairs; what is unpaired or collides is an error.
pub(super) fn parse(environment: &Environment, findings: &mut Findings) -> Vec<SecretFile> {
    let mut files = Vec::new();
    let writing = Writing {
        format: format(environment, v::STRONGROOM_FILE_FORMAT, findings)
            .unwrap_or(Format::Response),
        mode: mode(environment, v::STRONGROOM_FILE_MODE, findings).unwrap_or(DEFAULT_MODE),
    };
    match (environment.trimmed(v::VAULT_SECRET_PATH), environment.trimmed(v::VAULT_SECRET_FILE)) {
        (Some(path), file) => {
            let file = file.unwrap_or(DEFAULT_FILE);
            files.push(secret_file(v::VAULT_SECRET_PATH, path, file, writing.clone()))
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
            (Some(path), Some(file)) => {
                let suffix = &name[PATH_PREFIX.len()..];
                let writing = writing.for_name(suffix, environment, findings);
                files.push(secret_file(name, path, file, writing))
            }
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
    for prefix in [FORMAT_PREFIX, MODE_PREFIX] {
        for name in environment.names_with_prefix(prefix) {
            let path_variable = name.replacen(prefix, PATH_PREFIX, 1);
            if environment.trimmed(&path_variable).is_none() {
                findings.error(
                    name,
                    format!("is about a file that is not written: {path_variable} is unset"),
                );
            }
        }
    }
    report_collisions(&files, findings);
    files
}

/// What is written, and for whom.
#[derive(Clone)]
struct Writing {
    format: Format,
    mode: u32,
}

impl Writing {
    /// What holds for one file: its own, where that is set.
    fn for_name(&self, name: &str, environment: &Environment, findings: &mut Findings) -> Self {
        let own_format = format(environment, &format!("{FORMAT_PREFIX}{name}"), findings);
        let own_mode = mode(environment, &format!("{MODE_PREFIX}{name}"), findings);
        Self {
            format: own_format.unwrap_or_else(|| self.format.clone()),
            mode: own_mode.unwrap_or(self.mode),
        }
    }
}

fn format(environment: &Environment, name: &str, findings: &mut Findings) -> Option<Format> {
    let format = Format::parse(environment.trimmed(name)?);
    if format.is_none() {
        findings.error(
            name,
            "is none of response, data, raw:<field>, dotenv, template:<file>: write one of them",
        );
    }
    format
}

fn mode(environment: &Environment, name: &str, findings: &mut Findings) -> Option<u32> {
    let mode = u32::from_str_radix(environment.trimmed(name)?, 8).ok();
    // The owner, which is the function's user, must be able to read it, and nobody else to change it.
    let mode = mode.filter(|mode| mode & !0o755 == 0 && mode & 0o400 != 0);
    if mode.is_none() {
        findings.error(
            name,
            "is no mode that lets the owner read and nobody else write: write octal digits such as 0600 or 0440",
        );
    }
    mode
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

fn secret_file(variable: &str, path: &str, file: &str, writing: Writing) -> SecretFile {
    SecretFile {
        variable: variable.to_owned(),
        secret: SecretId::newest(path),
        file: cleaned(&Path::new(DEFAULT_DIRECTORY).join(file)),
        format: writing.format,
        mode: writing.mode,
    }
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
    for (index, file) in files.iter().enumerate() {
        if let Some(other) = files[..index].iter().rfind(|other| other.file == file.file) {
            findings.error(
                &file.variable,
                format!(
                    "would write the same file as {}, {}: give each its own",
                    other.variable,
                    file.file.display()
                ),
            );
        }
    }
}
