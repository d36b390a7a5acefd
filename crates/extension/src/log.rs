//! Log lines on standard error, one system call each: text, or JSON like Lambda's own.
//!
//! A subscriber of our own, because `tracing-subscriber` with its formatter is a fifth of the
//! binary, and because only our own targets may speak: traces of libraries hold headers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>

use std::fmt::{self, Write as _};
use std::io::Write as _;

use strongroom_core::settings::{Level, Log, LogFormat};
use strongroom_core::timestamp::Civil;
use strongroom_vault::clock::Clock;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

/// Makes `log` hold for the whole process, and panics be logged.
pub(crate) fn install(log: Log) {
    let lines = Lines { format: log.format, level: filter(log.level), clock: Clock::system() };
    // Only main calls it, once.
    let _ = tracing::subscriber::set_global_default(lines);
    std::panic::set_hook(Box::new(|panic| {
        // Where, but not what: the text of a panic may hold a value.
        let place =
            panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!("a defect of the extension at {place}: please report it");
    }));
}

struct Lines {
    format: LogFormat,
    level: LevelFilter,
    clock: Clock,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= self.level
            && metadata.target().starts_with("strongroom")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let time = Civil::from_unix(self.clock.now());
        let level = event.metadata().level().as_str();
        let mut line = match self.format {
            LogFormat::Json => json_line(&time, level, event),
            LogFormat::Text => text_line(&time, level, event),
        };
        line.push('\n');
        // There is nowhere to report that standard error is closed.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn filter(level: Option<Level>) -> LevelFilter {
    match level {
        None => LevelFilter::OFF,
        Some(Level::Error) => LevelFilter::ERROR,
        Some(Level::Warn) => LevelFilter::WARN,
        Some(Level::Info) => LevelFilter::INFO,
        Some(Level::Debug) => LevelFilter::DEBUG,
        Some(Level::Trace) => LevelFilter::TRACE,
    }
}

fn text_line(time: &Civil, level: &str, event: &Event<'_>) -> String {
    let mut text = Text { message: String::new(), fields: String::new() };
    event.record(&mut text);
    let Text { message, fields } = text;
    format!("{time} [{level}] strongroom: {message}{fields}").replace(['\n', '\r'], " ")
}

fn json_line(time: &Civil, level: &str, event: &Event<'_>) -> String {
    let mut fields = Json(serde_json::Map::new());
    fields.insert("timestamp", &time);
    fields.insert("level", &level);
    fields.insert("extension", &"strongroom");
    event.record(&mut fields);
    serde_json::Value::Object(fields.0).to_string()
}

struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    // No line holds a fraction; writing one would bring 10 KB of code.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record_i64(field, value as i64);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

struct Json(serde_json::Map<String, serde_json::Value>);

impl Json {
    fn insert(&mut self, name: &str, value: &dyn fmt::Display) {
        self.0.insert(name.to_owned(), value.to_string().into());
    }
}

impl Visit for Json {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record_i64(field, value as i64);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}
