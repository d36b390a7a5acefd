//! The JSON document of a secret file, byte for byte as the incumbent writes it.
//!
//! That is Vault's answer read into Go's `api.Secret` and written by `json.MarshalIndent`:
//! known fields in the struct's order, keys of objects sorted, numbers with their digits,
//! `<`, `>`, `&`, U+2028 and U+2029 escaped.
//! <https://pkg.go.dev/github.com/hashicorp/vault/api#Secret>

use std::io;

use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};
use zeroize::Zeroizing;

use super::Document;

impl Document {
    /// The secret alone as JSON, written likewise; `None` if there is none.
    pub fn secret_to_json(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(Vec::with_capacity(1024));
        write_value(&mut out, self.secret()?, GoFormatter(PrettyFormatter::new()));
        Some(out)
    }

    /// The document to write, without a line break at the end.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let mut fields: Vec<(&str, Option<&Value>, Absent)> = vec![
            ("request_id", self.0.get("request_id"), Absent::Is("\"\"")),
            ("lease_id", self.0.get("lease_id"), Absent::Is("\"\"")),
            ("lease_duration", self.0.get("lease_duration"), Absent::Is("0")),
            ("renewable", self.0.get("renewable"), Absent::Is("false")),
            ("data", self.0.get("data"), Absent::Is("null")),
            ("warnings", self.0.get("warnings"), Absent::Is("null")),
            ("auth", self.0.get("auth"), Absent::IsLeftOut),
            ("wrap_info", self.0.get("wrap_info"), Absent::IsLeftOut),
            ("mount_type", self.0.get("mount_type"), Absent::IsLeftOut),
        ];
        fields.retain(|(_, value, absent)| {
            *absent != Absent::IsLeftOut
                || value.is_some_and(|value| !value.is_null() && value != "")
        });
        let mut out = Zeroizing::new(Vec::with_capacity(1024));
        out.extend_from_slice(b"{");
        for (index, (name, value, absent)) in fields.into_iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"\n  \"" } else { b",\n  \"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\": ");
            match (value.filter(|value| !value.is_null()), absent) {
                (Some(value), _) => write_value(&mut out, value, GoFormatter::nested()),
                (None, Absent::Is(default)) => out.extend_from_slice(default.as_bytes()),
                (None, Absent::IsLeftOut) => {}
            }
        }
        out.extend_from_slice(b"\n}");
        out
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Absent {
    Is(&'static str),
    IsLeftOut,
}

fn write_value(out: &mut Zeroizing<Vec<u8>>, value: &impl serde::Serialize, how: GoFormatter) {
    let mut serializer = serde_json::Serializer::with_formatter(&mut **out, how);
    serde::Serialize::serialize(value, &mut serializer)
        .expect("a parsed value is written into memory");
}

/// Go's `MarshalIndent` with two blanks.
struct GoFormatter(PrettyFormatter<'static>);

impl GoFormatter {
    /// For a value one level deep.
    fn nested() -> Self {
        let mut pretty = PrettyFormatter::new();
        // A throw-away object makes the formatter start one level down.
        pretty.begin_object(&mut io::sink()).expect("a sink takes everything");
        Self(pretty)
    }
}

impl Formatter for GoFormatter {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }
    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }
    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }
    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }
    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }
    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let character = rest[at..].chars().next().expect("found there");
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(character))?;
            rest = &rest[at + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(body: &str) -> String {
        String::from_utf8(Document::parse(body.as_bytes()).unwrap().to_json().to_vec()).unwrap()
    }

    #[test]
    fn the_document_is_written_as_go_writes_it() {
        assert_eq!(
            written(
                r#"{"novel":1,"mount_type":"kv","auth":null,"request_id":"r","lease_id":"","renewable":false,
                   "lease_duration":0,"data":{"z":12345678901234567890,"a":{"b":[1,{}],"e":[]},"h":"<&>\u2028\u0000\t\/"},
                   "warnings":["w"]}"#
            ),
            "{\n  \"request_id\": \"r\",\n  \"lease_id\": \"\",\n  \"lease_duration\": 0,\n  \"renewable\": false,\n  \"data\": {\n    \"a\": {\n      \"b\": [\n        1,\n        {}\n      ],\n      \"e\": []\n    },\n    \"h\": \"\\u003c\\u0026\\u003e\\u2028\\u0000\\t/\",\n    \"z\": 12345678901234567890\n  },\n  \"warnings\": [\n    \"w\"\n  ],\n  \"mount_type\": \"kv\"\n}"
        );
    }
}
