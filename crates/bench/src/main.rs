//! Measures Purser beside the least that the same job can cost.
#![doc = include_str!("../README.md")]

mod client;
mod copy;
mod floor;
mod helper;
mod listener;
mod load;
mod machine;
mod measure;
mod measures;
mod peers;
mod processor_time;
mod report;
mod requests;
mod rounds;
mod stage;
mod statistics;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use test_support::services::Services;

use crate::machine::Machine;
use crate::measure::{Effort, Setting};

#[derive(Parser)]
#[command(name = "bench", about = "Measures Purser beside the least that the same job can cost")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run measures on the services that run
    Run(RunArguments),
    /// What the benchmark starts beside itself
    #[command(hide = true)]
    Serve { what: Server },
}

#[derive(clap::Args)]
struct RunArguments {
    /// The program `purser`
    #[arg(long)]
    purser: PathBuf,
    /// The folder for the results
    #[arg(long)]
    out: PathBuf,
    /// How long it takes, and how sure the figures are
    #[arg(long, value_enum, default_value = "quick")]
    effort: Effort,
    /// Some measures only
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Server {
    Floor,
    Store,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(arguments) => run(arguments).await,
        Command::Serve { what: Server::Floor } => floor::serve().await,
        Command::Serve { what: Server::Store } => store::serve().await,
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn run(arguments: RunArguments) -> Result<()> {
    let RunArguments { purser, out, effort, only } = arguments;
    let measures = measures::all();
    if let Some(unknown) = only.iter().find(|name| measures.iter().all(|measure| measure.name() != *name)) {
        let names: Vec<_> = measures.iter().map(|measure| measure.name()).collect();
        bail!("there is no measure {unknown:?}, but {}", names.join(", "));
    }
    std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
    let services = Services::load()?;
    let machine = Machine::look(&services, &purser).await?;
    let setting = Setting { services, purser_binary: purser, effort, machine };
    for measure in measures.iter().filter(|measure| only.is_empty() || only.iter().any(|name| name == measure.name())) {
        let results = rounds::run(measure.as_ref(), &setting).await?;
        report::write(&out, measure.as_ref(), &results)?;
    }
    println!("{}", report::write_summary(&out, &measures)?);
    println!("written to {}", out.display());
    Ok(())
}
