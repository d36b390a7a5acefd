//! What a run has to prove, and whether it did.

/// One thing that must hold.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// What holds, or why it does not; never a secret's value.
    pub(crate) detail: String,
    pub(crate) name: &'static str,
    pub(crate) ok: bool,
}

/// Every check so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<Check>);

impl Checks {
    /// Notes what came of a check: the words for it, either way.
    pub(crate) fn add(&mut self, name: &'static str, outcome: Result<String, String>) {
        let ok = outcome.is_ok();
        let detail = outcome.unwrap_or_else(|why_not| why_not);
        self.0.push(Check { detail, name, ok });
    }

    pub(crate) fn all(&self) -> &[Check] {
        &self.0
    }

    pub(crate) fn all_hold(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|check| check.ok)
    }
}

/// Several things that must hold together.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    broken: Vec<String>,
    held: Vec<String>,
}

impl Claims {
    /// Claims that something holds; `told` says what was seen instead, if it does not.
    pub(crate) fn that(&mut self, holds: bool, what: impl Into<String>, told: impl Into<String>) {
        if holds {
            self.held.push(what.into());
        } else {
            self.broken.push(format!("not so: {} ({})", what.into(), told.into()));
        }
    }

    /// All that held, or all that did not.
    pub(crate) fn outcome(self) -> Result<String, String> {
        if self.broken.is_empty() { Ok(self.held.join("; ")) } else { Err(self.broken.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_claim_breaks_the_check_and_is_named() {
        let mut claims = Claims::default();
        claims.that(true, "water is wet", "");
        claims.that(false, "fire is cold", "it was hot");
        let mut checks = Checks::default();
        checks.add("elements", claims.outcome());
        assert!(!checks.all_hold());
        assert_eq!(checks.all()[0].detail, "not so: fire is cold (it was hot)");
    }

    #[test]
    fn nothing_checked_is_nothing_proved() {
        assert!(!Checks::default().all_hold());
    }
}
