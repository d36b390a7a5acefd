//! The environment as a map, and what is found wrong with it. Findings never show values.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroize;

/// The variables of a process or of a test. An empty value is unset.
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Whether any of OpenBao's names is set: most often none is, and then none is looked for.
    has_twins: bool,
}

impl Environment {
    /// Those of `variables` that are not empty.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut variables: BTreeMap<_, _> = variables.into_iter().collect();
        variables.retain(|_, value| !value.is_empty());
        let has_twins = variables
            .range(TWIN.to_owned()..)
            .next()
            .is_some_and(|(name, _)| name.starts_with(TWIN));
        Self { variables, has_twins }
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

    /// Names that begin with `prefix`, in order.
    pub fn names_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables
            .range(prefix.to_owned()..)
            .map(|(name, _)| name.as_str())
            .take_while(move |name| name.starts_with(prefix))
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

/// How OpenBao's names begin.
const TWIN: &str = "BAO_";

/// One thing that is wrong with a variable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The variable.
    pub variable: String,
    /// What is wrong, what follows from it, and what to do.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.problem)
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
        self.errors.push(Finding { variable: variable.into(), problem: problem.into() });
    }

    pub(super) fn warning(&mut self, variable: impl Into<String>, problem: impl Into<String>) {
        self.warnings.push(Finding { variable: variable.into(), problem: problem.into() });
    }
}
