//! What is known of the exec wrapper before it asks, and what to do if it never does.

use std::path::Path;

use strongroom_core::settings::{Environment, Waits, variables as v};

/// What is known of the exec wrapper.
pub(super) struct Wrapper {
    /// Whether it holds the function back until its secrets are there.
    pub(super) waits: bool,
    /// Whether the runtime heeds `AWS_LAMBDA_EXEC_WRAPPER`.
    is_heeded: bool,
    configured: Option<String>,
}

impl Wrapper {
    pub(super) fn of(environment: &Environment, waits: Waits) -> Self {
        let configured = environment.value(v::AWS_LAMBDA_EXEC_WRAPPER).map(str::to_owned);
        // AWS's own images have it, whose start-up script is what heeds the variable.
        let is_heeded = waits == Waits::WrapperIfHeeded && Path::new(RUNTIMES_OF_AWS).is_dir();
        Self { waits: waits == Waits::Wrapper || is_heeded, is_heeded, configured }
    }

    /// What to do if none has asked.
    pub(super) fn remedy(&self) -> String {
        match (&self.configured, Path::new(RUNTIMES_OF_AWS).is_dir()) {
            (_, false) => "this runtime does not heed AWS_LAMBDA_EXEC_WRAPPER: have the bootstrap, or the image's \
                           ENTRYPOINT, start the program by /opt/strongroom/exec, as in: exec /opt/strongroom/exec ./app"
                .to_owned(),
            (None, true) => "set AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec".to_owned(),
            (Some(_), true) if self.is_heeded => {
                "/opt/strongroom/exec did not find the extension: is STRONGROOM_SOCKET the same for both?".to_owned()
            }
            (Some(other), true) => format!(
                "set AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec and STRONGROOM_NEXT_WRAPPER={other}"
            ),
        }
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html>
pub(crate) const RUNTIMES_OF_AWS: &str = "/var/lang/bin";
