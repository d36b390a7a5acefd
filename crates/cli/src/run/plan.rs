//! What was asked for, after everything that can be wrong with it was looked at; and, from it, what each new
//! environment is made of.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use strongroom_core::settings::variables as v;
use strongroom_host::{Config, Function, Layer, Runtime};
use tempfile::TempDir;

use super::changes::{MOST_FILES, Snapshot};
use super::console::Console;
use super::identity::{Found, Identity};
use super::language::{self, Language};
use super::{Options, architecture, variables};

/// What was asked for.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    console: &'a Console,
    events: Vec<String>,
    /// Whether it was said that there are none.
    has_no_credentials: Cell<bool>,
    handler: String,
    identity: Identity,
    options: &'a Options,
    region: String,
    runtime: Runtime,
}

/// What a new environment is made of.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) config: Config,
    /// When its credentials end.
    pub(super) expires: Option<SystemTime>,
    pub(super) scratch: TempDir,
}

impl<'a> Plan<'a> {
    /// Looks at everything once.
    ///
    /// # Errors
    /// What was asked for cannot be run.
    pub(super) async fn make(
        options: &'a Options,
        events: Vec<String>,
        console: &'a Console,
    ) -> Result<Self> {
        let language = match &options.runtime {
            Some(language) => language.clone(),
            None if options.code.join(BOOTSTRAP).is_file() => Language::provided(),
            None => bail!(
                "the code in {} has no {BOOTSTRAP}: name the --runtime, such as python3.12, nodejs22.x or java21",
                options.code.display()
            ),
        };
        let handler = match &options.handler {
            Some(handler) => handler.clone(),
            None if language.needs_handler() => bail!(
                "{} has to know what to call: name the --handler, such as app.handler",
                language.name()
            ),
            None => BOOTSTRAP.to_owned(),
        };
        let (client, interpreter) = (options.client.as_deref(), options.interpreter.as_deref());
        let wanted = language::Wanted { client, code: &options.code, interpreter };
        let runtime = language.runtime(wanted).await?;
        let aws = crate::aws::config(options.profile.as_deref(), options.region.as_deref()).await?;
        let region = aws.region().map_or(DEFAULT_REGION, |region| region.as_ref()).to_owned();
        let name = options.name.as_deref().unwrap_or(DEFAULT_NAME);
        let identity = Identity::new(aws, options.assume_role.as_deref(), name);
        let has_no_credentials = Cell::new(false);
        let plan = Self {
            console,
            events,
            has_no_credentials,
            handler,
            identity,
            options,
            region,
            runtime,
        };
        // What would be wrong with the first environment is wrong with what was asked for.
        plan.check()?;
        Ok(plan)
    }

    pub(super) fn count(&self) -> u32 {
        self.options.count
    }

    pub(super) fn events(&self) -> &[String] {
        &self.events
    }

    pub(super) fn is_cold(&self) -> bool {
        self.options.cold
    }

    pub(super) fn memory(&self) -> u32 {
        self.options.memory
    }

    /// The name that it was given.
    pub(super) fn name(&self) -> Option<&str> {
        self.options.name.as_deref()
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.options.timeout)
    }

    /// The files that an environment is made of, where their changes matter: events that run once run in one environment.
    pub(super) fn look(&self) -> Snapshot {
        let Options { code, config, env_file, layers, serve, watch, .. } = self.options;
        if serve.is_none() && !watch {
            return Snapshot::default();
        }
        let files = [code].into_iter().chain(config).chain(env_file).chain(layers);
        Snapshot::of(files.map(PathBuf::as_path))
    }

    /// Makes what a new environment is made of, from the files as they are now.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub(super) async fn environment(&self) -> Result<Made> {
        let scratch = tempfile::Builder::new()
            .prefix("strongroom-run-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let options = self.options;
        let mut variables = variables::read(options.env_file.as_deref(), &options.variables)?;
        let code = unpacked(&options.code, &scratch.path().join("code"))?;
        let mut layers = Vec::new();
        for layer in &options.layers {
            architecture::check(layer)?;
            layers.push(match layer.is_dir() {
                true => Layer::Directory(layer.clone()),
                false => Layer::Zip(layer.clone()),
            });
        }
        if let Some(settings) = &options.config {
            if variables.contains_key(v::STRONGROOM_CONFIG) {
                bail!("{} names a settings file, and so does --config", v::STRONGROOM_CONFIG);
            }
            let layer = scratch.path().join("settings");
            fs::create_dir(&layer).context("cannot make a directory for the settings file")?;
            fs::copy(settings, layer.join(SETTINGS))
                .with_context(|| format!("cannot read {}", settings.display()))?;
            variables.insert(v::STRONGROOM_CONFIG.to_owned(), format!("/opt/{SETTINGS}"));
            layers.push(Layer::Directory(layer));
        }
        let found = self.credentials().await?;
        let function =
            Function { code, handler: self.handler.clone(), runtime: self.runtime.clone() };
        let defaults = Config::new(function, found.credentials);
        let config = Config {
            account_id: self.identity.account().unwrap_or(&defaults.account_id).to_owned(),
            function_name: self.name().unwrap_or(DEFAULT_NAME).to_owned(),
            layers,
            memory_mb: options.memory,
            region: self.region.clone(),
            timeout: self.timeout(),
            variables,
            ..defaults
        };
        Ok(Made { config, expires: found.expires, scratch })
    }

    fn check(&self) -> Result<()> {
        let Options { code, config, env_file, layers, .. } = self.options;
        variables::read(env_file.as_deref(), &self.options.variables)?;
        layers.iter().try_for_each(|layer| architecture::check(layer))?;
        for file in config.iter().chain([code]) {
            fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
        }
        if self.look().is_incomplete() {
            let text = format!("more than {MOST_FILES} files: changes of the others are not seen");
            self.console.say(&text);
        }
        Ok(())
    }

    async fn credentials(&self) -> Result<Found> {
        if self.has_no_credentials.get() {
            return Ok(Found::nothing());
        }
        let found = self.identity.find().await?;
        Ok(found.unwrap_or_else(|reason| {
            // Once: where there are none, the search may take seconds.
            self.has_no_credentials.set(true);
            self.console.say(&format!("the function has no AWS credentials: {reason}"));
            Found::nothing()
        }))
    }
}

/// The directory that the code lies in, where it is not one itself.
fn unpacked(code: &Path, target: &Path) -> Result<PathBuf> {
    if code.is_dir() {
        return Ok(code.to_owned());
    }
    let unusable = || format!("cannot unpack the code {}", code.display());
    let file = File::open(code).with_context(unusable)?;
    let mut archive = zip::ZipArchive::new(file).with_context(unusable)?;
    if archive.decompressed_size().is_some_and(|size| size > MOST_UNPACKED) {
        bail!("{} is larger unpacked than the 250 MB that Lambda allows", code.display());
    }
    archive.extract(target).with_context(unusable)?;
    Ok(target.to_owned())
}

const BOOTSTRAP: &str = "bootstrap";
const DEFAULT_NAME: &str = "function";
const DEFAULT_REGION: &str = "us-east-1";
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MOST_UNPACKED: u128 = 250 * 1024 * 1024;
/// What the settings file is called in `/opt`.
const SETTINGS: &str = "strongroom.toml";
