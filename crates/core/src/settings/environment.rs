//! The environment as a map, and what is found wrong with it. Findings never show values.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use zeroize::{Zeroize, Zeroizing};

use super::file::{DEFAULT_PATH, Pair, SettingsFile};
use super::variables::{self as v, Origin};

/// The variables of a process or of a test, and what its settings file adds to them. An empty
/// value is unset.
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Whether any of OpenBao's names is set: most often none is, and then none is looked for.
    has_twins: bool,
    file: Option<File>,
}

/// What is kept of a settings file.
struct File {
    path: String,
    /// The variables that come from it, with their lines, in the order of their names.
    lines: Vec<(String, usize)>,
    /// Those that it gives in vain, as the environment has them, too.
    overridden: Vec<(String, usize)>,
    errors: Vec<Finding>,
    is_whole: bool,
}

impl Environment {
    /// Those of `variables` that are not empty; no name stands there twice.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut set = BTreeMap::new();
        // One by one: to collect them brings a sort of its own, 6 KB of the layer.
        for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
            set.insert(name, value);
        }
        let has_twins =
            set.range(TWIN.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(TWIN));
        Self { variables: set, has_twins, file: None }
    }

    /// The same with what the settings file says: the one that `STRONGROOM_CONFIG` names, or the
    /// default one if it is there. `read` gives the content of the file at a path, or at least
    /// so many bytes of it. Mistakes in the file are findings of [`parse()`](super::parse()).
    pub fn with_settings_file(self, read: impl FnOnce(&str, usize) -> io::Result<Vec<u8>>) -> Self {
        let named = self.trimmed(v::STRONGROOM_CONFIG);
        let path = named.unwrap_or(DEFAULT_PATH);
        let file = match read(path, SettingsFile::MAXIMUM_SIZE + 1).map(Zeroizing::new) {
            Ok(content) => SettingsFile::parse(path, &content),
            Err(error) if named.is_none() && is_absence(&error) => return self,
            Err(error) => SettingsFile::unreadable(path, &error.to_string()),
        };
        self.with_file(file)
    }

    /// The same with what `file` says of variables that are unset.
    pub fn with_file(mut self, file: SettingsFile) -> Self {
        let SettingsFile { path, variables, errors, is_whole } = file;
        let (mut lines, mut overridden) = (Vec::new(), Vec::new());
        for Pair { key, mut value, line } in variables {
            if value.is_empty() {
                continue;
            }
            if self.is_given(&key) {
                overridden.push((key, line));
                continue;
            }
            self.variables.insert(key.clone(), std::mem::take(&mut *value));
            lines.push((key, line));
        }
        self.file = Some(File { path, lines, overridden, errors, is_whole });
        self
    }

    /// The same without the variable `name`.
    pub fn without(mut self, name: &str) -> Self {
        if let Some(mut value) = self.variables.remove(name) {
            value.zeroize();
        }
        self
    }

    /// The value of `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The value of `name` without blanks around it.
    pub fn trimmed(&self, name: &str) -> Option<&str> {
        self.value(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The value of a Vault client's variable, or of its OpenBao twin.
    pub fn client(&self, name: &str) -> Option<&str> {
        self.value(name).or_else(|| {
            let twin = name.strip_prefix("VAULT_").filter(|_| self.has_twins)?;
            self.value(&format!("{TWIN}{twin}"))
        })
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Where in the settings file `name` is set; `None` if it does not come from there.
    pub fn place(&self, name: &str) -> Option<Place> {
        let file = self.file.as_ref()?;
        let at = file.lines.binary_search_by(|(set, _)| set.as_str().cmp(name)).ok()?;
        Some(Place { file: file.path.clone(), line: file.lines[at].1 })
    }

    /// What the settings file gives in vain, as the environment has it, too.
    pub fn overridden(&self) -> impl Iterator<Item = (&str, Place)> {
        self.file.iter().flat_map(|file| {
            let place = |line: &usize| Place { file: file.path.clone(), line: *line };
            file.overridden.iter().map(move |(name, line)| (name.as_str(), place(line)))
        })
    }

    /// The file that was read, if one was.
    pub fn settings_file(&self) -> Option<&str> {
        self.file.as_ref().map(|file| file.path.as_str())
    }

    /// Says of each finding where in the settings file its variable is set.
    pub(super) fn locate(&self, found: &mut Findings) {
        for finding in found.errors.iter_mut().chain(&mut found.warnings) {
            finding.place = self.place(&finding.variable);
        }
    }

    /// `found` with its places, and with what is wrong in the settings file itself.
    pub(super) fn with_errors_of_file(&self, mut found: Findings) -> Findings {
        let Some(file) = &self.file else { return found };
        if !file.is_whole {
            // What it would have set is unknown: whatever else seems wrong may not be.
            return Findings { errors: file.errors.clone(), warnings: Vec::new() };
        }
        self.locate(&mut found);
        // A value that was refused is not missing.
        let is_refused = |name: &str| file.errors.iter().any(|error| error.variable == name);
        found.errors.retain(|finding| !is_refused(&finding.variable));
        let mut errors = file.errors.clone();
        errors.append(&mut found.errors);
        Findings { errors, ..found }
    }

    /// Names that begin with `prefix`, in order.
    pub fn names_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables
            .range(prefix.to_owned()..)
            .map(|(name, _)| name.as_str())
            .take_while(move |name| name.starts_with(prefix))
    }

    /// Whether `name` is set, be it by its OpenBao twin.
    fn is_given(&self, name: &str) -> bool {
        let has_twin = || v::DECLARED.contains(&(Origin::VaultClient, name));
        self.value(name).is_some() || (self.client(name).is_some() && has_twin())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.variables.values_mut().for_each(Zeroize::zeroize);
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// How OpenBao's names begin.
const TWIN: &str = "BAO_";

/// A line of a settings file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The path of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One thing that is wrong with a variable or in the settings file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The variable, or what else of the settings file; empty if it is the line itself.
    pub variable: String,
    /// What is wrong, what follows from it, and what to do.
    pub problem: String,
    /// Where, if it is in the settings file.
    pub place: Option<Place>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.variable.is_empty() {
            write!(f, "{} ", self.variable)?;
        }
        f.write_str(&self.problem)
    }
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub struct Findings {
    /// What makes a start impossible.
    pub errors: Vec<Finding>,
    /// What was tolerated, as the incumbent does.
    pub warnings: Vec<Finding>,
}

impl Findings {
    pub(super) fn error(&mut self, variable: impl Into<String>, problem: impl Into<String>) {
        let (variable, problem) = (variable.into(), problem.into());
        self.errors.push(Finding { variable, problem, place: None });
    }

    pub(super) fn warning(&mut self, variable: impl Into<String>, problem: impl Into<String>) {
        let (variable, problem) = (variable.into(), problem.into());
        self.warnings.push(Finding { variable, problem, place: None });
    }
}
