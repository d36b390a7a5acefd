//! What the wrapper is told by its environment, read once.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use strongroom_core::settings::{LogFormat, variables as v};
use strongroom_core::wrapper::DEFAULT_SOCKET;
use strongroom_core::{duration, reference, wrapper};

/// What of the environment matters to the wrapper.
#[derive(Debug)]
pub(crate) struct Told {
    /// How lines on standard error look.
    pub(crate) log_format: LogFormat,
    /// Another wrapper, to be executed in place of the program.
    pub(crate) next_wrapper: Option<OsString>,
    /// How long the extension's answer may take.
    pub(crate) patience: Duration,
    /// Names of the variables that refer to secrets, or mean to.
    pub(crate) references: Vec<String>,
    /// Host and port of Lambda's Runtime API.
    pub(crate) runtime_api: Option<String>,
    /// Where the extension listens.
    pub(crate) socket: PathBuf,
}

impl Told {
    /// Reads `variables`. An empty value is unset. What is wrong with one is for the extension to report, which checks
    /// all of them.
    pub(crate) fn by(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut told = Self {
            log_format: LogFormat::Text,
            next_wrapper: None,
            patience: Duration::ZERO,
            references: Vec::new(),
            runtime_api: None,
            socket: PathBuf::from(DEFAULT_SOCKET),
        };
        let (mut init_timeout, mut initialization_type) = (None, None);
        for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
            let Some(name) = name.to_str() else { continue };
            match (name, value.to_str()) {
                (v::STRONGROOM_SOCKET, _) => told.socket = value.into(),
                (v::STRONGROOM_NEXT_WRAPPER, _) => told.next_wrapper = Some(value),
                (v::STRONGROOM_INIT_TIMEOUT, Some(text)) => {
                    init_timeout = duration::above_zero(text.trim())
                }
                (v::AWS_LAMBDA_INITIALIZATION_TYPE, Some(text)) => {
                    initialization_type = Some(text.to_owned());
                }
                (v::AWS_LAMBDA_LOG_FORMAT, Some(text)) if text.eq_ignore_ascii_case("json") => {
                    told.log_format = LogFormat::Json;
                }
                (v::AWS_LAMBDA_RUNTIME_API, Some(text)) => told.runtime_api = Some(text.to_owned()),
                // The extension reads variables that are UTF-8, and so do we.
                (_, Some(text)) if refers(name, text) => told.references.push(name.to_owned()),
                _ => {}
            }
        }
        let init_timeout = init_timeout
            .unwrap_or_else(|| wrapper::default_init_timeout(initialization_type.as_deref()));
        told.patience = init_timeout.min(LONGEST_INIT) + AFTER_INIT;
        told
    }

    /// Of these, those that are to be set: not what has a value already that is no reference, be it that a start-up
    /// script has given it, or another wrapper before us.
    pub(crate) fn to_be_set<'a>(
        &self,
        mut variables: Vec<(&'a OsStr, &'a OsStr)>,
    ) -> Vec<(&'a OsStr, &'a OsStr)> {
        variables.retain(|(name, _)| {
            self.references.iter().any(|reference| *name == reference.as_str())
                || std::env::var_os(name).is_none_or(|value| value.is_empty())
        });
        variables
    }

    /// The first variable that refers to a secret and that `variables` do not set.
    pub(crate) fn first_without(&self, variables: &[(&OsStr, &OsStr)]) -> Option<&str> {
        let is_set = |name: &str| variables.iter().any(|(set, _)| *set == name);
        self.references.iter().map(String::as_str).find(|name| !is_set(name))
    }
}

/// A value that means to be a reference and says too little counts: the extension knows what is wrong with it.
fn refers(name: &str, value: &str) -> bool {
    !matches!(reference::parse(value), Ok(None)) && reference::is_resolvable_name(name)
}

/// Lambda gives no init more: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
const LONGEST_INIT: Duration = Duration::from_secs(15 * 60);
/// The extension answers at the end of its time what it waited for; that answer needs a moment, too.
const AFTER_INIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn told(variables: &[(&str, &str)]) -> Told {
        Told::by(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn nothing_said_is_a_socket_below_tmp_and_nine_seconds() {
        let told = told(&[("STRONGROOM_SOCKET", ""), ("STRONGROOM_NEXT_WRAPPER", "")]);
        assert_eq!(told.socket.to_str(), Some("/tmp/.strongroom/socket"));
        assert_eq!(told.patience, Duration::from_secs(9));
        assert_eq!(told.log_format, LogFormat::Text);
        assert!(told.next_wrapper.is_none() && told.runtime_api.is_none());
    }

    #[test]
    fn the_socket_the_next_wrapper_and_lambda_are_named_by_variables() {
        let told = told(&[
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
            ("STRONGROOM_NEXT_WRAPPER", "/opt/other"),
            ("STRONGROOM_SOCKET", "/tmp/x/y"),
        ]);
        assert_eq!(told.socket.to_str(), Some("/tmp/x/y"));
        assert_eq!(told.next_wrapper.as_deref(), Some("/opt/other".as_ref()));
        assert_eq!(told.runtime_api.as_deref(), Some("127.0.0.1:9001"));
        assert_eq!(told.log_format, LogFormat::Json);
    }

    #[test]
    fn patience_is_the_time_for_init_and_a_second() {
        let check = |timeout: &str, kind: &str, milliseconds| {
            let told = told(&[
                ("AWS_LAMBDA_INITIALIZATION_TYPE", kind),
                ("STRONGROOM_INIT_TIMEOUT", timeout),
            ]);
            assert_eq!(told.patience, Duration::from_millis(milliseconds), "{timeout} {kind}");
        };
        check("", "on-demand", 9_000);
        check("", "provisioned-concurrency", 61_000);
        check("", "snap-start", 61_000);
        check("100ms", "snap-start", 1_100);
        check(" 2s ", "", 3_000);
        check("soon", "", 9_000);
        check("0s", "", 9_000);
        check("-1s", "", 9_000);
        check("2000000h", "", 901_000);
    }

    #[test]
    fn references_are_found_in_variables_that_may_hold_them() {
        let told = told(&[
            ("DB_PASSWORD", "vault:kv/data/app#password"),
            ("URL", "postgres://${vault:kv/data/app#user}@db"),
            ("HALF", "vault:#a"),
            ("AWS_X", "vault:kv/data/app#password"),
            ("STRONGROOM_X", "vault:kv/data/app#password"),
            ("CIPHERTEXT", "vault:v1:abc"),
            ("HOME", "/root"),
        ]);
        assert_eq!(told.references, ["DB_PASSWORD", "URL", "HALF"]);
    }

    #[test]
    fn a_value_that_is_no_text_is_left_alone() {
        let value = OsString::from_vec(b"vault:a#\xff".to_vec());
        assert!(Told::by([("X".into(), value)].into_iter()).references.is_empty());
    }

    #[test]
    fn a_reference_that_was_not_answered_is_named() {
        let told = told(&[("A", "vault:a#b"), ("B", "vault:a#c")]);
        let value = OsStr::new("secret");
        let check = |names: &[&str], expect| {
            let variables: Vec<_> = names.iter().map(|name| (OsStr::new(*name), value)).collect();
            assert_eq!(told.first_without(&variables), expect, "{names:?}");
        };
        check(&["A", "B", "C"], None);
        check(&["A"], Some("B"));
        check(&[], Some("A"));
    }
}
