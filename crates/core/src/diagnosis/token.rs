//! Whether a token is good for what the extension does with it.

use std::time::Duration;

use super::sayings::access;
use super::{Check, Report};

/// What is known of a token.
#[derive(Clone, Debug, Default)]
pub struct TokenProperties {
    /// `service` or `batch`.
    pub kind: String,
    /// Seconds that it lives; zero for ever.
    pub ttl: u64,
    /// Seconds beyond which no renewal helps; zero for none.
    pub explicit_max_ttl: u64,
    /// Requests that it is good for; zero for any number.
    pub uses: u64,
    /// Seconds by which each renewal prolongs it for ever; zero if it is not so.
    pub period: u64,
    /// Whether it may be renewed, as far as its role says.
    pub is_renewable: bool,
    /// The policies on it.
    pub policies: Vec<String>,
    /// Whether a policy lets it renew itself; `None` where there is no telling.
    pub may_renew: Option<bool>,
    /// Whether a policy lets it revoke itself; `None` where there is no telling.
    pub may_revoke: Option<bool>,
}

/// Judges a token by how many secrets are read with it at the start and how long an invocation may take.
pub fn judge_token(
    report: &mut Report,
    token: &TokenProperties,
    reads: usize,
    function_timeout: Option<Duration>,
) {
    report.holds(Check::Token, "{0}", &[&described(token)]);
    if token.uses > 0 {
        let found = [token.uses.to_string(), reads.to_string()];
        report.warning(&access::COUNTED_TOKEN, &[&found[0], &found[1]]);
    }
    let limits = [("token_explicit_max_ttl", token.explicit_max_ttl), ("token_ttl", token.ttl)];
    let invocation = function_timeout.map_or(0, |timeout| timeout.as_secs());
    if let Some((name, seconds)) =
        limits.into_iter().find(|(_, seconds)| *seconds > 0 && *seconds < invocation)
    {
        let found = [name, &seconds.to_string(), &invocation.to_string()];
        report.warning(&access::SHORT_TOKEN, &found);
    }
    if token.kind == "batch" {
        return;
    }
    if token.is_renewable && token.may_renew == Some(false) {
        report.warning(&access::NO_RENEWAL, &[]);
    }
    if token.may_revoke == Some(false) {
        report.warning(&access::NO_REVOCATION, &[]);
    }
}

fn described(token: &TokenProperties) -> String {
    let mut text = match (token.kind.as_str(), token.ttl) {
        (kind, 0) => format!("{kind} token that does not expire"),
        (kind, ttl) => format!("{kind} token for {ttl} s"),
    };
    if token.period > 0 {
        text.push_str(&format!(", renewed by {} s each time", token.period));
    } else if token.is_renewable {
        text.push_str(", renewable");
    }
    text.push_str(&format!(", policies {}", token.policies.join(", ")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_lacks_is_told() {
        let check = |token: TokenProperties, expect: &[&str]| {
            let mut report = Report::default();
            judge_token(&mut report, &token, 2, Some(Duration::from_secs(900)));
            let told: Vec<_> = report.findings[1..].iter().map(|f| f.came_back.as_str()).collect();
            assert_eq!(told.len(), expect.len(), "{told:?}");
            for (told, expect) in told.iter().zip(expect) {
                assert!(told.contains(expect), "{told}");
            }
        };
        let good = || TokenProperties {
            kind: "service".to_owned(),
            ttl: 3600,
            is_renewable: true,
            policies: vec!["default".to_owned()],
            may_renew: Some(true),
            may_revoke: Some(true),
            ..TokenProperties::default()
        };
        check(good(), &[]);
        check(TokenProperties { ttl: 0, ..good() }, &[]);
        check(TokenProperties { uses: 3, ..good() }, &["token_num_uses=3"]);
        check(TokenProperties { ttl: 60, ..good() }, &["token_ttl is 60 s"]);
        let max = TokenProperties { ttl: 60, explicit_max_ttl: 120, ..good() };
        check(max, &["token_explicit_max_ttl is 120 s"]);
        let bare = TokenProperties { may_renew: Some(false), may_revoke: Some(false), ..good() };
        check(bare.clone(), &["renew-self", "revoke-self"]);
        check(TokenProperties { kind: "batch".to_owned(), ..bare }, &[]);
        check(TokenProperties { may_renew: None, may_revoke: None, ..good() }, &[]);
    }
}
