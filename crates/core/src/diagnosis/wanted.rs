//! What the settings ask of Vault, path by path.

use crate::format::Format;
use crate::reference::{Field, SecretId};
use crate::settings::{MissingSecret, Settings};

/// A secret, or a field of it, that the settings ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// The secret.
    pub secret: SecretId,
    /// The field; `None` where any will do.
    pub field: Option<String>,
    /// Whether something else serves where it is not there.
    pub has_default: bool,
    /// The variable that asks for it.
    pub asked_by: String,
}

impl Wanted {
    /// Everything that is read at the start.
    pub fn of(settings: &Settings) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        // What one read tells stands together; it is a handful, and a sort would be 5 KB of the layer.
        let mut add = |wanted: Self| {
            let place = all.iter().rposition(|other| other.secret == wanted.secret);
            all.insert(place.map_or(all.len(), |place| place + 1), wanted);
        };
        for variable in &settings.references {
            for reference in variable.template.references() {
                add(Self {
                    secret: reference.secret.clone(),
                    field: match &reference.field {
                        Field::All => None,
                        Field::Named(name) => Some(name.clone()),
                    },
                    has_default: reference.default.is_some(),
                    asked_by: variable.name.clone(),
                });
            }
        }
        for file in &settings.files {
            add(Self {
                secret: file.secret.clone(),
                field: match &file.format {
                    Format::Raw(Field::Named(name)) => Some(name.clone()),
                    _ => None,
                },
                has_default: settings.missing_secret == MissingSecret::Null,
                asked_by: file.variable.clone(),
            });
        }
        all
    }
}
