//! The layer that is named, or those that a function has.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use strongroom_core::diagnosis::sayings::laptop;
use strongroom_core::diagnosis::{Check, Entry, Report, judge_layer};
use strongroom_core::settings::variables as v;

use super::patient::Patient;
use crate::aws;
use crate::layer::files;

/// Looks at the layer at `path`, or at those of the function.
pub(super) async fn check(
    path: Option<&Path>,
    patient: &Patient,
    has_references: bool,
    report: &mut Report,
) {
    let function = patient.function.as_ref();
    let entries = match (path, function) {
        (Some(path), _) => files::read(path),
        (None, Some(function)) if function.runtime.is_none() => {
            let text = "not looked at: an image has no layers; it must hold /opt/extensions itself";
            return report.not_made(Check::Layer, text, &[]);
        }
        (None, Some(function)) => fetch(patient, &function.layers).await,
        (None, None) => {
            let text = "not looked at: name it by --layer, or its function by --function";
            return report.not_made(Check::Layer, text, &[]);
        }
    };
    let is_wrapped =
        patient.environment.value(v::AWS_LAMBDA_EXEC_WRAPPER) == Some("/opt/strongroom/exec");
    match entries {
        Ok(entries) => {
            let architecture = function.and_then(|function| function.architecture);
            judge_layer(report, &entries, architecture, has_references || is_wrapped);
        }
        Err(error) => {
            let looked_at = path.map_or_else(
                || "the function's layers".to_owned(),
                |path| path.display().to_string(),
            );
            report.fault(&laptop::UNREADABLE_LAYER, &[&looked_at, &format!("{error:#}")]);
        }
    }
}

/// A file of a later layer lies over that of an earlier one.
async fn fetch(patient: &Patient, layers: &[String]) -> Result<Vec<Entry>> {
    let client = aws_sdk_lambda::Client::new(&patient.aws);
    let mut all: Vec<Entry> = Vec::new();
    for arn in layers {
        let answer = client.get_layer_version_by_arn().arn(arn).send().await;
        let answer = answer.map_err(|error| aws::told(&error)).with_context(|| arn.clone())?;
        let content = answer.content().and_then(|content| content.location());
        let entries =
            files::of_zip(Cursor::new(download(content.context("Lambda names no place")?)?))?;
        all.retain(|entry| entries.iter().all(|newer| newer.path != entry.path));
        all.extend(entries);
    }
    Ok(all)
}

/// The address holds a signature: no error names it.
fn download(url: &str) -> Result<Vec<u8>> {
    let Ok(mut answer) = ureq::get(url).call() else {
        bail!("the layer's content cannot be fetched from S3")
    };
    let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
    body.map_err(|_| anyhow::anyhow!("the layer's content breaks off, or is larger than 250 MB"))
}

const LARGEST: u64 = 250 << 20;
