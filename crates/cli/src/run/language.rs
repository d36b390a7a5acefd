//! Lambda's runtimes by their names, and what runs each here: an interpreter of this machine with AWS's own runtime
//! interface client.

mod interpreter;
mod java;
mod node;
mod python;

use std::path::Path;
use std::str::FromStr;

use anyhow::Result;
use strongroom_host::Runtime;

use self::interpreter::Interpreter;

/// A runtime, by the name that Lambda knows it by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Language {
    kind: Kind,
    name: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Java { major: u32 },
    Node { major: u32 },
    Provided,
    Python { minor: u32 },
}

/// What was said about what runs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) client: Option<&'a Path>,
    /// Where the code lies, which may bring the client.
    pub(super) code: &'a Path,
    pub(super) interpreter: Option<&'a Path>,
}

impl Language {
    /// A bootstrap of the function's own.
    pub(super) fn provided() -> Self {
        Self { kind: Kind::Provided, name: "provided.al2023".to_owned() }
    }

    /// Whether Lambda has to know what to call.
    pub(super) fn needs_handler(&self) -> bool {
        self.kind != Kind::Provided
    }

    /// Lambda's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Looks for what runs it, and asks it what it is.
    ///
    /// # Errors
    /// It is not there, is of another version, or lacks AWS's client; the message says what to install.
    pub(super) async fn runtime(&self, wanted: Wanted<'_>) -> Result<Runtime> {
        match self.kind {
            Kind::Java { major } => java::runtime(&self.name, major, wanted).await,
            Kind::Node { major } => node::runtime(&self.name, major, wanted).await,
            Kind::Provided => Ok(Runtime::Provided),
            Kind::Python { minor } => python::runtime(minor, wanted).await,
        }
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let kind = if let Some(minor) = name.strip_prefix("python3.") {
            minor.parse().ok().map(|minor| Kind::Python { minor })
        } else if let Some(version) = name.strip_prefix("nodejs") {
            let major = version.strip_suffix(".x").and_then(|major| major.parse().ok());
            major.map(|major| Kind::Node { major })
        } else if let Some(version) = name.strip_prefix("java") {
            let major = version.strip_suffix(".al2").unwrap_or(version).parse().ok();
            major.map(|major| Kind::Java { major })
        } else {
            ["provided", "provided.al2", "provided.al2023"]
                .contains(&name)
                .then_some(Kind::Provided)
        };
        let name = name.to_owned();
        kind.map(|kind| Self { kind, name }).ok_or_else(|| {
            "what can be run here is python3.N, nodejsN.x, javaN and provided.al2023; hint: others run as images \
             under AWS's emulator"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_known_by_lambdas_names() {
        let check = |name: &str, kind: Option<Kind>| {
            assert_eq!(name.parse::<Language>().ok().map(|found| found.kind), kind, "{name}");
        };
        check("python3.12", Some(Kind::Python { minor: 12 }));
        check("nodejs22.x", Some(Kind::Node { major: 22 }));
        check("java8.al2", Some(Kind::Java { major: 8 }));
        check("java21", Some(Kind::Java { major: 21 }));
        check("provided.al2023", Some(Kind::Provided));
        for name in ["python2.7", "python3", "nodejs22", "java", "ruby3.4", "dotnet8", "go1.x", ""]
        {
            check(name, None);
        }
    }
}
