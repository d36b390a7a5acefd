//! `setup export`: what apply would do, as Terraform or CloudFormation, for people who review before anything is done.
//!
//! Decides nothing itself: what setup has made is forgotten, the same plan is made of the rest, and each of its steps is
//! written in another language.

mod cloudformation;
mod commands;
mod terraform;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use super::accounts::Accounts;
use super::admin::Admin;
use super::found::Found;
use super::plan::{self, Plan};
use super::step::{LambdaStep, Step};
use super::wish::Wish;

/// What is exported, as what, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    input: super::Input,
    /// What to write
    #[arg(long = "as", value_name = "FORM")]
    form: Form,
    /// A file to write instead of standard output, or a directory: its name ends with a slash, or it is there
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a plan is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Form {
    /// A template as JSON, with the commands for Vault in its metadata
    Cloudformation,
    /// A configuration with the providers aws and vault
    Terraform,
}

/// Everything that is written.
#[derive(Debug)]
struct Deployment<'a> {
    wish: &'a Wish,
    accounts: &'a Accounts,
    plan: Plan,
}

/// What a Terraform provider and a CloudFormation template are for.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    /// The account's number.
    account: String,
    region: String,
}

/// A file's name and content.
type File = (String, String);

/// Runs the command.
///
/// # Errors
/// The settings are wrong, AWS or Vault refuses or does not answer, or the file cannot be written.
pub(super) async fn run(options: Options) -> Result<ExitCode> {
    let (environment, wish) = super::wish(&options.input)?;
    let admin = Admin::new(&environment)?;
    let accounts = Accounts::of(&wish).await?;
    let found = Found::look(&wish, &accounts, &admin).await?.without_ours(&wish);
    let plan = plan::of(&wish, &found, &accounts)?;
    if !plan.problems.is_empty() {
        for problem in &plan.problems {
            writeln!(io::stderr(), "error: {problem}").context("cannot say what is wrong")?;
        }
        return Ok(ExitCode::FAILURE);
    }
    let deployment = Deployment { wish: &wish, accounts: &accounts, plan };
    let files = match options.form {
        Form::Cloudformation => cloudformation::write(&deployment)?,
        Form::Terraform => vec![("strongroom.tf".to_owned(), terraform::write(&deployment)?)],
    };
    deliver(&files, options.output.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Puts the files where they are wanted.
fn deliver(files: &[File], output: Option<&Path>) -> Result<()> {
    let is_directory =
        |path: &Path| path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
    match (files, output) {
        (files, Some(directory)) if is_directory(directory) => {
            let made = std::fs::create_dir_all(directory);
            made.with_context(|| format!("cannot make {}", directory.display()))?;
            files.iter().try_for_each(|(name, content)| write(&directory.join(name), content))
        }
        ([(_, content)], Some(path)) => write(path, content),
        ([(_, content)], None) => {
            io::stdout().write_all(content.as_bytes()).context("cannot write it")
        }
        (files, _) => bail!(
            "one template is for one account and one region, and this needs {}: {}; hint: pass --output DIRECTORY/ to have each \
             written there, or choose by --function",
            files.len(),
            files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "no more secret than the settings file")]
    let written = std::fs::write(path, content);
    written.with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(io::stderr(), "{} is written.", path.display()).context("cannot say so")
}

impl Deployment<'_> {
    /// Where the steps are taken in AWS: the account of Vault's identity first, as others trust it.
    fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        let used = self.plan.steps.iter().filter_map(|step| self.place_of(step));
        for place in used {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let home = self.accounts.get(&self.wish.vault_account).ok();
        let home = home.map(|home| home.caller.account.clone());
        // Of one account the region with its IAM is first.
        let is_main = |place: &Place| self.region_of(&place.account) == place.region;
        places.sort_by_key(|place| (Some(&place.account) != home.as_ref(), !is_main(place)));
        places
    }

    /// Where a step is taken in AWS. IAM knows no regions: what is in it belongs to the account's first.
    fn place_of(&self, step: &Step) -> Option<Place> {
        let (account, region) = match step {
            Step::Iam(step) => (step.account(), self.region_of(step.account())),
            Step::Lambda(LambdaStep::Make(make)) => (make.account.as_str(), make.region.as_str()),
            Step::Lambda(LambdaStep::Tell(tell)) => (tell.account.as_str(), tell.region.as_str()),
            Step::Lambda(LambdaStep::Delete { .. }) | Step::Vault(_) => return None,
        };
        Some(Place { account: account.to_owned(), region: region.to_owned() })
    }

    /// The region of an account's first function, or of the first that there is.
    fn region_of(&self, account: &str) -> &str {
        let functions = &self.wish.functions;
        let is_there = |function: &&super::wish::Function| {
            let known = self.accounts.get(&function.account);
            known.is_ok_and(|known| known.caller.account == account)
        };
        let first = functions.iter().find(is_there).or_else(|| functions.first());
        first.map_or("us-east-1", |function| function.region.as_str())
    }

    /// In a sentence, what all of it is for.
    fn purpose(&self) -> String {
        let names: Vec<&str> =
            self.wish.functions.iter().map(|function| function.name.as_str()).collect();
        format!(
            "What strongroom setup apply would make for {}, with the role {} of auth/{} in Vault at {}",
            names.join(", "),
            self.wish.role,
            self.wish.mount,
            self.wish.vault
        )
    }

    /// The ARN of something of IAM's that a step makes.
    fn arn(&self, account: &str, resource: &str) -> Result<String> {
        Ok(self.accounts.by_id(account)?.iam_arn(resource))
    }
}

/// Names that nothing else in a file has.
#[derive(Debug, Default)]
struct Labels(BTreeMap<String, u32>);

impl Labels {
    /// `wanted`, with a number behind if it is taken.
    fn take(&mut self, wanted: &str) -> String {
        let mut label = wanted.to_owned();
        while self.0.contains_key(&label) {
            let count = self.0.entry(wanted.to_owned()).or_default();
            *count += 1;
            label = format!("{wanted}{}", *count + 1);
        }
        self.0.insert(label.clone(), 0);
        label
    }
}

/// A step that no plan has once what is setup's own is forgotten.
fn unexpected(step: &Step) -> anyhow::Error {
    anyhow::anyhow!("{} cannot be exported; hint: run setup apply for it", step.line().what)
}
