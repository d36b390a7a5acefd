//! Secrets as variables: each reference replaced, before the function's program starts.
//!
//! The exec wrapper asks for them on the Unix socket. What it is given stays as it is for the life of its program, so
//! nothing is held here for longer than somebody may ask for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strongroom_core::document::Document;
use strongroom_core::format;
use strongroom_core::reference::{Reference, SecretId};
use strongroom_core::settings::ReferringVariable;
use strongroom_core::wrapper::LARGEST_VARIABLE;
use strongroom_vault::error::Error;
use zeroize::Zeroizing;

use crate::exit::{Category, Failure};
use crate::store::{Batch, Ended, Secret};

/// `NAME=value` of each variable, with a NUL behind it.
pub(crate) type Block = Zeroizing<Vec<u8>>;

/// The function's variables that refer to secrets.
pub(crate) struct Variables {
    variables: Vec<ReferringVariable>,
    /// The leases on what was given.
    leases: Mutex<Vec<Arc<str>>>,
}

type Secrets = Vec<(SecretId, Result<Arc<Secret>, Arc<Error>>)>;

impl Variables {
    pub(crate) fn new(variables: Vec<ReferringVariable>) -> Arc<Self> {
        Arc::new(Self { variables, leases: Mutex::default() })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }

    /// Notes that a lease is over; returns the names of the variables that hold what it was on.
    pub(crate) fn note_end(&self, ended: &Ended) -> Option<String> {
        let mut leases = self.leases();
        let at = leases.iter().position(|lease| *lease == ended.lease_id)?;
        leases.swap_remove(at);
        let refers = |variable: &&ReferringVariable| {
            variable.template.references().any(|reference| reference.secret == ended.secret)
        };
        let names = self.variables.iter().filter(refers).map(|variable| variable.name.as_str());
        Some(names.collect::<Vec<_>>().join(", "))
    }

    /// A failure that came before any reference was looked at, with the variables that it concerns.
    pub(crate) fn concerned_by(&self, failure: &Failure) -> Failure {
        let mut names = String::new();
        for variable in self.variables.iter().take(MOST_NAMED) {
            for reference in variable.template.references().take(1) {
                names.push_str(&format!("{} ({}), ", variable.name, reference.secret));
            }
        }
        let more = self.variables.len().saturating_sub(MOST_NAMED);
        let names = match (names.trim_end_matches(", "), more) {
            ("", _) => String::new(),
            (names, 0) => format!("{names}: "),
            (names, more) => format!("{names} and {more} more: "),
        };
        let message = format!("{names}{}", failure.message);
        Failure {
            message,
            category: failure.category,
            hint: failure.hint.clone(),
            is_outage: failure.is_outage,
        }
    }

    /// Notes the leases on what is given.
    fn give(&self, secrets: &Secrets) {
        let given = secrets.iter().filter_map(|(_, secret)| secret.as_ref().ok());
        let mut leases = self.leases();
        for lease in given.filter_map(|secret| secret.lease.as_ref()) {
            if leases.len() < MOST_LEASES && !leases.contains(lease) {
                leases.push(Arc::clone(lease));
            }
        }
    }

    fn leases(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, or why not, for each that cannot be had.
    pub(crate) async fn resolve(&self, batch: &Arc<Batch>) -> Result<Block, Failure> {
        let secrets = self.read(batch).await;
        let mut block = Zeroizing::new(Vec::with_capacity(1024));
        let mut failures = Vec::new();
        for variable in &self.variables {
            let value =
                variable.template.resolved(|reference| value_of(variable, reference, &secrets));
            match value.and_then(|value| check(variable, value)) {
                Ok(value) => {
                    for part in [variable.name.as_bytes(), b"=", value.as_bytes(), b"\0"] {
                        block.extend_from_slice(part);
                    }
                }
                Err(failure) => failures.push(failure),
            }
        }
        all_in_one(failures).map_or(Ok(block), Err)
    }

    /// Each secret once, side by side.
    async fn read(&self, batch: &Arc<Batch>) -> Secrets {
        let mut ids: Vec<&SecretId> = Vec::new();
        for reference in self.variables.iter().flat_map(|variable| variable.template.references()) {
            if !ids.contains(&&reference.secret) {
                ids.push(&reference.secret);
            }
        }
        batch.begin(ids.iter().copied());
        let mut secrets = Secrets::new();
        for id in ids {
            secrets.push((id.clone(), batch.secret_by_any_path(id).await));
        }
        self.give(&secrets);
        secrets
    }
}

/// What stands in place of a reference. Its default does where secret or field are not there, but not where Vault
/// could not be asked or said no: that would start the function with what nobody meant.
fn value_of(
    variable: &ReferringVariable,
    reference: &Reference,
    secrets: &Secrets,
) -> Result<Zeroizing<String>, Failure> {
    let ReferringVariable { name, .. } = variable;
    let Reference { secret: id, field, default } = reference;
    let secret = match secrets.iter().find(|(known, _)| known == id) {
        Some((_, Ok(secret))) => secret,
        Some((_, Err(error))) => {
            return Err(Failure::of_vault(&format!("{name}: cannot read {id}"), error));
        }
        None => unreachable!("every reference's secret was asked for"),
    };
    let text = secret.present().and_then(|document| document.text(field));
    if let Some(text) = text.or_else(|| default.clone()) {
        return Ok(text);
    }
    let (problem, hint) = match secret.present() {
        Some(document) => {
            (format!("{name}: {}", absent(document, reference)), "write the field that is meant")
        }
        None => (
            format!("{name}: there is no secret at {id}: Vault answered {}", secret.status),
            "check the path (for KV v2 it has data/ in it), whether the secret or its version was deleted, and \
             VAULT_NAMESPACE",
        ),
    };
    Err(Failure::new(Category::SecretMissing, problem)
        .with_hint(format!("{hint}, or give a default: vault:<path>#<field>|<default>")))
}

fn absent(document: &Document, reference: &Reference) -> String {
    format!("{} at {}", format::no_field(document, &reference.field), reference.secret)
}

/// A value that can be set.
fn check(
    variable: &ReferringVariable,
    value: Zeroizing<String>,
) -> Result<Zeroizing<String>, Failure> {
    let ReferringVariable { name, .. } = variable;
    let problem = if value.contains('\0') {
        "its value holds a NUL character, which no variable can"
    } else if name.len() + value.len() + "=\0".len() > LARGEST_VARIABLE {
        "its value is longer than 128 KiB, which no variable can be"
    } else {
        return Ok(value);
    };
    Err(Failure::new(Category::SecretMissing, format!("{name}: {problem}"))
        .with_hint("read this secret by file or through the local Vault API"))
}

/// One failure that tells of all.
fn all_in_one(failures: Vec<Failure>) -> Option<Failure> {
    let mut failures = failures.into_iter();
    let mut first = failures.next()?;
    for failure in failures {
        first.message.push_str("; ");
        first.message.push_str(&failure.message);
        if first.hint != failure.hint
            && let Some(hint) = &failure.hint
        {
            first.message.push_str(&format!(" (hint: {hint})"));
        }
    }
    Some(first)
}

/// Variables that a message names.
const MOST_NAMED: usize = 5;
/// Leases that are looked after for variables.
const MOST_LEASES: usize = 64;
