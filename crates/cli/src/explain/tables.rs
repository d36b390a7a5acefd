//! The explanation for people: tables, then what is wrong.

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, Table};

use super::explanation::{Explanation, Line, Proxy, Said, Secret, Setting, Source, Target};
use crate::table::{printable, table};

/// Writes all of it.
///
/// # Errors
/// Those of `out`.
pub(super) fn write(explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    if let Some(file) = &explanation.settings_file {
        writeln!(out, "Settings file: {}\n", printable(file))?;
    }
    let (defaults, set): (Vec<_>, Vec<_>) =
        explanation.settings.iter().partition(|s| matches!(s.source, Source::Default));
    if !set.is_empty() {
        writeln!(out, "Settings\n{}\n", settings(&set))?;
    }
    writeln!(out, "Defaults of what is unset\n{}", default_values(&defaults))?;
    for overridden in &explanation.overridden {
        let Line { file, line } = &overridden.place;
        let place = printable(&format!("{file}:{line}"));
        writeln!(out, "note: {place} is not used: the variable {} wins", overridden.name)?;
    }
    if !explanation.secrets.is_empty() {
        writeln!(out, "\nSecrets at start\n{}", secrets(&explanation.secrets))?;
    }
    if let Some(proxy) = &explanation.proxy {
        writeln!(out, "\nLocal Vault API: {}", proxy_line(proxy))?;
    }
    writeln!(out)?;
    tell("warning", &explanation.warnings, out)?;
    tell("error", &explanation.errors, out)?;
    out.write_all(match explanation.ok {
        true => b"The extension would start with this.\n".as_slice(),
        false => b"The extension would refuse to start, and no secret would be delivered.\n",
    })
}

fn settings(set: &[&Setting]) -> Table {
    let mut table = table(["setting", "value", "source", "meaning"]);
    for setting in set {
        table.add_row([
            printable(&setting.name),
            printable(&setting.value),
            source(&setting.source),
            setting.meaning.to_owned(),
        ]);
    }
    in_one_line(&mut table, 0);
    table
}

/// Without what they mean, which docs/variables.md and `--json` tell.
fn default_values(defaults: &[&Setting]) -> Table {
    let mut table = table(["setting", "value"]);
    for setting in defaults {
        table.add_row([&setting.name, &setting.value]);
    }
    table
}

fn in_one_line(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
}

fn secrets(secrets: &[Secret]) -> Table {
    let mut table = table(["secret", "field", "goes to", "waits", "set by"]);
    for secret in secrets {
        let version =
            secret.version.map_or_else(String::new, |version| format!(" version {version}"));
        let field = secret.field.as_deref().unwrap_or("by format");
        let default = if secret.has_default { ", or a default" } else { "" };
        let target = match &secret.target {
            Target::File { path, format, mode } => format!("file {path} ({format}, {mode})"),
            Target::Variable { name } => format!("variable {name}"),
        };
        table.add_row([
            printable(&format!("{}{version}", secret.path)),
            printable(&format!("{field}{default}")),
            printable(&target),
            secret.waits.to_owned(),
            printable(&format!("{}, {}", secret.set_by, source(&secret.source))),
        ]);
    }
    table
}

fn proxy_line(proxy: &Proxy) -> String {
    let address = &proxy.address;
    match &proxy.cache {
        None => format!("{address}, nothing is cached"),
        Some(cache) => {
            let which = if cache.every_get { "every GET" } else { "each GET that asks for it" };
            format!("{address}, {which} is cached for {} s", cache.ttl_ms as f64 / 1000.0)
        }
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::Default => "default".to_owned(),
        Source::Environment => "environment".to_owned(),
        Source::File(Line { file, line }) => printable(&format!("{file}:{line}")),
    }
}

fn tell(kind: &str, all: &[Said], out: &mut impl Write) -> io::Result<()> {
    all.iter().try_for_each(|said| writeln!(out, "{kind}: {}", printable(&said.message)))
}
