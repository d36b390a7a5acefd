//! `layer publish`: a version of the layer in each region and for each processor, unless the newest one there is it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LayerVersionContentInput;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use strongroom_core::diagnosis::Architecture;

use super::package::Package;
use super::snippets::{self, Published};
use super::{NAME, layer_name};
use crate::aws::{self, told};
use crate::steps::Steps;

/// Publish the layer in your own account
///
/// A version whose content is the same as the newest one's is not published again. Prints the ARNs, and what to write in
/// SAM, Terraform and CDK.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A region, of any partition; more than one, and the layer is published in each. Without it, the shell's
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    region: Vec<String>,
    /// A processor; without it, all whose zips are there
    #[arg(long, value_name = "ARCH", value_delimiter = ',', value_parser = architecture())]
    arch: Vec<Architecture>,
    /// A zip that cargo xtask layer has made; without it, those in target/layer
    #[arg(long, value_name = "FILE")]
    zip: Vec<PathBuf>,
    /// What the layer is called; -arm64 is put behind it for that processor
    #[arg(long, value_name = "NAME", default_value = NAME)]
    name: String,
    /// The AWS profile; without it, whatever the shell is set to
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// An account that may use the layer, too
    #[arg(long, value_name = "ACCOUNT")]
    share_with_account: Vec<String>,
    /// An organization whose accounts may use the layer, too
    #[arg(long, value_name = "ID")]
    share_with_organization: Option<String>,
    /// Let every AWS account use the layer
    #[arg(long)]
    public: bool,
    /// Print one JSON array on standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A zip is none of the layer's, or AWS refuses or does not answer.
pub(super) async fn run(options: Options) -> Result<ExitCode> {
    let packages = packages(&options)?;
    let mut regions: Vec<Option<&str>> =
        options.region.iter().map(|region| Some(region.as_str())).collect();
    if regions.is_empty() {
        regions.push(None);
    }
    let mut steps = Steps::new();
    let mut published = Vec::new();
    for region in regions {
        let config = aws::config(options.profile.as_deref(), region).await?;
        let region = config
            .region()
            .context("no region is named; hint: pass --region, or set AWS_REGION")?;
        let lambda = Client::new(&config);
        for package in &packages {
            let name = layer_name(&options.name, package.architecture);
            let what = format!("{name} in {region}, from {}", package.path.display());
            let arn = steps.take(&what, &[], publish(&lambda, &name, package)).await?;
            share(&lambda, &options, &name, &arn, &mut steps).await?;
            published.push(Published {
                architecture: package.architecture,
                region: region.to_string(),
                arn,
            });
        }
    }
    write(&published, options.json).context("cannot write what was published")?;
    Ok(ExitCode::SUCCESS)
}

/// Lambda's names of processors, and the one that compilers use.
fn architecture() -> impl TypedValueParser {
    let names = [PossibleValue::new("arm64").alias("aarch64"), PossibleValue::new("x86_64")];
    PossibleValuesParser::new(names)
        .map(|name| Architecture::parse(&name).unwrap_or(Architecture::Arm64))
}

fn packages(options: &Options) -> Result<Vec<Package>> {
    let wanted = |architecture: &Architecture| {
        options.arch.is_empty() || options.arch.contains(architecture)
    };
    let packages = match options.zip.is_empty() {
        false => options.zip.iter().map(|path| Package::read(path)).collect::<Result<Vec<_>>>()?,
        true => {
            let all = Architecture::ALL.into_iter().filter(wanted);
            let paths = all.map(|architecture| {
                Path::new(FOLDER).join(format!("strongroom-layer-{}.zip", architecture.name()))
            });
            let named = !options.arch.is_empty();
            paths
                .filter(|path| named || path.exists())
                .map(|path| Package::read(&path))
                .collect::<Result<Vec<_>>>()?
        }
    };
    if let Some(other) = packages.iter().find(|package| !wanted(&package.architecture)) {
        bail!(
            "{} is for {}, which --arch does not name",
            other.path.display(),
            other.architecture.name()
        );
    }
    if packages.is_empty() {
        bail!(
            "there is no layer in {FOLDER}; hint: cargo xtask layer builds it, or name its zips by --zip"
        );
    }
    Ok(packages)
}

/// The ARN of the version with this content; it is published if the newest version is another.
async fn publish(lambda: &Client, name: &str, package: &Package) -> Result<String> {
    let digest = package.digest();
    if let Some(arn) = newest(lambda, name).await?
        && content_of(lambda, name, &arn).await?.is_some_and(|content| content == digest)
    {
        return Ok(arn);
    }
    let content =
        LayerVersionContentInput::builder().zip_file(Blob::new(package.content.clone())).build();
    let made = lambda
        .publish_layer_version()
        .layer_name(name)
        .description(format!(
            "Strongroom {}, {}, SHA-256 {digest}",
            env!("CARGO_PKG_VERSION"),
            package.architecture.name()
        ))
        .license_info("Apache-2.0")
        .compatible_architectures(package.architecture.name().into())
        .content(content)
        .send()
        .await;
    let made =
        made.map_err(|error| told(&error)).with_context(|| format!("cannot publish {name}"))?;
    made.layer_version_arn.context("Lambda names no version")
}

/// The ARN of the newest version, if there is any.
pub(super) async fn newest(lambda: &Client, name: &str) -> Result<Option<String>> {
    let versions = lambda.list_layer_versions().layer_name(name).max_items(1).send().await;
    match versions {
        Ok(versions) => Ok(versions
            .layer_versions()
            .first()
            .and_then(|newest| newest.layer_version_arn())
            .map(str::to_owned)),
        Err(error)
            if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) =>
        {
            Ok(None)
        }
        Err(error) => Err(told(&error)).with_context(|| format!("cannot look at the layer {name}")),
    }
}

async fn content_of(lambda: &Client, name: &str, arn: &str) -> Result<Option<String>> {
    let number = version_of(arn)?;
    let version = lambda.get_layer_version().layer_name(name).version_number(number).send().await;
    let version =
        version.map_err(|error| told(&error)).with_context(|| format!("cannot look at {arn}"))?;
    Ok(version.content.and_then(|content| content.code_sha256))
}

fn version_of(arn: &str) -> Result<i64> {
    let version = arn.rsplit(':').next().and_then(|version| version.parse().ok());
    version.with_context(|| format!("{arn} has no version"))
}

async fn share(
    lambda: &Client,
    options: &Options,
    name: &str,
    arn: &str,
    steps: &mut Steps,
) -> Result<()> {
    let version = version_of(arn)?;
    let accounts =
        options.share_with_account.iter().map(|id| (format!("account-{id}"), id.as_str(), None));
    let organization = options.share_with_organization.as_deref();
    let organization = organization.map(|id| (format!("organization-{id}"), "*", Some(id)));
    let public = options.public.then(|| ("public".to_owned(), "*", None));
    for (statement, principal, organization) in accounts.chain(organization).chain(public) {
        let allow = async {
            let allowed = lambda
                .add_layer_version_permission()
                .layer_name(name)
                .version_number(version)
                .statement_id(&statement)
                .action("lambda:GetLayerVersion")
                .principal(principal)
                .set_organization_id(organization.map(str::to_owned))
                .send()
                .await;
            match allowed {
                Ok(_) => Ok(()),
                // It was shared before.
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|e| e.is_resource_conflict_exception()) =>
                {
                    Ok(())
                }
                Err(error) => Err(told(&error)),
            }
        };
        steps.take(&format!("{name} shared: {statement}"), &[], allow).await?;
    }
    Ok(())
}

fn write(published: &[Published], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let list: Vec<_> = published
            .iter()
            .map(|one| serde_json::json!({ "arch": one.architecture.name(), "arn": one.arn, "region": one.region }))
            .collect();
        return writeln!(out, "{}", serde_json::to_string_pretty(&list)?);
    }
    for one in published {
        writeln!(out, "{}", one.arn)?;
    }
    published.iter().try_for_each(|one| write!(out, "\n{}", snippets::all(one)))
}

/// Where `cargo xtask layer` writes.
const FOLDER: &str = "target/layer";
