//! Invokes a function again and again while everything around it goes wrong as a seed has it, judges what the function
//! sees, and says how often what must not be was.
//!
//! Troubles are drawn in `plan`, made in `world`, and judged in `oracle` by what `history` says was written.
#![expect(clippy::print_stderr, reason = "a command line for people")]
#![expect(clippy::print_stdout, reason = "a command line for people")]

mod clock;
mod figures;
mod history;
mod leases;
mod oracle;
mod plan;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use figures::Figures;
use oracle::{Finding, Oracle};
use plan::Step;
use world::{Played, World};

/// Everything goes wrong, as a seed has it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask chaos")]
struct Arguments {
    /// What is drawn; the same seed draws the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often the function is invoked
    #[arg(long, default_value_t = 10_000)]
    invocations: u64,
    /// The number of the first invocation: to play a part of a run again
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Stop at the first finding
    #[arg(long)]
    stop: bool,
    /// Print what is drawn, and do nothing
    #[arg(long)]
    plan: bool,
    /// Write the figures to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.plan {
        steps(&arguments).for_each(|step| println!("{step}"));
        return ExitCode::SUCCESS;
    }
    let figures = run(&arguments).await;
    print!("{figures}");
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(&figures).expect("figures can be written");
        #[expect(clippy::disallowed_methods, reason = "figures, no secret")]
        if let Err(error) = std::fs::write(path, json + "\n") {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if figures.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is drawn for each invocation; the first always has a new environment.
fn steps(arguments: &Arguments) -> impl Iterator<Item = Step> + use<> {
    let Arguments { from, seed, invocations, .. } = *arguments;
    (from..from + invocations).map(move |number| {
        let mut step = plan::draw(seed, number);
        if number == from {
            step.environment = Some(plan::settings_at(seed, number));
        }
        step
    })
}

async fn run(arguments: &Arguments) -> Figures {
    let began = Instant::now();
    let mut figures = Figures::default();
    figures.seed = arguments.seed;
    let mut oracle = Oracle::default();
    let mut world = World::start(&function()).await;
    let bar = progress(arguments.invocations);
    for step in steps(arguments) {
        let played = world.play(&step).await;
        figures.invocations += 1;
        figures.environments += u64::from(step.environment.is_some());
        figures.count_troubles(&step.troubles, &played.effective);
        world.follow_leases();
        let environment = world.environment.as_ref().expect("it has just been invoked");
        let findings = oracle.judge(&step, &played, environment, &world);
        figures.count_findings(&findings);
        if !findings.is_empty() {
            bar.suspend(|| tell(arguments, &step, &played, &environment.log(), &findings));
            if arguments.stop {
                break;
            }
        }
        bar.inc(1);
    }
    if let Some(ended) = world.end_environment().await {
        figures.count_findings(&oracle.judge_last(&ended));
    }
    bar.finish_and_clear();
    figures.secrets_written = world.history.next();
    figures.leases = world.leases.as_ref().map_or(0, leases::Leases::count);
    figures.failed_inits = oracle.failed_inits;
    figures.refusals = oracle.refusals;
    figures.seconds = began.elapsed().as_secs_f64();
    figures
}

/// Says all that there is to know of a finding, and how to see it again.
fn tell(arguments: &Arguments, step: &Step, played: &Played, log: &str, findings: &[Finding]) {
    let seed = arguments.seed;
    for finding in findings {
        eprintln!("FOUND {finding}");
    }
    eprintln!("  {step}");
    eprintln!("  took effect: {:?}", played.effective);
    eprintln!("  init {:?}; {:?}", played.init, played.invocation);
    let from = step.number.saturating_sub(BEFORE).max(arguments.from);
    for before in from..step.number {
        eprintln!("  before: {}", plan::draw(seed, before));
    }
    let lines: Vec<_> = log.lines().collect();
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        eprintln!("    {line}");
    }
    let invocations = step.number - from + 1;
    eprintln!(
        "  again: cargo xtask chaos --seed {seed} --from {from} --invocations {invocations}\n"
    );
}

/// The function's program, which cargo puts beside this one.
fn function() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    program.with_file_name("strongroom-chaos-function")
}

fn progress(invocations: u64) -> ProgressBar {
    let template = "{bar:30} {pos}/{len} invocations, {elapsed} gone, {eta} to go";
    let style = ProgressStyle::with_template(template).expect("a template without mistakes");
    ProgressBar::new(invocations).with_style(style)
}

/// How many invocations before a finding are told.
const BEFORE: u64 = 10;
/// How many lines of the log are told.
const LINES: usize = 60;
