//! A file made by a minijinja template: of the file's own secret, as `data`, and of others, as `secret("path")`.
//!
//! Which others it needs is found by rendering: what is missing is noted, read, and the template rendered again.
//! <https://docs.rs/minijinja/latest/minijinja/syntax/index.html>

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::Value as Json;
use strongroom_core::reference::SecretId;
use zeroize::Zeroizing;

use crate::exit::{Category, Failure};
use crate::store::{Batch, Secret};

type Secrets = Vec<Arc<Secret>>;

/// What the template at `file` makes of the secrets, and which they are.
pub(super) async fn render(
    file: &Path,
    own: Arc<Secret>,
    batch: &Arc<Batch>,
) -> Result<(Zeroizing<Vec<u8>>, Vec<Arc<Secret>>), Failure> {
    let source = read(file)?;
    let mut secrets = vec![Arc::clone(&own)];
    for _ in 0..MOST_ROUNDS {
        // A defect of the engine costs this file, not the environment.
        let rendered =
            catch_unwind(AssertUnwindSafe(|| render_with(file, &source, &own, &secrets)));
        match rendered.unwrap_or_else(|_| Err(failed(file, "a defect of the extension")))? {
            Rendered::Done(text) => return Ok((text, secrets)),
            Rendered::Wants(ids) => secrets.extend(read_all(file, ids, batch).await?),
        }
    }
    Err(failed(file, format!("it still asks for further secrets after {MOST_ROUNDS} rounds")))
}

enum Rendered {
    Done(Zeroizing<Vec<u8>>),
    /// It asked for these, too.
    Wants(Vec<SecretId>),
}

fn render_with(
    file: &Path,
    source: &str,
    own: &Secret,
    secrets: &Secrets,
) -> Result<Rendered, Failure> {
    let known: Vec<(SecretId, Value)> =
        secrets.iter().map(|secret| (secret.id.clone(), data_of(secret))).collect();
    let wanted = Arc::new(Mutex::new(Vec::new()));
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // What is rendered with goes through serde, which was 14 KB of the binary: nothing does.
    environment.add_global("data", data_of(own));
    environment.add_filter("default", |value: Value, other: Value| {
        if value.is_undefined() || value.is_none() { other } else { value }
    });
    environment.add_filter("tojson", |value: Value| json_of(&value).to_string());
    let asked = Arc::clone(&wanted);
    environment.add_function("secret", move |path: Value, options: Option<Value>| {
        let version = options.as_ref().map_or(Ok(None), version_of)?;
        // A path may depend on another secret, which is not there yet.
        let path = match path.as_str() {
            Some(path) if path.contains(UNREAD) => return Ok(Value::from_object(Unread)),
            Some(path) => path,
            None if path.downcast_object_ref::<Unread>().is_some() => return Ok(path),
            None => return Err(ErrorKind::InvalidOperation.into()),
        };
        let id = SecretId { version, ..SecretId::newest(path) };
        if let Some((_, data)) = known.iter().find(|(known, _)| *known == id) {
            return Ok(data.clone());
        }
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.contains(&id) {
            asked.push(id);
        }
        Ok::<_, minijinja::Error>(Value::from_object(Unread))
    });
    let name = file.display().to_string();
    let rendered =
        environment.template_from_named_str(&name, source).and_then(|template| template.render(()));
    let wanted = std::mem::take(&mut *wanted.lock().unwrap_or_else(PoisonError::into_inner));
    match rendered {
        // What it made of secrets that were not there yet says nothing.
        _ if !wanted.is_empty() => Ok(Rendered::Wants(wanted)),
        Ok(text) => Ok(Rendered::Done(Zeroizing::new(text.into_bytes()))),
        Err(error) => Err(failed(file, explained(&error))),
    }
}

/// `version` of `secret("path", version=3)`, which may have nothing else.
fn version_of(options: &Value) -> Result<Option<u32>, minijinja::Error> {
    let mut names = options.try_iter()?;
    if !options.is_kwargs() || names.any(|name| name.as_str() != Some("version")) {
        return Err(ErrorKind::TooManyArguments.into());
    }
    let version = options.get_attr("version")?;
    if version.is_undefined() || version.is_none() {
        Ok(None)
    } else {
        version.try_into().map(Some)
    }
}

/// Stands for a secret in the round that finds out that it is needed.
#[derive(Debug)]
struct Unread;

impl Object for Unread {
    /// No path holds this.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(UNREAD)
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_dyn_object(Arc::clone(self)))
    }
}

async fn read_all(file: &Path, ids: Vec<SecretId>, batch: &Arc<Batch>) -> Result<Secrets, Failure> {
    batch.begin(ids.iter());
    let mut secrets = Secrets::new();
    for id in ids {
        let outcome = batch.secret(&id).await;
        let attempt = format!("cannot read {id} (from template {})", file.display());
        let secret = outcome.map_err(|error| Failure::of_vault(&attempt, &error))?;
        if secret.present().is_none() {
            let message = format!(
                "there is no secret at {id} (from template {}): Vault answered {}",
                file.display(),
                secret.status
            );
            return Err(Failure::new(Category::SecretMissing, message)
                .with_hint("check the path; for KV v2 it has data/ in it"));
        }
        secrets.push(secret);
    }
    Ok(secrets)
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut source = String::new();
    let read = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut source));
    match read {
        Ok(length) if length as u64 <= LARGEST => Ok(source),
        Ok(_) => Err(failed(file, format!("it is larger than {LARGEST} bytes"))),
        Err(error) => Err(failed(file, error.to_string())),
    }
}

fn data_of(secret: &Secret) -> Value {
    let fields = secret.present().and_then(strongroom_core::document::Document::secret);
    fields.map_or(Value::UNDEFINED, map_of)
}

/// Inserted one by one: what is collected is sorted first, which was 31 KB of the binary.
fn map_of(fields: &serde_json::Map<String, Json>) -> Value {
    let mut map = BTreeMap::new();
    for (name, value) in fields {
        map.insert(Value::from(name.as_str()), value_of(value));
    }
    Value::from_object(map)
}

/// A number that is no whole one, with its digits.
#[derive(Debug)]
struct Digits(String);

impl Object for Digits {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value for templates.
fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from_object(Digits(number.to_string())),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(value_of).collect::<Vec<_>>()),
        Json::Object(fields) => map_of(fields),
    }
}

/// Back again, for the filter `tojson`.
fn json_of(value: &Value) -> Json {
    if let Some(Digits(digits)) = value.downcast_object_ref() {
        return serde_json::from_str(digits).unwrap_or_default();
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => i64::try_from(value.clone())
            .map(Json::from)
            .or_else(|_| u64::try_from(value.clone()).map(Json::from))
            .unwrap_or_else(|_| Json::String(value.to_string())),
        ValueKind::Seq | ValueKind::Iterable => {
            Json::Array(value.try_iter().into_iter().flatten().map(|item| json_of(&item)).collect())
        }
        ValueKind::Map => {
            let mut fields = serde_json::Map::new();
            for key in value.try_iter().into_iter().flatten() {
                let item = value.get_item(&key).unwrap_or_default();
                fields.insert(key.to_string(), json_of(&item));
            }
            Json::Object(fields)
        }
        _ => Json::String(value.to_string()),
    }
}

/// Kind and place of an error. Its details may hold a value of a secret, and stay out.
fn explained(error: &minijinja::Error) -> String {
    let at = error.line().map_or_else(String::new, |line| format!(" at line {line}"));
    let detail = match error.kind() {
        ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownFunction
        | ErrorKind::UnknownTest => {
            error.detail().map_or_else(String::new, |detail| format!(": {detail}"))
        }
        _ => String::new(),
    };
    format!("{}{at}{detail}", error.kind())
}

fn failed(file: &Path, problem: impl AsRef<str>) -> Failure {
    let message = format!("cannot use template {}: {}", file.display(), problem.as_ref());
    Failure::new(Category::File, message).with_hint(
        "what is undefined is an error: data holds the fields of the file's own secret, secret(\"path\") those of \
         another, and | default(\"...\") stands in for what is missing",
    )
}

/// How a secret that is not there yet stands in a text.
const UNREAD: &str = "\u{0}unread\u{0}";
/// More than any template needs whose paths depend on what other secrets say.
const MOST_ROUNDS: usize = 8;
const LARGEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_takes_a_version_and_nothing_else() {
        let mut environment = Environment::empty();
        environment.add_function("version", |options: Option<Value>| {
            let version = options.as_ref().map_or(Ok(None), version_of)?;
            Ok::<_, minijinja::Error>(
                version.map_or_else(|| "newest".to_owned(), |it| it.to_string()),
            )
        });
        let check = |call: &str, expect: Option<&str>| {
            let source = format!("{{{{ {call} }}}}");
            let template = environment.template_from_str(&source).unwrap();
            assert_eq!(template.render(()).ok().as_deref(), expect, "{call}");
        };
        check("version()", Some("newest"));
        check("version(version=3)", Some("3"));
        check("version(version=none)", Some("newest"));
        check("version(version='x')", None);
        check("version(version=-1)", None);
        check("version(versions=3)", None);
        check("version(version=3, field='x')", None);
        check("version(3)", None);
    }
}
