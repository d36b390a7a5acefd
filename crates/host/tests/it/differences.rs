//! Where the host differs from AWS's emulator, on purpose.

use Difference::{HostOnly, Text, Value};

/// One difference, in one scenario or in all (`*`), and why.
#[derive(Debug)]
pub(crate) enum Difference {
    /// The host has `count` records more, from the `first` on.
    HostOnly {
        scenario: &'static str,
        who: &'static str,
        first: usize,
        count: usize,
        reason: &'static str,
    },
    /// Wherever the emulator has one text, the host has another.
    Text {
        scenario: &'static str,
        emulator: &'static str,
        host: &'static str,
        reason: &'static str,
    },
    /// One value.
    Value {
        scenario: &'static str,
        place: &'static str,
        emulator: Option<&'static str>,
        host: Option<&'static str>,
        reason: &'static str,
    },
}

/// All of them.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Text {
        scenario: "*",
        emulator: r#""shutdownReason":"SandboxTerminated""#,
        host: r#""shutdownReason":"spindown""#,
        reason: REASONS,
    },
    Text {
        scenario: "*",
        emulator: r#""shutdownReason":"ReleaseFail""#,
        host: r#""shutdownReason":"failure""#,
        reason: REASONS,
    },
    Text {
        scenario: "*",
        emulator: r#""shutdownReason":"Timeout""#,
        host: r#""shutdownReason":"timeout""#,
        reason: REASONS,
    },
    Value {
        scenario: "registration-refused",
        place: "guard/13/body",
        emulator: Some(
            "{\"functionName\":\"function\",\"functionVersion\":\"$LATEST\",\"handler\":\"probe.handler\"}\n",
        ),
        host: Some(
            "{\"accountId\":\"012345678912\",\"functionName\":\"function\",\"functionVersion\":\"$LATEST\",\"handler\":\"probe.handler\"}\n",
        ),
        reason: "the emulator knows no account; Lambda tells it to extensions that ask",
    },
    Value {
        scenario: "registration-refused",
        place: "guard/2/body",
        emulator: Some(
            "{\"errorMessage\":\"invalid character 'o' in literal null (expecting 'u')\",\"errorType\":\"InvalidRequestFormat\"}\n",
        ),
        host: Some(
            "{\"errorMessage\":\"expected ident at line 1 column 2\",\"errorType\":\"InvalidRequestFormat\"}\n",
        ),
        reason: "the message is that of the JSON parser at work",
    },
    Value {
        scenario: "events",
        place: "bootstrap/1/headers/lambda-runtime-trace-id",
        emulator: None,
        host: Some("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"),
        reason: "the emulator has no X-Ray; Lambda passes the trace on to the runtime",
    },
    Value {
        scenario: "response-mode-that-is-none",
        place: "answers/0/payload",
        emulator: Some("Task timed out after 3.00 seconds"),
        host: Some(""),
        reason: "the emulator overwrites what it had already answered",
    },
    Value {
        scenario: "handler-is-late",
        place: "answers/0/payload",
        emulator: Some("Task timed out after 3.00 seconds"),
        host: Some("{\"errorMessage\":\"<time> <uuid> Task timed out after 3.00 seconds\"}"),
        reason: "the emulator answers in plain text, Lambda in JSON with time and request",
    },
    Value {
        scenario: "extension-is-late",
        place: "answers/0/payload",
        emulator: Some("Task timed out after 3.00 seconds"),
        host: Some("{\"n\":1}"),
        reason: "Lambda answers its caller before extensions are done; the emulator waits",
    },
    Value {
        scenario: "ten-and-one-extensions",
        place: "answers/0/payload",
        emulator: Some(""),
        host: Some(
            "{\"errorType\":\"Extension.LaunchError\",\"errorMessage\":\"RequestId: <uuid> Error: ErrTooManyExtensions\"}",
        ),
        reason: FAILED_INIT,
    },
    Value {
        scenario: "extension-is-not-executable",
        place: "answers/0/payload",
        emulator: Some(""),
        host: Some(
            "{\"errorType\":\"Extension.LaunchError\",\"errorMessage\":\"RequestId: <uuid> Error: fork/exec /opt/extensions/guard: permission denied\"}",
        ),
        reason: FAILED_INIT,
    },
    Value {
        scenario: "extension-init-error",
        place: "answers/0/payload",
        emulator: Some(""),
        host: Some(
            "{\"errorType\":\"Extension.InitError\",\"errorMessage\":\"RequestId: <uuid> Error: exit status 1\"}",
        ),
        reason: FAILED_INIT,
    },
    Value {
        scenario: "extension-init-error",
        place: "calm/1/body",
        emulator: Some(SPINDOWN),
        host: Some(FAILURE),
        reason: REASONS,
    },
    HostOnly {
        scenario: "extension-init-error",
        who: "calm",
        first: 2,
        count: 2,
        reason: FAILED_INIT,
    },
    HostOnly {
        scenario: "extension-init-error",
        who: "guard",
        first: 5,
        count: 5,
        reason: FAILED_INIT,
    },
    Value {
        scenario: "extension-crashes-in-init-once",
        place: "answers/0/payload",
        emulator: Some(""),
        host: Some("{\"n\":1}"),
        reason: FAILED_INIT,
    },
    Value {
        scenario: "extension-crashes-in-init-once",
        place: "calm/1/body",
        emulator: Some(SPINDOWN),
        host: Some(FAILURE),
        reason: REASONS,
    },
    HostOnly {
        scenario: "extension-crashes-in-init-once",
        who: "bootstrap",
        first: 0,
        count: 2,
        reason: FAILED_INIT,
    },
    HostOnly {
        scenario: "extension-crashes-in-init-once",
        who: "calm",
        first: 3,
        count: 1,
        reason: FAILED_INIT,
    },
    HostOnly {
        scenario: "extension-crashes-in-init-once",
        who: "guard",
        first: 2,
        count: 1,
        reason: FAILED_INIT,
    },
    Value {
        scenario: "extension-crashes-before-it-registers",
        place: "answers/0/payload",
        emulator: Some(""),
        host: Some(
            "{\"errorType\":\"Extension.Crash\",\"errorMessage\":\"RequestId: <uuid> Error: exit status 3\"}",
        ),
        reason: FAILED_INIT,
    },
    Value {
        scenario: "extension-crashes-before-it-registers",
        place: "calm/1/body",
        emulator: Some(SPINDOWN),
        host: Some(FAILURE),
        reason: REASONS,
    },
    HostOnly {
        scenario: "extension-crashes-before-it-registers",
        who: "calm",
        first: 2,
        count: 2,
        reason: FAILED_INIT,
    },
    Value {
        scenario: "runtime-init-error",
        place: "guard/1/body",
        emulator: Some(SPINDOWN),
        host: Some(FAILURE),
        reason: REASONS,
    },
    HostOnly {
        scenario: "runtime-init-error",
        who: "bootstrap",
        first: 3,
        count: 3,
        reason: FAILED_INIT,
    },
    HostOnly {
        scenario: "runtime-init-error",
        who: "guard",
        first: 2,
        count: 2,
        reason: FAILED_INIT,
    },
];

const REASONS: &str = "Lambda has three reasons, spindown, timeout and failure; the emulator's \
    own words appear nowhere else. \
    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html";
const FAILED_INIT: &str = "after a failed init the emulator answers with nothing and starts \
    anew with the next call; Lambda runs init again within the same call and answers with the \
    error of that. \
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html";

const SPINDOWN: &str =
    "{\"eventType\":\"SHUTDOWN\",\"deadlineMs\":<ms>,\"shutdownReason\":\"spindown\"}";
const FAILURE: &str =
    "{\"eventType\":\"SHUTDOWN\",\"deadlineMs\":<ms>,\"shutdownReason\":\"failure\"}";

impl Difference {
    /// Why it is one.
    pub(crate) fn reason(&self) -> &'static str {
        let (HostOnly { reason, .. } | Text { reason, .. } | Value { reason, .. }) = self;
        reason
    }
}
