//! Whether a Vault role is bound to an IAM role, as far as ARNs tell.
//! <https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method>

use super::sayings::laptop;
use super::{Check, Report};

/// What a Vault role says of who may log in by it.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// `iam` or `ec2`.
    pub auth_type: String,
    /// `bound_iam_principal_arn`
    pub arns: Vec<String>,
    /// `resolve_aws_unique_ids`
    pub by_unique_id: bool,
}

/// Whom a Vault role is bound to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binds<'a> {
    /// To others.
    Others,
    /// To this role by name.
    Role,
    /// To this role by a wildcard.
    Wildcard(&'a str),
}

impl Binding {
    /// Whether the IAM role of this ARN is bound.
    #[must_use]
    pub fn binds(&self, role: &str) -> Binds<'_> {
        // Without unique ids Vault knows the role by its name alone, as the session's ARN leaves the path out.
        let without_path = role.split_once(":role/").map(|(account, name)| {
            let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
            format!("{account}:role/{name}")
        });
        let is_role = |arn: &String| {
            arn == role || (!self.by_unique_id && Some(arn) == without_path.as_ref())
        };
        if self.arns.iter().any(is_role) {
            return Binds::Role;
        }
        let covers =
            |arn: &&String| arn.strip_suffix('*').is_some_and(|begin| role.starts_with(begin));
        self.arns.iter().find(covers).map_or(Binds::Others, |arn| Binds::Wildcard(arn))
    }
}

/// Judges whether the function, which has this IAM role, may log in by the Vault role of this binding.
pub fn judge_binding(report: &mut Report, binding: &Binding, role: Option<&str>) {
    let shown = role.unwrap_or("<the ARN of the function's role>");
    if binding.auth_type != "iam" {
        return report.fault(&laptop::WRONG_TYPE, &[&binding.auth_type, shown]);
    }
    let bound = binding.arns.join(", ");
    match role.map(|role| binding.binds(role)) {
        None => {}
        Some(Binds::Role) => report.holds(Check::RoleBinding, "it is bound to {0}", &[shown]),
        Some(Binds::Wildcard(arn)) => {
            report.holds(Check::RoleBinding, "it is bound to {0}, which covers {1}", &[arn, shown]);
        }
        Some(Binds::Others) => {
            let is_session = binding.arns.iter().any(|arn| arn.contains(":assumed-role/"));
            let saying = if is_session { &laptop::SESSION_BOUND } else { &laptop::NOT_BOUND };
            report.fault(saying, &[&bound, shown]);
        }
    }
    if let Some(arn) = binding.arns.iter().find(|arn| arn.contains('*')) {
        report.warning(&laptop::WILDCARD_BOUND, &[arn, shown]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_bound_by_its_name_or_by_a_wildcard() {
        let role = "arn:aws:iam::123456789012:role/team/app";
        let check = |arn: &str, by_unique_id, expect| {
            let arns = vec!["arn:aws:iam::1:role/x".to_owned(), arn.to_owned()];
            let binding = Binding { auth_type: "iam".to_owned(), arns, by_unique_id };
            assert_eq!(binding.binds(role), expect, "{arn}");
        };
        check(role, true, Binds::Role);
        check("arn:aws:iam::123456789012:role/app", true, Binds::Others);
        check("arn:aws:iam::123456789012:role/app", false, Binds::Role);
        let wildcard = "arn:aws:iam::123456789012:role/team/*";
        check(wildcard, true, Binds::Wildcard(wildcard));
        check("arn:aws:iam::123456789012:role/other/*", true, Binds::Others);
        check("arn:aws:sts::123456789012:assumed-role/app/f", true, Binds::Others);
    }
}
