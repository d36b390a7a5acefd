//! The settings file: TOML whose keys are the names of variables, and a list of secrets.
//!
//! Everything in it becomes the variable that one would set by hand, so there is one parser of
//! settings and one meaning. Nothing is opened here.

mod secret;
#[cfg(test)]
mod tests;
mod toml;

use std::fmt;

use super::environment::{Finding, Place};
use super::{spelling, variables as v};
use crate::reference;
use toml::Mistake;
pub(super) use toml::Pair;

/// Read if it is there and `STRONGROOM_CONFIG` names no other.
pub(super) const DEFAULT_PATH: &str = "/var/task/strongroom.toml";

/// What a settings file says.
pub struct SettingsFile {
    pub(super) path: String,
    /// In the order of their names.
    pub(super) variables: Vec<Pair>,
    /// In the order of their lines.
    pub(super) errors: Vec<Finding>,
    /// Whether anything can be said about what it leaves unset.
    pub(super) is_whole: bool,
}

impl SettingsFile {
    /// The most bytes that one may have.
    pub const MAXIMUM_SIZE: usize = 256 * 1024;

    /// Reads the content of the file at `path`; all mistakes are kept, with their lines.
    pub fn parse(path: &str, content: &[u8]) -> Self {
        if content.len() > Self::MAXIMUM_SIZE {
            let reason = format!("it is larger than {} bytes", Self::MAXIMUM_SIZE);
            return Self::unreadable(path, &reason);
        }
        let mut file = Self {
            path: path.to_owned(),
            variables: Vec::new(),
            errors: Vec::new(),
            is_whole: true,
        };
        let text = match std::str::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let before = &content[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                let problem = "this is no TOML: not UTF-8".to_owned();
                file.stop(Mistake { line, subject: String::new(), problem });
                return file;
            }
        };
        match toml::read(text) {
            Ok(tables) => file.take(tables),
            Err(mistake) => file.stop(mistake),
        }
        file
    }

    /// A file that cannot be used because of `reason`.
    pub(super) fn unreadable(path: &str, reason: &str) -> Self {
        let problem = format!("is the settings file {path}, which cannot be used: {reason}");
        let finding = Finding { variable: v::STRONGROOM_CONFIG.to_owned(), problem, place: None };
        Self {
            path: path.to_owned(),
            variables: Vec::new(),
            errors: vec![finding],
            is_whole: false,
        }
    }

    fn stop(&mut self, mistake: Mistake) {
        self.is_whole = false;
        self.refuse(mistake);
    }

    fn take(&mut self, tables: toml::Tables) {
        let mut mistakes = tables.mistakes;
        for pair in tables.top {
            match problem_of(&pair) {
                None => self.keep(pair),
                Some(problem) => {
                    mistakes.push(Mistake { line: pair.line, subject: pair.key, problem });
                }
            }
        }
        for (index, table) in tables.secrets.into_iter().enumerate() {
            for pair in secret::variables(index + 1, table, &mut mistakes) {
                self.keep(pair);
            }
        }
        mistakes.into_iter().for_each(|mistake| self.refuse(mistake));
    }

    fn keep(&mut self, pair: Pair) {
        match self.variables.binary_search_by(|other| other.key.cmp(&pair.key)) {
            Err(at) => self.variables.insert(at, pair),
            Ok(first) => {
                let first = self.variables[first].line;
                let problem = format!("is set twice: first on line {first}");
                self.refuse(Mistake { line: pair.line, subject: pair.key, problem });
            }
        }
    }

    fn refuse(&mut self, mistake: Mistake) {
        if self.errors.len() == MOST_ERRORS {
            return;
        }
        let Mistake { line, subject, problem } = mistake;
        let is_before = |error: &Finding| error.place.as_ref().is_none_or(|p| p.line <= line);
        let at = self.errors.partition_point(is_before);
        let place = Some(Place { file: self.path.clone(), line });
        self.errors.insert(at, Finding { variable: subject, problem, place });
    }
}

impl fmt::Debug for SettingsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsFile")
            .field("path", &self.path)
            .field("variables", &self.variables.iter().map(|pair| &pair.key).collect::<Vec<_>>())
            .field("errors", &self.errors)
            .finish()
    }
}

/// Why a key may not stand at the top of the file.
fn problem_of(pair: &Pair) -> Option<String> {
    let key = pair.key.as_str();
    let is_of_lambda = BY_LAMBDA.contains(&key)
        || ["AWS_LAMBDA_", "AWS_CONTAINER_"].iter().any(|begin| key.starts_with(begin));
    if is_of_lambda {
        return Some("is set by Lambda and cannot be set in a file".to_owned());
    }
    if key == v::STRONGROOM_CONFIG {
        return Some("names the settings file and cannot be set in it".to_owned());
    }
    if [v::STRONGROOM_NEXT_WRAPPER, v::STRONGROOM_SOCKET].contains(&key) {
        return Some(
            "is read by /opt/strongroom/exec, which reads no file: set it as a variable".to_owned(),
        );
    }
    if v::is_known(key) && !key.contains(['=', '\0']) {
        return None;
    }
    Some(match meant(key) {
        Some(meant) => format!("is no setting of this version: did you mean {meant}?"),
        None if reference::parse(&pair.value).is_ok_and(|template| template.is_some()) => format!(
            "is no setting: for a secret in a variable write a [[secret]] with variable = \"{key}\""
        ),
        None => "is no setting of this version: check its spelling in docs/variables.md".to_owned(),
    })
}

fn meant(key: &str) -> Option<String> {
    let twin = key.strip_prefix("BAO_").map(|name| format!("VAULT_{name}"));
    twin.filter(|name| v::is_known(name))
        .or_else(|| spelling::nearest(key, v::names()).map(str::to_owned))
}

/// A file that is wrong in more places is something else than a settings file.
const MOST_ERRORS: usize = 100;

const BY_LAMBDA: [&str; 5] = [
    v::AWS_REGION,
    v::AWS_DEFAULT_REGION,
    v::AWS_ACCESS_KEY_ID,
    v::AWS_SECRET_ACCESS_KEY,
    v::AWS_SESSION_TOKEN,
];
