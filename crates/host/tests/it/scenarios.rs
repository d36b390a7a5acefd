//! The scenarios that host and emulator play.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::probe::echo;

/// One run of a function.
pub(crate) struct Scenario {
    pub(crate) calls: Vec<Call>,
    pub(crate) managed: bool,
    pub(crate) name: &'static str,
    pub(crate) plan: Value,
    /// What to change about the layer before the start.
    pub(crate) prepare: fn(&Path),
    /// The function's time-out, in seconds.
    pub(crate) timeout: u64,
}

/// One call of the function.
#[derive(Clone, Copy, Default)]
pub(crate) struct Call {
    pub(crate) client_context: Option<&'static str>,
    pub(crate) client_context_base64: Option<&'static str>,
    pub(crate) payload: &'static str,
    pub(crate) trace_id: Option<&'static str>,
}

fn scenario(name: &'static str, calls: usize, plan: Value) -> Scenario {
    let call = Call { payload: r#"{"n":1}"#, ..Call::default() };
    Scenario { calls: vec![call; calls], managed: false, name, plan, prepare: |_| {}, timeout: 5 }
}

fn managed(name: &'static str, calls: usize, plan: Value) -> Scenario {
    Scenario { managed: true, ..scenario(name, calls, plan) }
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = registration();
    all.extend(invocation());
    all.extend(turns());
    all.extend(failures());
    all.extend(managed_instances());
    all
}

const REGISTER: &str = "/2020-01-01/extension/register";
const NEXT: &str = "/2020-01-01/extension/event/next";

fn registration() -> Vec<Scenario> {
    let name = json!({ "Lambda-Extension-Name": "guard" });
    let unknown = json!({ "Lambda-Extension-Identifier": "5b2c5e02-3f0f-4a0c-8f7e-2f2a52c2b2a1" });
    let own = json!({ "Lambda-Extension-Identifier": "$id" });
    vec![
        scenario(
            "registration-refused",
            1,
            json!({
                "bootstrap": echo(),
                "guard": [
                    ["request", "POST", REGISTER],
                    ["request", "POST", REGISTER, {"headers": name}],
                    ["request", "POST", REGISTER, {"headers": name, "body": "nonsense"}],
                    ["request", "POST", REGISTER, {"headers": name, "body": r#"{"events":["INVOKE","FOO"]}"#}],
                    ["request", "POST", REGISTER, {"headers": name, "body": r#"{"events":["<&>"]}"#}],
                    ["request", "POST", REGISTER, {"headers": name, "body": r#"{"configurationKeys":["A"]}"#}],
                    ["request", "GET", REGISTER, {"headers": name}],
                    ["request", "GET", NEXT],
                    ["request", "GET", NEXT, {"headers": {"Lambda-Extension-Identifier": "nonsense"}}],
                    ["request", "GET", NEXT, {"headers": unknown}],
                    ["request", "POST", "/2020-01-01/extension/init/error", {"headers": unknown}],
                    ["request", "POST", "/2020-01-01/extension/exit/error", {"headers": unknown}],
                    ["report", "init"],
                    ["register", {"Lambda-Extension-Accept-Feature": "accountId, other"}],
                    ["register"],
                    ["request", "POST", "/2020-01-01/extension/init/error", {"headers": own}],
                    ["request", "POST", "/2020-01-01/extension/exit/error", {"headers": own}],
                    ["request", "PUT", "/2022-07-01/telemetry", {"headers": own, "body": "{}"}],
                    ["request", "PUT", "/2020-08-15/logs", {"headers": own, "body": "{}"}],
                    ["request", "GET", "/2020-01-01/extension/nothing"],
                    "events_until_shutdown",
                ],
            }),
        ),
        scenario(
            "registration-without-events",
            1,
            json!({
                "bootstrap": echo(),
                "empty": [["register", []], "events_until_shutdown"],
                "missing": [["register", null], "events_until_shutdown"],
            }),
        ),
        scenario(
            "name-that-is-no-file",
            1,
            json!({
                "bootstrap": echo(),
                "guard": [
                    ["register", ["INVOKE", "SHUTDOWN"], "guardian"],
                    ["register", ["INVOKE"], "guard"],
                    "events_until_shutdown",
                ],
            }),
        ),
        scenario(
            "internal-extension",
            2,
            json!({
                "bootstrap": [
                    ["register", ["SHUTDOWN"], "inner"],
                    ["register", ["FOO"], "inner"],
                    ["register", ["INVOKE"], "guard"],
                    ["internal", "inner"],
                    ["register", ["INVOKE"], "inner"],
                    "runtime_next",
                    ["register", ["INVOKE"], "late"],
                    "respond",
                    "echo",
                ],
                "guard": ["register", "events_until_shutdown"],
            }),
        ),
        scenario("ten-and-one-extensions", 1, eleven()),
    ]
}

/// More than Lambda starts.
fn eleven() -> Value {
    let mut plan = json!({ "bootstrap": echo() });
    for number in 0..11 {
        plan[format!("e{number:02}")] = json!([["wait", 3600]]);
    }
    plan
}

fn invocation() -> Vec<Scenario> {
    let visible = json!([
        "variables",
        "PROBE_VISIBLE",
        "_PROBE_HIDDEN",
        "_HANDLER",
        "AWS_ACCESS_KEY_ID",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_LAMBDA_FUNCTION_NAME"
    ]);
    vec![Scenario {
        calls: vec![
            Call {
                payload: r#"{"n": 1, "text": "ä<>&"}"#,
                trace_id: Some(
                    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
                ),
                client_context: Some(r#"{"client":{"app":"probe"}}"#),
                client_context_base64: Some("eyJjbGllbnQiOnsiYXBwIjoicHJvYmUifX0="),
            },
            Call { payload: "null", ..Call::default() },
        ],
        ..scenario(
            "events",
            2,
            json!({
                "bootstrap": [visible, ["on_term", 0], "echo"],
                "guard": [visible, "register", "events_until_shutdown"],
                "quiet": [["register", []], "events_until_shutdown"],
                "watch": [["register", ["SHUTDOWN"]], "events_until_shutdown"],
            }),
        )
    }]
}

fn turns() -> Vec<Scenario> {
    let response = "/2018-06-01/runtime/invocation/$request/response";
    let error = "/2018-06-01/runtime/invocation/$request/error";
    vec![
        scenario(
            "two-polls-at-once",
            2,
            json!({
                "bootstrap": [["wait_for_file", "refused"], "echo"],
                "guard": ["register", ["next_twice", "refused"]],
            }),
        ),
        scenario(
            "runtime-out-of-turn",
            3,
            json!({
                "bootstrap": [
                    ["request", "GET", "/2018-06-01/ping"],
                    ["request", "POST", "/2018-06-01/runtime/invocation/nonsense/response"],
                    ["request", "POST", "/2018-06-01/runtime/invocation/nonsense/error"],
                    ["request", "GET", "/2018-06-01/runtime/nothing"],
                    ["request", "GET", "/2018-06-01/runtime/restore/next"],
                    ["request", "GET", "/2021-04-23/credentials"],
                    "runtime_next",
                    // Asked again before answering: the same event.
                    "runtime_next",
                    "init_error",
                    ["request", "POST", "/2018-06-01/runtime/invocation/nonsense/response"],
                    "respond",
                    "respond",
                    "fail",
                    "runtime_next",
                    ["request", "POST", response, {"body": 6_291_557}],
                    "echo",
                ],
                "guard": ["register", "events_until_shutdown"],
            }),
        ),
        Scenario {
            timeout: 3,
            ..scenario(
                "response-mode-that-is-none",
                1,
                json!({
                    "bootstrap": [
                        "runtime_next",
                        ["request", "POST", response, {"body": "1", "headers": {"Lambda-Runtime-Function-Response-Mode": "nonsense"}}],
                        "respond",
                        "runtime_next",
                        ["wait", 3600],
                    ],
                    "guard": ["register", "events_until_shutdown"],
                }),
            )
        },
        scenario(
            "errors-of-the-handler",
            4,
            json!({
                "bootstrap": [
                    "runtime_next",
                    ["fail", "Runtime.Probe"],
                    "runtime_next",
                    ["fail", "Function.probe"],
                    "runtime_next",
                    ["request", "POST", error, {"body": "plain"}],
                    "echo",
                ],
                "guard": ["register", "events_until_shutdown"],
            }),
        ),
    ]
}

fn failures() -> Vec<Scenario> {
    let mut all = failures_of_extensions();
    all.extend(failures_of_runtimes());
    all.extend(late_ones());
    all
}

/// An extension that does nothing wrong.
fn calm() -> Value {
    json!(["register", ["touch", "calm"], "events_until_shutdown"])
}

/// A runtime that never answers, and says when it was called.
fn silent() -> Value {
    json!(["runtime_next", ["touch", "called"], ["wait", 3600]])
}

fn failures_of_extensions() -> Vec<Scenario> {
    vec![
        scenario(
            "extension-init-error",
            1,
            json!({
                "bootstrap": echo(),
                "calm": calm(),
                "guard": [
                    "register", ["take", "calm"], ["report", "init"], ["report", "init"],
                    ["report", "exit"], "extension_next", ["end", 1],
                ],
            }),
        ),
        scenario(
            "extension-exit-error",
            2,
            json!({
                "bootstrap": silent(),
                "calm": calm(),
                "guard": [
                    "register", "extension_next", ["take", "called"], ["report", "exit"],
                    ["report", "init"], ["report", "exit"], ["end", 1],
                ],
            }),
        ),
        scenario(
            "extension-ends-with-success",
            2,
            json!({
                "bootstrap": silent(),
                "calm": calm(),
                "guard": ["register", "extension_next", ["take", "called"], ["end", 0]],
            }),
        ),
        scenario(
            "extension-is-killed",
            1,
            json!({
                "bootstrap": silent(),
                "guard": ["register", "extension_next", ["take", "called"], ["kill", 9]],
            }),
        ),
        scenario(
            "extension-crashes-in-init-once",
            2,
            json!({
                "bootstrap": echo(),
                "calm": calm(),
                "guard": ["register", ["take", "calm"], ["once", "crashed", 3], "events_until_shutdown"],
            }),
        ),
        scenario(
            "extension-crashes-before-it-registers",
            1,
            json!({
                "bootstrap": echo(),
                "calm": calm(),
                "guard": [["take", "calm"], ["end", 3]],
            }),
        ),
        Scenario {
            prepare: |layer| {
                let extension = layer.join("extensions/guard");
                std::fs::set_permissions(extension, std::fs::Permissions::from_mode(0o644))
                    .unwrap();
            },
            ..scenario(
                "extension-is-not-executable",
                1,
                json!({ "bootstrap": echo(), "guard": calm() }),
            )
        },
    ]
}

fn failures_of_runtimes() -> Vec<Scenario> {
    vec![
        scenario(
            "runtime-ends-with-success",
            2,
            json!({ "bootstrap": ["runtime_next", ["end", 0]], "guard": calm() }),
        ),
        scenario(
            "runtime-ends-with-failure",
            1,
            json!({ "bootstrap": ["runtime_next", ["end", 7]], "guard": calm() }),
        ),
        scenario(
            "runtime-ends-after-its-response",
            2,
            json!({
                "bootstrap": ["runtime_next", ["respond", "1"], ["once", "ended", 0], "echo"],
                "guard": calm(),
            }),
        ),
        scenario(
            "runtime-init-error",
            1,
            json!({ "bootstrap": ["init_error", "init_error", "runtime_next", ["end", 1]], "guard": calm() }),
        ),
    ]
}

fn late_ones() -> Vec<Scenario> {
    vec![
        Scenario {
            timeout: 3,
            ..scenario(
                "handler-is-late",
                2,
                json!({
                    "bootstrap": ["runtime_next", ["hang_once", "hung"], ["respond", "1"], "echo"],
                    "guard": calm(),
                    "quiet": [["register", []], "events_until_shutdown"],
                }),
            )
        },
        Scenario {
            timeout: 3,
            ..scenario(
                "extension-is-late",
                2,
                json!({
                    "bootstrap": echo(),
                    "guard": ["register", "extension_next", ["hang_once", "hung"], "events_until_shutdown"],
                }),
            )
        },
        scenario(
            "runtime-ignores-sigterm",
            1,
            json!({
                "bootstrap": [["on_term", null], "echo"],
                "guard": calm(),
            }),
        ),
        scenario(
            "shutdown-is-ignored",
            1,
            json!({
                "bootstrap": echo(),
                "guard": ["register", "extension_next", "extension_next", ["wait", 3600]],
            }),
        ),
    ]
}

fn managed_instances() -> Vec<Scenario> {
    vec![managed(
        "managed-registration",
        // One: the emulator refuses a call that comes before the runtime has asked again.
        1,
        json!({
            "bootstrap": ["ignore_term", ["register", ["INVOKE"], "inner"], "echo"],
            "guard": [
                ["register", ["INVOKE", "SHUTDOWN"]],
                ["register", ["INVOKE"]],
                ["register", ["SHUTDOWN"]],
                ["register", ["SHUTDOWN"]],
                "extension_next",
            ],
        }),
    )]
}
