//! What the extension would say of its variables.

use super::sayings::{Saying, sandbox};
use super::{Check, Outcome, Report};
use crate::settings::{self, Environment, Finding, Settings};

/// Parses them as the extension does; with a fault there are no settings.
pub fn judge_variables(report: &mut Report, environment: &Environment) -> Option<Settings> {
    let (_, found_for_log) = settings::log(environment);
    let (settings, found) = settings::parse(environment);
    if let Some(Settings { vault, files, references, .. }) = &settings {
        let found =
            [vault.address.to_string(), files.len().to_string(), references.len().to_string()];
        let text = "Vault is at {0}; secrets: {1} in files, {2} in variables";
        report.holds(Check::Variables, text, &[&found[0], &found[1], &found[2]]);
    }
    for warning in found_for_log.warnings.iter().chain(&found.warnings) {
        say(report, Outcome::Warning, &sandbox::TOLERATED_VARIABLE, warning);
    }
    for error in &found.errors {
        say(report, Outcome::Fault, &sandbox::WRONG_VARIABLE, error);
    }
    settings
}

fn say(report: &mut Report, outcome: Outcome, saying: &Saying, finding: &Finding) {
    let name = match finding.variable.as_str() {
        "" => "the settings file",
        name => name,
    };
    let place = finding.place.as_ref().map(|place| format!("{name}, {place}"));
    report.say(outcome, saying, &[place.as_deref().unwrap_or(name), name, &finding.problem]);
}

#[cfg(test)]
mod tests {
    use super::super::Outcome::{Fault, Holds, Warning};
    use super::*;

    #[test]
    fn mistakes_are_told_by_name_and_never_by_value() {
        let variables = [
            ("VAULT_ADDR", "https://vault.example.com"),
            ("VAULT_AUTH_PROVIDER", "aws"),
            ("VAULT_AUTH_ROLE", "app"),
        ];
        let check = |more: &[(&str, &str)], expect: &[(super::super::Outcome, &str)]| {
            let all = variables.iter().chain(more);
            let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let mut report = Report::default();
            let settings = judge_variables(&mut report, &Environment::new(all));
            assert_eq!(settings.is_some(), report.count(Fault) == 0);
            assert_eq!(report.findings.len(), expect.len(), "{report:?}");
            for (found, (outcome, words)) in report.findings.iter().zip(expect) {
                assert_eq!(found.outcome, *outcome);
                assert!(found.came_back.contains(words), "{found:?}");
                assert!(!format!("{found:?}").contains("canary"));
            }
        };
        check(&[], &[(Holds, "https://vault.example.com")]);
        check(
            &[("VAULT_RUN_MODE", "canary")],
            &[(Holds, ""), (Warning, "VAULT_RUN_MODE is none of")],
        );
        check(&[("STRONGROOM_REVOKE", "canary")], &[(Fault, "STRONGROOM_REVOKE is none of")]);
    }
}
