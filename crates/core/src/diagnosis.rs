//! What was found out about the chain from a function to its secrets, link by link, and what is said of it.
//!
//! Here are the judgements that need nothing but what is handed to them; who asks the network is `strongroom-vault`. No
//! finding holds a secret: fields are named, values are not.

mod binding;
mod clock;
mod layer;
pub mod sayings;
mod time_outs;
mod token;
mod variables;
mod wanted;
mod wrapper;

use std::fmt;

use sayings::Saying;

pub use binding::{Binding, Binds, judge_binding};
pub use clock::judge_clock;
pub use layer::{Architecture, Entry, HEAD, judge_layer};
pub use time_outs::{TimeOuts, judge_time_outs};
pub use token::{TokenProperties, judge_token};
pub use variables::judge_variables;
pub use wanted::Wanted;
pub use wrapper::{Runtime, WrapperSetting, judge_wrapper};

/// A link of the chain.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Check {
    /// What the extension is told.
    Variables,
    /// What it logs in with.
    Credentials,
    /// The name of Vault's host.
    Dns,
    /// A forward proxy before Vault.
    ForwardProxy,
    /// The connection to it.
    Tcp,
    /// Who answers there.
    Tls,
    /// Whether Vault is one that can be asked.
    Health,
    /// What time it is.
    Clock,
    /// The auth method.
    AuthMount,
    /// Vault's namespace.
    Namespace,
    /// The region that the login is signed for.
    Region,
    /// The login.
    Login,
    /// Who may log in by the Vault role.
    RoleBinding,
    /// What the token is good for.
    Token,
    /// The secrets engine of a path.
    Mount,
    /// Whether a path may be read.
    Policy,
    /// What is there.
    Secret,
    /// What of it is asked for.
    Field,
    /// The layer's files.
    Layer,
    /// The exec wrapper.
    Wrapper,
    /// What may take how long.
    TimeOuts,
}

impl Check {
    /// All of them, in the order of the chain.
    pub const ALL: [Self; 21] = [
        Self::Variables,
        Self::Credentials,
        Self::Dns,
        Self::ForwardProxy,
        Self::Tcp,
        Self::Tls,
        Self::Health,
        Self::Clock,
        Self::AuthMount,
        Self::Namespace,
        Self::Region,
        Self::Login,
        Self::RoleBinding,
        Self::Token,
        Self::Mount,
        Self::Policy,
        Self::Secret,
        Self::Field,
        Self::Layer,
        Self::Wrapper,
        Self::TimeOuts,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthMount => "auth-mount",
            Self::Clock => "clock",
            Self::Credentials => "credentials",
            Self::Dns => "dns",
            Self::Field => "field",
            Self::ForwardProxy => "forward-proxy",
            Self::Health => "health",
            Self::Layer => "layer",
            Self::Login => "login",
            Self::Mount => "mount",
            Self::Namespace => "namespace",
            Self::Policy => "policy",
            Self::Region => "region",
            Self::RoleBinding => "role-binding",
            Self::Secret => "secret",
            Self::Tcp => "tcp",
            Self::TimeOuts => "time-outs",
            Self::Tls => "tls",
            Self::Token => "token",
            Self::Variables => "variables",
            Self::Wrapper => "wrapper",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a check went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// This link is broken.
    Fault,
    /// This link holds.
    Holds,
    /// It could not be looked at.
    NotMade,
    /// It holds, and may surprise.
    Warning,
}

impl Outcome {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fault => "FAULT",
            Self::Holds => "ok",
            Self::NotMade => "-",
            Self::Warning => "warn",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The link.
    pub check: Check,
    /// How it went.
    pub outcome: Outcome,
    /// What was tried; empty where that is plain from `came_back`.
    pub tried: String,
    /// What came back.
    pub came_back: String,
    /// What that means; empty where nothing is amiss.
    pub means: String,
    /// What to type; empty where nothing is amiss.
    pub remedy: String,
}

/// All findings, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The link holds, as `came_back`, with `found` in its places, says.
    pub fn holds(&mut self, check: Check, came_back: &'static str, found: &[&str]) {
        self.say(
            Outcome::Holds,
            &Saying { check, tried: "", came_back, means: "", remedy: "" },
            found,
        );
    }

    /// The link holds, and may surprise.
    pub fn warning(&mut self, saying: &Saying, found: &[&str]) {
        self.say(Outcome::Warning, saying, found);
    }

    /// The link is broken.
    pub fn fault(&mut self, saying: &Saying, found: &[&str]) {
        self.say(Outcome::Fault, saying, found);
    }

    /// The link was not looked at, for the reason that `came_back`, with `found` in its places, says.
    pub fn not_made(&mut self, check: Check, came_back: &'static str, found: &[&str]) {
        self.say(
            Outcome::NotMade,
            &Saying { check, tried: "", came_back, means: "", remedy: "" },
            found,
        );
    }

    /// Says something of a link.
    pub fn say(&mut self, outcome: Outcome, saying: &Saying, found: &[&str]) {
        let filled = |template| sayings::filled(template, found);
        self.findings.push(Finding {
            check: saying.check,
            outcome,
            tried: filled(saying.tried),
            came_back: filled(saying.came_back),
            means: filled(saying.means),
            remedy: filled(saying.remedy),
        });
    }

    /// Puts mount and role of the login in their places.
    pub fn name_login(&mut self, mount: &str, role: &str) {
        for Finding { tried, means, remedy, .. } in &mut self.findings {
            for text in [tried, means, remedy] {
                *text = text.replace("<mount>", mount).replace("<role>", role);
            }
        }
    }

    /// Whether something was said of this link.
    pub fn has(&self, check: Check) -> bool {
        self.findings.iter().any(|finding| finding.check == check)
    }

    /// How many findings are of this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }
}

impl AsMut<Self> for Report {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

/// What is said of the login where the variables are such that there is no telling.
pub const NOTHING_OF_VAULT: &str =
    "not looked at, nor anything else of Vault, as variables comes first";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_has_a_name_of_its_own_and_its_place() {
        let mut names: Vec<_> = Check::ALL.iter().map(|check| check.name()).collect();
        assert!(Check::ALL.is_sorted());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Check::ALL.len());
    }
}
