//! How Lambda prepares an execution environment, from `AWS_LAMBDA_INITIALIZATION_TYPE`.
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>

/// The variable that names the initialization type.
pub const VARIABLE: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";

/// How the environment came to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum InitializationType {
    /// Several invocations at once on an instance of the customer's; never frozen.
    ManagedInstances,
    /// At the first invocation; ten seconds for all of init.
    #[default]
    OnDemand,
    /// Ahead of invocations; up to 15 minutes for init.
    ProvisionedConcurrency,
    /// Once, then a snapshot is taken and restored many times.
    SnapStart,
}

impl InitializationType {
    /// The type that `value` of [`VARIABLE`] names; what Lambda may add later counts as on demand.
    pub fn from_variable(value: &str) -> Self {
        match value {
            "lambda-managed-instances" => Self::ManagedInstances,
            "provisioned-concurrency" => Self::ProvisionedConcurrency,
            "snap-start" => Self::SnapStart,
            _ => Self::OnDemand,
        }
    }

    /// The value of [`VARIABLE`] for this type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ManagedInstances => "lambda-managed-instances",
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart => "snap-start",
        }
    }
}
