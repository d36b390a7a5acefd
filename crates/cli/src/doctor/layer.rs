//! The files of a layer: in a directory, in a zip, or in those that a function has.

use std::fs::{self, File};
use std::io::{Cursor, Read, Seek};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use strongroom_core::diagnosis::sayings::laptop;
use strongroom_core::diagnosis::{Check, Entry, HEAD, Report, judge_layer};
use strongroom_core::settings::variables as v;
use zip::ZipArchive;

use super::patient::Patient;
use crate::aws;

/// Looks at the layer at `path`, or at those of the function.
pub(super) async fn check(
    path: Option<&Path>,
    patient: &Patient,
    has_references: bool,
    report: &mut Report,
) {
    let function = patient.function.as_ref();
    let entries = match (path, function) {
        (Some(path), _) => read(path),
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

fn read(path: &Path) -> Result<Vec<Entry>> {
    let found = || format!("cannot read {}", path.display());
    if !fs::metadata(path).with_context(found)?.is_dir() {
        return of_zip(File::open(path).with_context(found)?).with_context(found);
    }
    let mut entries = Vec::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for file in fs::read_dir(&directory).with_context(found)? {
            let file = file.with_context(found)?.path();
            let metadata = fs::metadata(&file).with_context(found)?;
            if metadata.is_dir() {
                directories.push(file);
                continue;
            }
            let mut head = Vec::new();
            File::open(&file).with_context(found)?.take(HEAD as u64).read_to_end(&mut head)?;
            let below = file.strip_prefix(path).unwrap_or(&file);
            entries.push(Entry {
                path: below.to_string_lossy().into_owned(),
                mode: Some(metadata.permissions().mode()),
                size: metadata.len(),
                head,
            });
        }
    }
    Ok(entries)
}

fn of_zip(zip: impl Read + Seek) -> Result<Vec<Entry>> {
    let mut archive = ZipArchive::new(zip).context("it is no zip")?;
    let mut entries = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let file = archive.by_index(index)?;
        if file.is_dir() {
            continue;
        }
        let (path, mode, size) =
            (file.name()?.trim_start_matches("./").to_owned(), file.unix_mode(), file.size());
        let mut head = Vec::new();
        file.take(HEAD as u64).read_to_end(&mut head)?;
        entries.push(Entry { path, mode, size, head });
    }
    Ok(entries)
}

/// A file of a later layer lies over that of an earlier one.
async fn fetch(patient: &Patient, layers: &[String]) -> Result<Vec<Entry>> {
    let client = aws_sdk_lambda::Client::new(&patient.aws);
    let mut all: Vec<Entry> = Vec::new();
    for arn in layers {
        let answer = client.get_layer_version_by_arn().arn(arn).send().await;
        let answer = answer.map_err(|error| aws::told(&error)).with_context(|| arn.clone())?;
        let content = answer.content().and_then(|content| content.location());
        let entries = of_zip(Cursor::new(download(content.context("Lambda names no place")?)?))?;
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
