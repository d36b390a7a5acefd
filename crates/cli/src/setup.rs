//! `strongroom setup`: makes everything in IAM, Vault and Lambda that a function needs for its secrets, and takes it
//! away again.
//!
//! Data goes one way: the settings become a [`wish::Wish`], what is there is [`found::Found`], both together become a
//! [`plan::Plan`] of steps, which is shown and then taken.

mod accounts;
mod admin;
mod destroy;
mod document;
mod export;
mod found;
mod init;
mod names;
mod plan;
mod policies;
mod report;
mod step;
mod wish;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use strongroom_core::settings::{Environment, SettingsFile};

use self::accounts::Accounts;
use self::admin::Admin;
use self::found::Found;
use self::plan::Plan;
use self::report::Direction;
use self::step::Hands;
use self::wish::Wish;
use crate::agreement;
use crate::environment::assignment::{self, Assignment};
use crate::steps::Steps;

/// Set up what a function needs in IAM, Vault and Lambda, or take it away again
///
/// The settings file is the one that the layer reads, with a table `setup` that the layer passes over; docs/setup.md has
/// its keys. AWS is asked by the credentials of the shell or of a profile, Vault by VAULT_TOKEN or what vault login has
/// kept. Exits with 0, with 1 if something is wrong or was refused, or with 2 for a mistake of usage.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Ask a few questions, and write a settings file with a comment on everything else
    Init(init::Options),
    /// Show what is to be done, and do nothing
    Plan {
        #[command(flatten)]
        input: Input,
        /// Print one JSON object on standard output, and nothing else there
        #[arg(long)]
        json: bool,
        /// Exit with 1 if anything is to be done
        #[arg(long)]
        check: bool,
    },
    /// Do it; what is already so is left as it is, and after a failure the next one goes on
    Apply {
        #[command(flatten)]
        input: Input,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Print what apply would do as Terraform or CloudFormation, and do nothing
    Export(export::Options),
    /// Take away what setup made, and nothing else
    Destroy {
        #[command(flatten)]
        input: Input,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Where the wish comes from.
#[derive(Debug, clap::Args)]
struct Input {
    /// Settings file
    #[arg(long, value_name = "FILE", default_value = "strongroom.toml")]
    config: PathBuf,
    /// A setting that wins over the file's, such as VAULT_AUTH_ROLE=app or API_KEY=vault:kv/data/app#api-key
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<Assignment>,
    /// A function, instead of those in the file
    #[arg(long, value_name = "NAME")]
    function: Vec<String>,
    /// The AWS region of functions that name none
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The AWS profile of functions that name none
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The settings are wrong, or AWS or Vault refuses or does not answer.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    match options.command {
        Command::Init(options) => init::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Plan { input, json, check } => {
            let mut out = io::stdout().lock();
            let site = Site::open(&input).await?;
            let plan = site.plan(Direction::Apply).await?;
            let written = match json {
                true => report::write_json(&plan, &mut out),
                false => report::write(&plan, &site.place(), Direction::Apply, &mut out),
            };
            written.context("cannot write the plan")?;
            let is_done = !check || plan.steps.is_empty();
            let is_good = plan.problems.is_empty() && is_done;
            Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Apply { input, yes } => change(&input, Direction::Apply, yes).await,
        Command::Export(options) => export::run(options).await,
        Command::Destroy { input, yes } => change(&input, Direction::Destroy, yes).await,
    }
}

/// Shows the plan, asks, and takes its steps.
async fn change(input: &Input, direction: Direction, yes: bool) -> Result<ExitCode> {
    let site = Site::open(input).await?;
    let plan = site.plan(direction).await?;
    let written = report::write(&plan, &site.place(), direction, &mut io::stdout().lock());
    written.context("cannot write the plan")?;
    if !plan.problems.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if plan.steps.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !yes && !agreement::is_given()? {
        return Ok(ExitCode::FAILURE);
    }
    let hands = Hands::new(&site.accounts, &site.admin);
    let mut steps = Steps::new();
    let count = plan.steps.len();
    for (index, step) in plan.steps.iter().enumerate() {
        let name = step.line().what;
        let taken =
            steps.take(&format!("{}/{count} {name}", index + 1), &[], step.take(&hands)).await;
        taken.context(
            "what was done before stays; hint: put right what is said below and run the same command again, which goes on \
             from here",
        )?;
    }
    hands.told.borrow().iter().for_each(|told| steps.say(&format!("note: {told}")));
    steps.say("Done.");
    Ok(ExitCode::SUCCESS)
}

/// Everything that takes part.
struct Site {
    wish: Wish,
    accounts: Accounts,
    admin: Admin,
}

impl Site {
    async fn open(input: &Input) -> Result<Self> {
        let (environment, wish) = wish(input)?;
        let admin = Admin::new(&environment)?;
        let accounts = Accounts::of(&wish).await?;
        Ok(Self { wish, accounts, admin })
    }

    /// Where everything is.
    fn place(&self) -> String {
        let namespace = self.wish.namespace.as_deref();
        let namespace = namespace.map(|name| format!(", namespace {name}")).unwrap_or_default();
        format!("Vault at {}{namespace}; {}", self.wish.vault, self.accounts)
    }

    async fn plan(&self, direction: Direction) -> Result<Plan> {
        let found = Found::look(&self.wish, &self.accounts, &self.admin).await?;
        match direction {
            Direction::Apply => plan::of(&self.wish, &found, &self.accounts),
            Direction::Destroy => destroy::of(&self.wish, &found, &self.accounts),
        }
    }
}

/// The settings, and what they and the flags ask for.
fn wish(input: &Input) -> Result<(Environment, Wish)> {
    let mut environment = Environment::new(assignment::all("--set", &input.set)?);
    let mut setup = document::Setup::default();
    if let Some(text) = text_of(&input.config, !input.function.is_empty())? {
        let path = input.config.display().to_string();
        environment = environment.with_file(SettingsFile::parse(&path, text.as_bytes()));
        // What is no TOML at all is told with everything else that is wrong.
        setup = document::read(&path, &text).or_else(
            |error| match strongroom_core::settings::parse(&environment) {
                (None, _) => Ok(document::Setup::default()),
                _ => Err(error),
            },
        )?;
    }
    if !input.function.is_empty() {
        setup.functions =
            input.function.iter().map(|name| document::Function::named(name)).collect();
    }
    setup.region = input.region.clone().or(setup.region);
    setup.profile = input.profile.clone().or(setup.profile);
    let region =
        ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| std::env::var(name).ok());
    let wish = Wish::new(&environment, setup, region.as_deref())?;
    Ok((environment, wish))
}

/// The file's text; it need not be there if flags say enough.
fn text_of(path: &Path, is_optional: bool) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_optional && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| {
            format!(
                "cannot read {}; hint: strongroom setup init writes one, or name it by --config",
                path.display()
            )
        }),
    }
}
