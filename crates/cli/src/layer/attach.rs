//! `layer attach`: gives a function the layer, or a newer one, and the variables that it needs; and takes them away again.

mod change;
mod differences;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{Environment as Variables, LastUpdateStatus, PackageType};
use strongroom_core::diagnosis::Architecture;
use strongroom_core::settings::SettingsFile;

use self::change::{Change, Current};
use super::{NAME, layer_name, publish};
use crate::agreement;
use crate::aws::{self, told};
use crate::environment::assignment::{self, Assignment};
use crate::steps::Steps;

/// Give a function the layer, or a newer version of it
///
/// Adds the exec wrapper if a variable refers to a secret, and refuses settings with which the layer would not start.
/// What it changes is noted in tags of the function, so that --undo brings back what was there before.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A function, by name or ARN
    #[arg(long, value_name = "NAME", required = true)]
    function: Vec<String>,
    /// The function's region; without it, the shell's
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The AWS profile; without it, whatever the shell is set to
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The version of the layer; without it, the newest one of the account for the function's processor
    #[arg(long, value_name = "ARN")]
    layer: Option<String>,
    /// What the account's layers are called, as for layer publish
    #[arg(long, value_name = "NAME", default_value = NAME)]
    name: String,
    /// A variable that the function is to have
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<Assignment>,
    /// The settings file that is in the function's package, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Put the layer in the place of HashiCorp's vault-lambda-extension, after showing what will differ
    #[arg(long)]
    replace_vle: bool,
    /// Bring back what was there before the layer was attached
    #[arg(long, conflicts_with_all = ["layer", "set", "replace_vle"])]
    undo: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
///
/// # Errors
/// AWS refuses or does not answer.
pub(super) async fn run(options: Options) -> Result<ExitCode> {
    let config = aws::config(options.profile.as_deref(), options.region.as_deref()).await?;
    config.region().context("no region is named; hint: pass --region, or set AWS_REGION")?;
    let lambda = Client::new(&config);
    let set = BTreeMap::from_iter(assignment::all("--set", &options.set)?);
    let file = options.config.as_ref().map(|path| {
        let content = std::fs::read(path);
        let content = content.with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::Ok((path.display().to_string(), content))
    });
    let file = file.transpose()?;
    let mut changes = Vec::new();
    let mut is_good = true;
    for function in &options.function {
        let current = current(&lambda, function).await?;
        let change = match options.undo {
            true => change::undo(&current),
            false => {
                let layer = match &options.layer {
                    Some(arn) => arn.clone(),
                    None => newest(&lambda, &options.name, current.architecture).await?,
                };
                let file = file.as_ref().map(|(path, content)| SettingsFile::parse(path, content));
                change::attach(&current, &layer, &set, file, options.replace_vle)
            }
        };
        write(function, &change).context("cannot write what is to be done")?;
        is_good &= change.problems.is_empty();
        changes.push((function, current, change));
    }
    if !is_good {
        return Ok(ExitCode::FAILURE);
    }
    changes.retain(|(_, _, change)| !change.lines.is_empty());
    if changes.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !options.yes && !agreement::is_given()? {
        return Ok(ExitCode::FAILURE);
    }
    let mut steps = Steps::new();
    for (function, current, change) in changes {
        steps.take(&format!("function {function}"), &[], make(&lambda, &current, &change)).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn current(lambda: &Client, function: &str) -> Result<Current> {
    let answer = lambda.get_function().function_name(function).send().await;
    let answer = answer
        .map_err(|error| told(&error))
        .with_context(|| format!("cannot look at the function {function}"))?;
    let tags = answer.tags.unwrap_or_default();
    let configuration = answer.configuration.context("Lambda describes no function")?;
    if configuration.package_type() == Some(&PackageType::Image) {
        bail!(
            "{function} is a container image, which has no layers; hint: copy the layer into the image, as \
             docs/container-images.md says"
        );
    }
    let architecture = configuration.architectures().first();
    let variables = configuration.environment().and_then(|environment| environment.variables());
    Ok(Current {
        // Where Lambda names none, it is the default.
        architecture: architecture
            .map_or(Some(Architecture::X86_64), |name| Architecture::parse(name.as_str()))
            .context("Lambda names no processor that a layer is made for")?,
        arn: configuration.function_arn().context("a function has an ARN")?.to_owned(),
        layers: configuration
            .layers()
            .iter()
            .filter_map(|layer| Some(layer.arn()?.to_owned()))
            .collect(),
        revision: configuration.revision_id().map(str::to_owned),
        runtime: configuration
            .runtime()
            .map(|runtime| runtime.as_str().to_owned())
            .unwrap_or_default(),
        tags: tags.into_iter().collect(),
        variables: variables.map(|set| set.clone().into_iter().collect()).unwrap_or_default(),
    })
}

async fn newest(lambda: &Client, name: &str, architecture: Architecture) -> Result<String> {
    let name = layer_name(name, architecture);
    publish::newest(lambda, &name).await?.with_context(|| {
        format!(
            "there is no layer {name} in this account and region; hint: strongroom layer publish --arch {}, or name one by \
             --layer",
            architecture.name()
        )
    })
}

async fn make(lambda: &Client, current: &Current, change: &Change) -> Result<()> {
    // What is to be undone is noted first: noted and not done does no harm.
    if !change.tags.is_empty() {
        let tags: HashMap<String, String> = change.tags.clone().into_iter().collect();
        let tagged = lambda.tag_resource().resource(&current.arn).set_tags(Some(tags)).send().await;
        tagged.map_err(|error| told(&error)).context("cannot tag the function")?;
    }
    let variables =
        Variables::builder().set_variables(Some(change.variables.clone().into_iter().collect()));
    let update = lambda
        .update_function_configuration()
        .function_name(&current.arn)
        .set_revision_id(current.revision.clone())
        .set_layers(Some(change.layers.clone()))
        .environment(variables.build());
    update.send().await.map_err(|error| told(&error)).context("cannot change the function")?;
    settle(lambda, current).await?;
    if !change.stale_tags.is_empty() {
        let untag = lambda.untag_resource().resource(&current.arn);
        let untagged = untag.set_tag_keys(Some(change.stale_tags.clone())).send().await;
        untagged.map_err(|error| told(&error)).context("cannot untag the function")?;
    }
    Ok(())
}

/// Waits until Lambda has taken the change over.
/// <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>
async fn settle(lambda: &Client, current: &Current) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let now = lambda.get_function_configuration().function_name(&current.arn).send().await;
        let now = now.map_err(|error| told(&error))?;
        match now.last_update_status() {
            Some(LastUpdateStatus::InProgress) => tokio::time::sleep(PAUSE).await,
            Some(LastUpdateStatus::Failed) => {
                bail!(
                    "Lambda could not change the function: {}",
                    now.last_update_status_reason().unwrap_or_default()
                )
            }
            _ => return Ok(()),
        }
    }
    bail!("Lambda is still changing the function; hint: look at it in a minute")
}

fn write(function: &str, change: &Change) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{function}")?;
    for line in &change.lines {
        writeln!(out, "  {line}")?;
    }
    if change.lines.is_empty() && change.problems.is_empty() {
        writeln!(out, "  is as it should be")?;
    }
    if change.replaces_vle {
        writeln!(out, "\nWhat differs from vault-lambda-extension, and the way back:")?;
        for (difference, way_back) in differences::all() {
            writeln!(out, "  - {difference}\n    {way_back}")?;
        }
    }
    for note in &change.notes {
        writeln!(out, "\nnote: {note}")?;
    }
    for problem in &change.problems {
        writeln!(out, "\nerror: {problem}")?;
    }
    writeln!(out)
}

const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);
