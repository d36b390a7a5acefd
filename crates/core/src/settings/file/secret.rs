//! A `[[secret]]` of the settings file, turned into the variables that say the same.

use zeroize::Zeroizing;

use super::toml::{Mistake, Pair, SecretTable};
use crate::reference::{self, SecretId};
use crate::settings::spelling;
use crate::settings::variables as v;

/// What may stand in one, whichever way it goes.
const KEYS: [&str; 9] =
    ["default", "field", "file", "format", "mode", "name", "path", "variable", "version"];

/// The variables of the entry at `position`, which is its name unless it says another.
pub(super) fn variables(
    position: usize,
    table: SecretTable,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Pair> {
    let mut entry = Entry { line: table.line, pairs: Vec::new(), mistakes };
    table.pairs.into_iter().for_each(|pair| entry.keep(pair));
    let Some(path) = entry.take("path") else {
        entry.refuse_whole("has no path: write for example path = \"kv/data/app\"");
        return Vec::new();
    };
    let (found, way) = match (entry.take("file"), entry.take("variable")) {
        (Some(file), None) => (entry.file(position, path, file), "file"),
        (None, Some(variable)) => (entry.variable(&path, variable), "variable"),
        (None, None) => {
            entry.refuse_whole("goes nowhere: write file = \"...\" or variable = \"...\"");
            return Vec::new();
        }
        (Some(_), Some(_)) => {
            entry.refuse_whole("has both file and variable: write a [[secret]] for each");
            return Vec::new();
        }
    };
    for Pair { key, line, .. } in std::mem::take(&mut entry.pairs) {
        entry.refuse(line, &key, &format!("means nothing in a [[secret]] with {way}"));
    }
    found
}

struct Entry<'a> {
    line: usize,
    /// What nobody has asked for yet.
    pairs: Vec<Pair>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Entry<'_> {
    fn keep(&mut self, pair: Pair) {
        if !KEYS.contains(&pair.key.as_str()) {
            let problem = match spelling::nearest(&pair.key, KEYS) {
                Some(near) => format!("is no key of [[secret]]: did you mean {near}?"),
                None => format!("is no key of [[secret]]: it has {}", KEYS.join(", ")),
            };
            self.refuse(pair.line, &pair.key, &problem);
        } else if let Some(first) = self.pairs.iter().find(|other| other.key == pair.key) {
            let problem = format!("is set twice: first on line {}", first.line);
            self.refuse(pair.line, &pair.key, &problem);
        } else {
            self.pairs.push(pair);
        }
    }

    /// The value of `key`, which may be empty for a default only.
    fn take(&mut self, key: &str) -> Option<Pair> {
        let index = self.pairs.iter().position(|pair| pair.key == key)?;
        let pair = self.pairs.swap_remove(index);
        (key == "default" || !pair.value.trim().is_empty()).then_some(pair)
    }

    fn file(&mut self, position: usize, path: Pair, file: Pair) -> Vec<Pair> {
        let name = match self.take("name") {
            None => position.to_string(),
            Some(name) if name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                name.value.to_ascii_uppercase()
            }
            Some(name) => {
                self.refuse(name.line, "name", "may hold letters, digits and underscores only");
                return Vec::new();
            }
        };
        let (format, mode) = (self.take("format"), self.take("mode"));
        [
            (v::VAULT_SECRET_PATH_NAMED, Some(path)),
            (v::VAULT_SECRET_FILE_NAMED, Some(file)),
            (v::STRONGROOM_FILE_FORMAT_NAMED, format),
            (v::STRONGROOM_FILE_MODE_NAMED, mode),
        ]
        .into_iter()
        .filter_map(|(pattern, pair)| Some(Pair { key: pattern.replace("<NAME>", &name), ..pair? }))
        .collect()
    }

    fn variable(&mut self, path: &Pair, variable: Pair) -> Vec<Pair> {
        let (field, version, default) =
            (self.take("field"), self.take("version"), self.take("default"));
        let Some(field) = field else {
            self.refuse_whole("has no field: a variable holds one, or with field = \"*\" all");
            return Vec::new();
        };
        let name = variable.value.to_string();
        if name.contains(['=', '\0']) || !reference::is_resolvable_name(&name) {
            self.refuse(variable.line, "variable", UNRESOLVABLE);
            return Vec::new();
        }
        let mut secret = SecretId::newest(path.value.trim());
        if let Some(version) = version {
            secret.version = version.value.parse().ok().filter(|version| *version > 0);
            if secret.version.is_none() {
                self.refuse(version.line, "version", "is no number above zero");
                return Vec::new();
            }
        }
        let default = default.as_ref().map(|default| default.value.as_str());
        let value = Zeroizing::new(reference::write(&secret, &field.value, default));
        if !means(&value, &secret, &field.value, default) {
            self.refuse_whole("cannot be written as a reference: a part of it ends with a backslash or holds ${vault:");
            return Vec::new();
        }
        vec![Pair { key: name, value, line: variable.line }]
    }

    fn refuse(&mut self, line: usize, subject: &str, problem: &str) {
        self.mistakes.push(Mistake {
            line,
            subject: subject.to_owned(),
            problem: problem.to_owned(),
        });
    }

    fn refuse_whole(&mut self, problem: &str) {
        self.refuse(self.line, "[[secret]]", problem);
    }
}

/// Whether `value` is read as what it was written for.
fn means(value: &str, secret: &SecretId, field: &str, default: Option<&str>) -> bool {
    let Ok(Some(template)) = reference::parse(value) else { return false };
    let mut references = template.references();
    let is_same = references.next().is_some_and(|read| {
        read.secret == *secret
            && read.field.to_string() == field
            && read.default.as_ref().map(|default| default.as_str()) == default
    });
    is_same && references.next().is_none()
}

const UNRESOLVABLE: &str = "is no name for a variable that holds a secret: those of AWS, Vault and \
                            Strongroom are never resolved";
