//! Log lines on standard error, which Lambda keeps with the function's own: text, or JSON like Lambda's.
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use strongroom_core::settings::LogFormat;
use strongroom_core::timestamp::Civil;

use crate::json::Object;

/// Weight of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Error,
    Warn,
}

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
}

impl Log {
    /// Writes one line, with the type of the error if it is about one.
    pub(crate) fn write(&self, level: Level, message: &str, error_type: Option<&str>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = Civil::from_unix(u64::try_from(now.as_millis()).unwrap_or_default());
        let line = line(self.format, &time.to_string(), level, message, error_type);
        // There is nowhere to report that standard error is closed.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

fn line(
    format: LogFormat,
    time: &str,
    level: Level,
    message: &str,
    error_type: Option<&str>,
) -> String {
    let level = match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
    };
    let mut line = match format {
        LogFormat::Json => {
            let object = Object::default().string("timestamp", time).string("level", level);
            let object = object.string("wrapper", "strongroom/exec").string("message", message);
            match error_type {
                Some(error_type) => object.string("error", error_type).end(),
                None => object.end(),
            }
        }
        LogFormat::Text => {
            let error =
                error_type.map_or_else(String::new, |error_type| format!(" error={error_type}"));
            format!("{time} [{level}] strongroom/exec: {message}{error}").replace(['\n', '\r'], " ")
        }
    };
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-25T02:00:00.000Z";

    #[test]
    fn a_line_is_one_line_and_looks_like_those_of_the_extension() {
        let text = line(LogFormat::Text, TIME, Level::Error, "a\nb", Some("Runtime.X"));
        let expect = "2026-11-25T02:00:00.000Z [ERROR] strongroom/exec: a b error=Runtime.X\n";
        assert_eq!(text, expect);
        let json = line(LogFormat::Json, TIME, Level::Warn, "a\nb", None);
        let expect = r#"{"timestamp":"2026-11-25T02:00:00.000Z","level":"WARN","wrapper":"strongroom/exec","message":"a\nb"}"#;
        assert_eq!(json, format!("{expect}\n"));
    }
}
