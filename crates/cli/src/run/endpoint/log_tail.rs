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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use strongroom_host::{Invocation, LogLine, Source, Stream};

    use super::*;

    #[test]
    fn the_end_of_the_log_is_what_is_kept() {
        let line =
            |text: String| LogLine { source: Source::Function, stream: Stream::Stdout, text };
        let outcome = |lines: usize| Outcome {
            invocation: Invocation {
                duration: Duration::from_micros(1500),
                function_error: None,
                init: Some(Duration::from_millis(70)),
                payload: "1".into(),
                request_id: "r".to_owned(),
                reset: None,
                responded: Duration::from_micros(1000),
            },
            log: (0..lines).map(|number| line(format!("line {number}"))).collect(),
            memory: 128,
            start: None,
        };
        let whole = "START RequestId: r Version: $LATEST\nline 0\nEND RequestId: r\nREPORT RequestId: r\tDuration: \
                     1.50 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tInit Duration: 70.00 ms\t\n";
        assert_eq!(String::from_utf8(of(&outcome(1))).unwrap(), whole);
        let end = String::from_utf8(of(&outcome(1000))).unwrap();
        assert_eq!(end.len(), LENGTH);
        assert!(end.contains("line 999\nEND RequestId: r\n") && !end.contains("START"), "{end}");
    }
}
