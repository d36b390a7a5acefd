//! The IAM principals that may log in, as their ARNs name them.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Principal {
    Role,
    User,
}

#[derive(Clone, Debug)]
pub(in crate::vault) struct Arn {
    pub(super) account: String,
    /// The last part of the name, without the IAM path.
    pub(super) friendly_name: String,
    partition: String,
    pub(super) principal: Principal,
    /// Of an assumed role.
    pub(super) session: Option<String>,
}

impl Arn {
    pub(super) fn parse(arn: &str) -> Result<Self, String> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = parts[..] else {
            return Err(format!(
                "unrecognized arn: contains {} colon-separated parts",
                parts.len()
            ));
        };
        let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
        let friendly_name = name.rsplit('/').next().unwrap_or(name);
        let (principal, friendly_name, session) = match (service, kind) {
            ("iam", "user") => (Principal::User, friendly_name, None),
            ("iam", "role") => (Principal::Role, friendly_name, None),
            ("sts", "assumed-role") => {
                let (role, session) =
                    name.split_once('/').ok_or("unrecognized arn: no session name")?;
                (Principal::Role, role, Some(session.to_owned()))
            }
            _ => return Err(format!("unrecognized principal type: {kind:?}")),
        };
        if friendly_name.is_empty() {
            return Err("unrecognized arn: no name".to_owned());
        }
        Ok(Self {
            account: account.to_owned(),
            friendly_name: friendly_name.to_owned(),
            partition: partition.to_owned(),
            principal,
            session,
        })
    }

    /// Without path and session: the form that a role without resolved ids is compared with.
    pub(super) fn canonical(&self) -> String {
        let kind = match self.principal {
            Principal::Role => "role",
            Principal::User => "user",
        };
        format!("arn:{}:iam::{}:{kind}/{}", self.partition, self.account, self.friendly_name)
    }
}
