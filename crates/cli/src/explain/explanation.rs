//! What is to be said of an environment: the object of `--json`, whose fields are for programs
//! and do not change.

use serde::Serialize;
use strongroom_core::masking;
use strongroom_core::settings::variables::{self, Origin, Variable};
use strongroom_core::settings::{self, CacheApplies, Environment, Finding, Place, Settings, Waits};

/// All that is said.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// Whether the extension would start.
    pub(super) ok: bool,
    /// The settings file that was read.
    pub(super) settings_file: Option<String>,
    /// What is set, and the defaults of the rest.
    pub(super) settings: Vec<Setting>,
    /// What the settings file gives in vain.
    pub(super) overridden: Vec<Overridden>,
    /// What would be delivered at start; nothing if the extension would not start.
    pub(super) secrets: Vec<Secret>,
    /// The local Vault API.
    pub(super) proxy: Option<Proxy>,
    pub(super) warnings: Vec<Said>,
    pub(super) errors: Vec<Said>,
}

/// One setting.
#[derive(Debug, Serialize)]
pub(super) struct Setting {
    pub(super) name: String,
    /// Masked where it may hold a secret.
    pub(super) value: String,
    pub(super) source: Source,
    pub(super) meaning: &'static str,
}

/// Where a value comes from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(super) enum Source {
    Default,
    Environment,
    File(Line),
}

/// A line of the settings file.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) file: String,
    pub(super) line: usize,
}

/// A variable that wins over the settings file.
#[derive(Debug, Serialize)]
pub(super) struct Overridden {
    pub(super) name: String,
    pub(super) place: Line,
}

/// One secret on its way to the function.
#[derive(Debug, Serialize)]
pub(super) struct Secret {
    pub(super) path: String,
    /// Of a KV v2 secret; none for the newest.
    pub(super) version: Option<u32>,
    /// `*` is all of its data; none if the file's format decides.
    pub(super) field: Option<String>,
    /// Whether something else serves where the secret or the field is not there.
    pub(super) has_default: bool,
    pub(super) target: Target,
    /// Who holds the function back until it is there.
    pub(super) waits: &'static str,
    /// The variable that asks for it.
    pub(super) set_by: String,
    pub(super) source: Source,
}

/// Where a secret goes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(super) enum Target {
    /// A file, with permissions in octal digits.
    File { path: String, format: String, mode: String },
    /// A variable of the function.
    Variable { name: String },
}

/// The local Vault API.
#[derive(Debug, Serialize)]
pub(super) struct Proxy {
    pub(super) address: String,
    pub(super) cache: Option<Cache>,
}

/// What it may serve again.
#[derive(Debug, Serialize)]
pub(super) struct Cache {
    pub(super) ttl_ms: u64,
    pub(super) every_get: bool,
    pub(super) bytes: u32,
}

/// A warning or an error.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    /// The variable or the part of the settings file; none if it is a line of the file.
    pub(super) about: Option<String>,
    pub(super) problem: String,
    pub(super) place: Option<Line>,
    /// As the log has it.
    pub(super) message: String,
}

impl Explanation {
    /// Asks the extension's own code.
    pub(super) fn of(environment: &Environment) -> Self {
        // In the order in which the extension does it.
        let (_, found_for_log) = settings::log(environment);
        let (settings, found) = settings::parse(environment);
        let warnings = found_for_log.warnings.iter().chain(&found.warnings);
        Self {
            ok: settings.is_some(),
            settings_file: environment.settings_file().map(str::to_owned),
            settings: settings_of(environment),
            overridden: environment
                .overridden()
                .map(|(name, place)| Overridden { name: name.to_owned(), place: place.into() })
                .collect(),
            secrets: settings.as_ref().map_or_else(Vec::new, |s| secrets_of(s, environment)),
            proxy: settings.as_ref().and_then(proxy_of),
            warnings: warnings.map(Said::of).collect(),
            errors: found.errors.iter().map(Said::of).collect(),
        }
    }
}

fn settings_of(environment: &Environment) -> Vec<Setting> {
    let mut set = Vec::new();
    let mut defaults = Vec::new();
    for variable in variables::ALL {
        let names = names_of(variable, environment);
        if names.is_empty() && !variable.default.is_empty() {
            defaults.push(Setting {
                name: variable.name.to_owned(),
                value: variable.default.to_owned(),
                source: Source::Default,
                meaning: variable.meaning,
            });
        }
        for name in names {
            let value = environment.value(&name).unwrap_or_default();
            set.push(Setting {
                value: masking::shown(&name, value),
                source: Source::of(&name, environment),
                meaning: variable.meaning,
                name,
            });
        }
    }
    set.extend(defaults);
    set
}

/// The names under which a variable is set: any number with a suffix, or its OpenBao name.
fn names_of(variable: &Variable, environment: &Environment) -> Vec<String> {
    if let Some(begin) = variable.name.strip_suffix("<NAME>") {
        let named = environment.names_with_prefix(begin).filter(|name| *name != begin);
        return named.map(str::to_owned).collect();
    }
    let twin = variable.name.strip_prefix("VAULT_").map(|name| format!("BAO_{name}"));
    let twin = twin.filter(|_| variable.origin == Origin::VaultClient);
    let name = [Some(variable.name.to_owned()), twin].into_iter().flatten();
    name.filter(|name| environment.value(name).is_some()).take(1).collect()
}

fn secrets_of(settings: &Settings, environment: &Environment) -> Vec<Secret> {
    let variables = settings.references.iter().flat_map(|variable| {
        variable.template.references().map(|reference| Secret {
            path: reference.secret.path.clone(),
            version: reference.secret.version,
            field: Some(reference.field.to_string()),
            has_default: reference.default.is_some(),
            target: Target::Variable { name: variable.name.clone() },
            waits: "wrapper",
            set_by: variable.name.clone(),
            source: Source::of(&variable.name, environment),
        })
    });
    let waits = match settings.waits {
        Waits::Registration => "registration",
        Waits::Wrapper => "wrapper",
        Waits::WrapperIfHeeded => "wrapper if heeded, else registration",
    };
    let files = settings.files.iter().map(|file| Secret {
        path: file.secret.path.clone(),
        version: file.secret.version,
        field: None,
        has_default: false,
        target: Target::File {
            path: file.file.display().to_string(),
            format: file.format.to_string(),
            mode: format!("{:04o}", file.mode),
        },
        waits,
        set_by: file.variable.clone(),
        source: Source::of(&file.variable, environment),
    });
    variables.chain(files).collect()
}

fn proxy_of(settings: &Settings) -> Option<Proxy> {
    let proxy = settings.proxy.as_ref()?;
    Some(Proxy {
        address: match (proxy.listen, &settings.socket) {
            (Some(listen), _) => format!("http://{listen}"),
            (None, Some(socket)) => format!("unix://{}", socket.path.display()),
            (None, None) => String::new(),
        },
        cache: proxy.cache.map(|cache| Cache {
            ttl_ms: u64::try_from(cache.ttl.as_millis()).unwrap_or(u64::MAX),
            every_get: cache.applies == CacheApplies::ToEveryGet,
            bytes: cache.size,
        }),
    })
}

impl Source {
    fn of(name: &str, environment: &Environment) -> Self {
        environment.place(name).map_or(Self::Environment, |place| Self::File(place.into()))
    }
}

impl Said {
    fn of(finding: &Finding) -> Self {
        Self {
            about: Some(finding.variable.clone()).filter(|about| !about.is_empty()),
            problem: finding.problem.clone(),
            place: finding.place.clone().map(Line::from),
            message: finding.to_string(),
        }
    }
}

impl From<Place> for Line {
    fn from(place: Place) -> Self {
        Self { file: place.file, line: place.line }
    }
}
