//! The end of an invocation's log, as `--log-type Tail` gives it.

use super::super::environment::Outcome;

/// The last 4 KB, between the lines that Lambda writes itself.
pub(super) fn of(outcome: &Outcome) -> Vec<u8> {
    let invocation = &outcome.invocation;
    let id = &invocation.request_id;
    let mut text = format!("START RequestId: {id} Version: $LATEST\n");
    for line in &outcome.log {
        text.push_str(&line.text);
        text.push('\n');
    }
    let ms = invocation.duration.as_secs_f64() * 1000.0;
    text.push_str(&format!("END RequestId: {id}\nREPORT RequestId: {id}\tDuration: {ms:.2} ms\t"));
    // Nothing is billed here; what reads the line may want the word.
    text.push_str(&format!("Billed Duration: {:.0} ms\t", ms.ceil()));
    text.push_str(&format!("Memory Size: {} MB\t", outcome.memory));
    if let Some(init) = invocation.init {
        text.push_str(&format!("Init Duration: {:.2} ms\t", init.as_secs_f64() * 1000.0));
    }
    text.push('\n');
    let start = text.len().saturating_sub(LENGTH);
    text.into_bytes().split_off(start)
}

/// As much as Lambda gives.
const LENGTH: usize = 4096;
