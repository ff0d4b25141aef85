//! `cargo xtask bench`: release builds of `purser` and of the benchmark, which runs on the services that run.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use test_support::services::Stack;
use tokio::process::Command;

use crate::services::interruptible_progress;
use crate::workspace::{self, Profile};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Three rounds of three seconds for each variant; this is what is done where nothing is said
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Five rounds of eight seconds, on a machine that does nothing else
    #[arg(long)]
    full: bool,
    /// Some measures only, such as `query,command`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// The services stay up afterwards. The results lie in `target/bench` at the workspace's root.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let services_file = services_file().await?;
    let purser = workspace::build_purser(Profile::Release).await?;
    let mut bench = Command::new(workspace::build("bench", Profile::Release).await?);
    bench.arg("run").arg("--purser").arg(purser).arg("--out").arg(workspace::root().join("target/bench"));
    bench.args(["--effort", if arguments.full { "full" } else { "quick" }]);
    if !arguments.only.is_empty() {
        bench.arg("--only").arg(arguments.only.join(","));
    }
    bench.env("PURSER_SERVICES_FILE", services_file).kill_on_drop(true);
    workspace::run(bench, "the benchmark").await
}

/// The file that the environment names; else that of the workspace's own services, which are started where they don't run.
async fn services_file() -> Result<PathBuf> {
    if let Some(file) = env::var_os("PURSER_SERVICES_FILE") {
        return Ok(file.into());
    }
    let (stack, progress) = (Arc::new(Stack::workspace()?), interruptible_progress());
    let starting = Arc::clone(&stack);
    tokio::task::spawn_blocking(move || starting.up(&progress)).await.context("the start panicked")??;
    Ok(stack.services_file())
}
