//! Why the process ends early, in the words of the one who has to mend it.

pub(crate) use strongroom_core::failure::Category;
use strongroom_vault::error::{Error as VaultError, Kind, chain};

/// Why the process ends early.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// Whose matter it is.
    pub(crate) category: Category,
    /// What was attempted, on what, and what came back.
    pub(crate) message: String,
    /// The next step.
    pub(crate) hint: Option<String>,
    /// Whether Vault, or the way to it, is out of order.
    pub(crate) is_outage: bool,
}

impl Failure {
    pub(crate) fn new(category: Category, message: impl Into<String>) -> Self {
        Self { category, message: message.into(), hint: None, is_outage: false }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failure of `attempt` because of `error`.
    pub(crate) fn of_vault(attempt: &str, error: &VaultError) -> Self {
        let category = match error.kind() {
            Kind::Aws => Category::Aws,
            Kind::Config => Category::Config,
            Kind::Network => Category::VaultUnreachable,
            Kind::Refused => Category::VaultRefused,
            Kind::Tls => Category::Tls,
        };
        Self {
            category,
            message: format!("{attempt}: {}", chain(error)),
            hint: error.hint(),
            is_outage: error.is_outage(),
        }
    }
}
