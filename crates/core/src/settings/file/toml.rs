//! What of TOML a settings file may hold: pairs at the top, and in the tables of `[[secret]]`; `[setup]` and the tables
//! within it are the command line's, and nothing in them is looked at here.
//!
//! A walk over the events of `toml_parser`, because a whole document model is 48 KB more in the
//! layer. All else that TOML knows is refused by name and line. <https://toml.io/en/v1.0.0>

use toml_parser::decoder::{Encoding, IntegerRadix, ScalarKind};
use toml_parser::parser::{EventReceiver, parse_document};
use toml_parser::{ErrorSink, Expected, ParseError, Raw, Source, Span};
use zeroize::Zeroizing;

/// The pairs of a file.
#[derive(Default)]
pub(super) struct Tables {
    /// Those above the first table.
    pub(super) top: Vec<Pair>,
    /// Each `[[secret]]`.
    pub(super) secrets: Vec<SecretTable>,
    /// What is TOML, but has no place here.
    pub(super) mistakes: Vec<Mistake>,
}

/// One `[[secret]]`.
pub(super) struct SecretTable {
    /// Of its header.
    pub(super) line: usize,
    pub(super) pairs: Vec<Pair>,
}

/// One key with its value as a variable would hold it.
pub(in crate::settings) struct Pair {
    pub(in crate::settings) key: String,
    pub(in crate::settings) value: Zeroizing<String>,
    pub(in crate::settings) line: usize,
}

/// What is wrong on a line.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) line: usize,
    /// The key or table, empty if it is the line itself.
    pub(super) subject: String,
    pub(super) problem: String,
}

/// Reads all of `text`, or says where it stops being TOML.
pub(super) fn read(text: &str) -> Result<Tables, Mistake> {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    // Whatever follows the first error is guesswork.
    let mut first: Option<ParseError> = None;
    let mut walk = Walk {
        lines: Lines { text, seen: 0, line: 1 },
        source,
        keys: Vec::new(),
        place: Place::Top,
        found: Tables::default(),
    };
    parse_document(&tokens, &mut walk, &mut first);
    match first {
        Some(error) => Err(no_toml(text, &error)),
        None => Ok(walk.found),
    }
}

fn no_toml(text: &str, error: &ParseError) -> Mistake {
    let at = error.unexpected().or_else(|| error.context()).map_or(0, |span| span.start());
    // The parser's words are fixed texts: nothing of the file stands in them.
    let mut problem = format!("this is no TOML: {}", error.description());
    for (index, expected) in error.expected().unwrap_or_default().iter().enumerate() {
        problem.push_str(if index == 0 { ", expected " } else { " or " });
        match expected {
            Expected::Literal("\n") => problem.push_str("a new line"),
            Expected::Literal(literal) => problem.push_str(&format!("`{literal}`")),
            Expected::Description(description) => problem.push_str(description),
            _ => problem.push_str("something else"),
        }
    }
    let line = Lines { text, seen: 0, line: 1 }.at(at);
    Mistake { line, subject: String::new(), problem }
}

struct Walk<'a> {
    source: Source<'a>,
    lines: Lines<'a>,
    /// Parts of the key or of the table's name that is being read, with the first one's line.
    keys: Vec<(String, usize)>,
    /// Where pairs belong.
    place: Place,
    found: Tables,
}

#[derive(Clone, Copy)]
enum Place {
    /// In a table that has been refused, or is not for the layer.
    Elsewhere,
    Secret,
    Top,
}

impl Walk<'_> {
    /// The dotted name that has been read, and its line.
    fn take_key(&mut self) -> (String, usize) {
        let mut parts = std::mem::take(&mut self.keys).into_iter();
        let (mut key, line) = parts.next().unwrap_or((String::new(), self.lines.line));
        for (part, _) in parts {
            key.push('.');
            key.push_str(&part);
        }
        (key, line)
    }

    /// Passes over a table that is no `[[secret]]`; it is a mistake unless it is one for the command line.
    fn pass_over_table(&mut self) {
        self.place = Place::Elsewhere;
        let is_of_setup = self.keys.first().is_some_and(|(first, _)| first == "setup");
        let (name, line) = self.take_key();
        if !is_of_setup {
            let problem = "is no table of a settings file: it has [[secret]] and [setup]";
            self.mistake(line, format!("[{name}]"), problem);
        }
    }

    fn refuse_value(&mut self, problem: &str) {
        let (key, line) = self.take_key();
        if !matches!(self.place, Place::Elsewhere) {
            self.mistake(line, key, problem);
        }
    }

    fn mistake(&mut self, line: usize, subject: String, problem: &str) {
        self.found.mistakes.push(Mistake { line, subject, problem: problem.to_owned() });
    }

    fn raw(&self, span: Span, encoding: Option<Encoding>) -> Raw<'_> {
        let text = self.source.input().get(span.start()..span.end()).unwrap_or_default();
        Raw::new_unchecked(text, encoding, span)
    }
}

impl EventReceiver for Walk<'_> {
    fn std_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.pass_over_table();
    }

    fn array_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        match &self.keys[..] {
            [(name, line)] if name == "secret" => {
                let table = SecretTable { line: *line, pairs: Vec::new() };
                self.found.secrets.push(table);
                self.place = Place::Secret;
                self.keys.clear();
            }
            _ => self.pass_over_table(),
        }
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let line = self.lines.at(span.start());
        let mut key = String::new();
        self.raw(span, encoding).decode_key(&mut key, error);
        self.keys.push((key, line));
    }

    fn inline_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.refuse_value("is an inline table: write a text, a number, true or false");
        false
    }

    fn array_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.refuse_value("is an array: write a text, a number, true or false");
        false
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        // In one allocation, as what grows leaves copies behind.
        let mut value = Zeroizing::new(String::with_capacity(span.len()));
        let kind = self.raw(span, encoding).decode_scalar(&mut *value, error);
        if self.keys.len() > 1 {
            return self.refuse_value("is a dotted key: none is known here");
        }
        match kind {
            ScalarKind::Integer(IntegerRadix::Dec) if value.starts_with('+') => {
                value.remove(0);
            }
            ScalarKind::Boolean(_) | ScalarKind::Integer(IntegerRadix::Dec) => {}
            ScalarKind::String if !value.contains('\0') => {}
            ScalarKind::String => return self.refuse_value("holds a NUL character"),
            // As digits `0o640` would be 416.
            ScalarKind::DateTime | ScalarKind::Float | ScalarKind::Integer(_) => {
                return self.refuse_value("is no plain number: write it as a text, in quotes");
            }
        }
        let (key, line) = self.take_key();
        let pair = Pair { key, value, line };
        match (self.place, self.found.secrets.last_mut()) {
            (Place::Secret, Some(secret)) => secret.pairs.push(pair),
            (Place::Top, _) => self.found.top.push(pair),
            _ => {}
        }
    }
}

/// Counts lines up to places that come in order.
struct Lines<'a> {
    text: &'a str,
    seen: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, place: usize) -> usize {
        let between = self.text.as_bytes().get(self.seen..place).unwrap_or_default();
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.seen = self.seen.max(place);
        self.line
    }
}
