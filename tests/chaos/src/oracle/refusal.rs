//! Why the local Vault API said no, and which troubles explain it.

use serde_json::Value;

/// Why there is no answer, in the words of the answer that there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// 429.
    Busy,
    /// The connection could not be made, or broke.
    Connection,
    /// The circuit is open.
    Circuit,
    /// The environment stood still.
    Frozen,
    /// There was no answer in time.
    Late,
    /// Vault is sealed, or says that it cannot.
    Sealed,
    /// The token is dead.
    Token,
}

/// Words by which a cause is told; the first that fit count.
const WORDS: [(&str, Cause); 14] = [
    ("requests fail at once", Cause::Circuit),
    ("was frozen meanwhile", Cause::Frozen),
    ("no answer in time", Cause::Late),
    ("Vault is sealed", Cause::Sealed),
    ("rate limit quota", Cause::Busy),
    ("broke before the answer", Cause::Connection),
    ("answer broke off", Cause::Connection),
    ("cannot connect", Cause::Connection),
    ("cannot reach", Cause::Connection),
    ("connection", Cause::Connection),
    ("invalid token", Cause::Token),
    ("permission denied", Cause::Token),
    ("lease expired", Cause::Token),
    ("context canceled", Cause::Sealed),
];

impl Cause {
    /// The cause, if the answer has one in Vault's form.
    pub(super) fn of(status: u16, body: &str) -> Option<Self> {
        debug_assert!(status >= 400, "{status} is no refusal");
        let body: Value = serde_json::from_str(body).ok()?;
        let errors = body["errors"].as_array()?;
        let said = errors.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join("; ");
        WORDS.iter().find(|(words, _)| said.contains(words)).map(|(_, cause)| *cause)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Busy => "too many requests",
            Self::Circuit => "Vault is not asked",
            Self::Connection => "the connection failed",
            Self::Frozen => "the environment was frozen",
            Self::Late => "no answer in time",
            Self::Sealed => "Vault is sealed",
            Self::Token => "the token is dead",
        }
    }

    /// Kinds of troubles of which one must have been there.
    pub(super) fn troubles(self) -> &'static [&'static str] {
        match self {
            Self::Busy => &["429"],
            Self::Circuit => crate::plan::Trouble::OUTAGES,
            Self::Connection => &[
                "connections reset",
                "crash of Vault",
                "dead connections",
                "freeze",
                "half an answer",
                "reset",
                "sleep",
            ],
            Self::Frozen => &["freeze", "sleep", "clock set back"],
            Self::Late => &[
                "429",
                "503",
                "crash of Vault",
                "dead connections",
                "freeze",
                "half an answer",
                "latency",
                "reset",
                "seal",
                "silence",
                "sleep",
            ],
            Self::Sealed => &["503", "crash of Vault", "seal"],
            Self::Token => &["tokens revoked"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_vaults_form_has_no_cause() {
        assert_eq!(Cause::of(503, "Vault is sealed"), None);
        assert_eq!(Cause::of(503, r#"{"errors":[]}"#), None);
        assert_eq!(Cause::of(503, r#"{"errors":["Vault is sealed"]}"#), Some(Cause::Sealed));
        assert_eq!(Cause::of(500, r#"{"errors":["something else"]}"#), None);
    }
}
