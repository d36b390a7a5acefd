//! One suite of observations for the host and for AWS's Runtime Interface Emulator (RIE).
//!
//! Each scenario is a plan for probes and some calls. What the probes and the caller saw of RIE
//! is recorded in `fixtures/rie/`. The host must show the same, but for [`DIFFERENCES`]; and so
//! must RIE itself, where `STRONGROOM_RIE` names its binary (it needs root, for namespaces).
//! The recording is of `github.com/aws/aws-lambda-runtime-interface-emulator` of 2026-10-30.
//! With `STRONGROOM_RIE_RECORD` set as well, RIE's side is written down anew.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_host::{Host, InitializationType, Request};
use strongroom_lambda_api::extensions::{ErrorBody, Event, RegisterResponse};

use crate::differences::{DIFFERENCES, Difference};
use crate::probe::{Stage, is_root, record, skipped};
use crate::scenarios::{Scenario, scenarios};

/// What the caller and each probe saw, in order.
type Seen = BTreeMap<String, Vec<Value>>;

#[tokio::test(flavor = "multi_thread")]
async fn the_host_shows_what_the_emulator_showed() {
    let mut unused: Vec<_> = DIFFERENCES.iter().collect();
    let mut unexpected = Vec::new();
    for scenario in scenarios() {
        let mut emulator = recorded(&scenario);
        let mut host = on_host(&scenario).await;
        let known = DIFFERENCES.iter().filter(|known| known.applies_to(scenario.name));
        for known in known {
            if known.level(&mut emulator, &mut host) {
                unused.retain(|one| !std::ptr::eq(*one, known));
            }
        }
        unexpected.extend(differences(scenario.name, &emulator, &host));
    }
    assert!(DIFFERENCES.iter().all(|known| known.reason().len() > 20), "reasons are sentences");
    assert!(
        unexpected.is_empty() && unused.is_empty(),
        "not in the table (place, emulator, host):\n{}\nin the table but not seen:\n{}",
        lines(&unexpected),
        lines(&unused),
    );
}

#[test]
fn the_emulator_shows_what_it_showed() {
    let Some(rie) = std::env::var_os("STRONGROOM_RIE") else {
        skipped("AWS's Runtime Interface Emulator", "STRONGROOM_RIE does not name its binary");
        return;
    };
    if !is_root("AWS's Runtime Interface Emulator") {
        return;
    }
    for scenario in scenarios() {
        let seen = on_emulator(Path::new(&rie), &scenario);
        if std::env::var_os("STRONGROOM_RIE_RECORD").is_some() {
            let text = serde_json::to_string_pretty(&seen).unwrap() + "\n";
            #[expect(clippy::disallowed_methods, reason = "a recording, no secrets")]
            std::fs::write(recording(&scenario), text).unwrap();
            continue;
        }
        let differences = differences(scenario.name, &recorded(&scenario), &seen);
        assert!(differences.is_empty(), "place, recorded, now:\n{}", lines(&differences));
    }
}

#[test]
fn the_shared_types_read_what_the_emulator_wrote() {
    let mut counts = [0; 3];
    for scenario in scenarios() {
        for entry in recorded(&scenario).into_values().flatten() {
            let Some(body) = entry.get("body").and_then(Value::as_str) else { continue };
            let body = body.replace("<ms>", "1700000000000");
            let again = if body.contains("eventType") {
                counts[0] += 1;
                serde_json::to_string(&serde_json::from_str::<Event>(&body).unwrap())
            } else if body.starts_with(r#"{"errorMessage":"#) {
                counts[1] += 1;
                serde_json::to_string(&serde_json::from_str::<ErrorBody>(&body).unwrap())
            } else if body.contains("functionName") {
                counts[2] += 1;
                let read = serde_json::from_str::<RegisterResponse>(&body).unwrap();
                assert_eq!((read.function_name.as_str(), read.account_id), ("function", None));
                continue;
            } else {
                continue;
            };
            // Go escapes more than it must.
            let body = body.trim_end().replace(r"\u003c", "<").replace(r"\u003e", ">");
            assert_eq!(again.unwrap(), body.replace(r"\u0026", "&"));
        }
    }
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

async fn on_host(scenario: &Scenario) -> Seen {
    let stage = Stage::new(&scenario.plan);
    (scenario.prepare)(&stage.layer());
    let mut config = stage.config();
    // The accounts of the emulator's two modes.
    let account = if scenario.managed { "123456789012" } else { "012345678912" };
    config.account_id = account.to_owned();
    config.timeout = Duration::from_secs(scenario.timeout);
    config.variables.extend(variables());
    if scenario.managed {
        config.initialization = InitializationType::ManagedInstances;
    }
    let host = Host::start(config).await.unwrap();
    let mut answers = Vec::new();
    for call in &scenario.calls {
        let request = Request {
            payload: call.payload.into(),
            trace_id: call.trace_id.map(str::to_owned),
            client_context: call.client_context.map(str::to_owned),
            request_id: None,
        };
        let payload = host
            .invoke(request)
            .await
            .ok()
            .map(|invocation| String::from_utf8(invocation.payload.to_vec()).unwrap());
        answers.push(json!({ "payload": payload }));
    }
    host.shutdown("spindown").await.unwrap();
    seen(&answers, host.tmp())
}

fn on_emulator(rie: &Path, scenario: &Scenario) -> Seen {
    let stage = Stage::new(&scenario.plan);
    (scenario.prepare)(&stage.layer());
    let calls: Vec<_> = scenario
        .calls
        .iter()
        .map(|call| {
            let mut headers = serde_json::Map::new();
            if let Some(trace) = call.trace_id {
                headers.insert("X-Amzn-Trace-Id".to_owned(), trace.into());
            }
            if let Some(context) = call.client_context_base64 {
                headers.insert("X-Amz-Client-Context".to_owned(), context.into());
            }
            json!({ "payload": call.payload, "headers": headers })
        })
        .collect();
    let job = json!({
        "rie": std::path::absolute(rie).unwrap(),
        "stage": stage.path(),
        "timeout": scenario.timeout,
        "managed": scenario.managed,
        "variables": variables(),
        "calls": calls,
    });
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rie_driver.py");
    let mut child = Command::new("unshare")
        .args(["-m", "-n", "/usr/bin/python3"])
        .arg(driver)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {output:?}", scenario.name));
    seen(result["answers"].as_array().unwrap(), &stage.tmp())
}

fn variables() -> BTreeMap<String, String> {
    [("PROBE_VISIBLE", "yes"), ("_PROBE_HIDDEN", "yes")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Sorts what was recorded by process, with everything replaced that changes from run to run.
fn seen(answers: &[Value], tmp: &Path) -> Seen {
    let mut seen = Seen::from([("answers".to_owned(), answers.to_vec())]);
    for mut entry in record(tmp) {
        let who = entry.as_object_mut().unwrap().remove("who").unwrap();
        seen.entry(who.as_str().unwrap().to_owned()).or_default().push(entry);
    }
    for (who, entries) in &mut seen {
        let place = who.clone();
        entries.iter_mut().for_each(|entry| make_steady(&place, entry));
    }
    seen
}

fn make_steady(place: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, value)| make_steady(name, value));
        }
        Value::String(text) => *text = steady(place, text),
        _ => {}
    }
}

/// A text without identifiers and times.
fn steady(place: &str, text: &str) -> String {
    if place.ends_with("lambda-runtime-deadline-ms") {
        return "<ms>".to_owned();
    }
    let mut steady = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(id) = rest.get(..36)
            && uuid::Uuid::parse_str(id).is_ok()
        {
            steady.push_str("<uuid>");
            rest = &rest[36..];
        } else if let Some(time) = rest.get(..24)
            && time.ends_with('Z')
            && time.parse::<jiff::Timestamp>().is_ok()
        {
            steady.push_str("<time>");
            rest = &rest[24..];
        } else if let Some(time) = rest.get(..13)
            && time.starts_with('1')
            && time.bytes().all(|byte| byte.is_ascii_digit())
        {
            steady.push_str("<ms>");
            rest = &rest[13..];
        } else {
            let first = rest.chars().next().unwrap();
            steady.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    steady
}

fn differences(scenario: &str, left: &Seen, right: &Seen) -> Vec<(String, Value, Value)> {
    let (left, right) = (flat(left), flat(right));
    let mut places: Vec<_> = left.keys().chain(right.keys()).collect();
    places.sort();
    places.dedup();
    let nothing = Value::from("<nothing>");
    places
        .into_iter()
        .map(|place| {
            let of = |seen: &BTreeMap<String, Value>| seen.get(place).unwrap_or(&nothing).clone();
            (format!("{scenario}: {place}"), of(&left), of(&right))
        })
        .filter(|(_, left, right)| left != right)
        .collect()
}

/// By place: `guard/3/body`.
fn flat(seen: &Seen) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (who, entries) in seen {
        for (count, entry) in entries.iter().enumerate() {
            flatten(&format!("{who}/{count}"), entry, &mut flat);
        }
    }
    flat
}

fn flatten(place: &str, value: &Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{place}/{name}"), value, flat);
            }
        }
        other => {
            flat.insert(place.to_owned(), other.clone());
        }
    }
}

fn lines<T: std::fmt::Debug>(list: &[T]) -> String {
    list.iter().map(|one| format!("  {one:?}\n")).collect()
}

fn recording(scenario: &Scenario) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rie");
    fixtures.join(format!("{}.json", scenario.name))
}

fn recorded(scenario: &Scenario) -> Seen {
    let path = recording(scenario);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

impl Difference {
    fn applies_to(&self, scenario: &str) -> bool {
        let (Self::HostOnly { scenario: own, .. }
        | Self::Value { scenario: own, .. }
        | Self::Text { scenario: own, .. }) = self;
        *own == "*" || *own == scenario
    }

    /// Takes this difference out of what was seen; false if it was not there.
    fn level(&self, emulator: &mut Seen, host: &mut Seen) -> bool {
        match *self {
            Self::HostOnly { who, first, count, .. } => {
                let Some(entries) = host.get_mut(who).filter(|list| list.len() >= first + count)
                else {
                    return false;
                };
                entries.drain(first..first + count);
                if entries.is_empty() {
                    host.remove(who);
                }
                true
            }
            Self::Text { emulator: from, host: to, .. } => {
                let mut found = false;
                for value in emulator.values_mut().flatten() {
                    found |= replace(value, from, to);
                }
                found
            }
            Self::Value { place, emulator: theirs, host: ours, .. } => {
                let mut parts = place.splitn(3, '/');
                let (who, index) = (parts.next().unwrap(), parts.next().unwrap());
                let pointer = format!("/{}", parts.next().unwrap());
                let index: usize = index.parse().unwrap();
                let ours_is = value_at(host, who, index, &pointer).as_deref() == ours;
                let theirs_is = value_at(emulator, who, index, &pointer).as_deref() == theirs;
                if ours_is && theirs_is {
                    remove(host, who, index, &pointer);
                    remove(emulator, who, index, &pointer);
                }
                ours_is && theirs_is
            }
        }
    }
}

fn replace(value: &mut Value, from: &str, to: &str) -> bool {
    match value {
        Value::Object(fields) => {
            let found = fields.values_mut().map(|value| replace(value, from, to));
            // All of them, not up to the first.
            found.filter(|found| *found).count() > 0
        }
        Value::String(text) if text.contains(from) => {
            *text = text.replace(from, to);
            true
        }
        _ => false,
    }
}

fn value_at(seen: &Seen, who: &str, index: usize, pointer: &str) -> Option<String> {
    let value = seen.get(who)?.get(index)?.pointer(pointer)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn remove(seen: &mut Seen, who: &str, index: usize, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    if let Some(entry) = seen.get_mut(who).and_then(|list| list.get_mut(index))
        && let Some(fields) = entry.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        fields.remove(name);
    }
}
