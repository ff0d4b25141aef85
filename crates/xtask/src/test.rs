//! `cargo xtask test`: all tests, against services that are started where they don't run.

use std::env;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use nix::sys::statvfs::statvfs;
use test_support::services::{Progress, Service, Stack, Status};

use crate::services::interruptible_progress;
use crate::workspace;

#[derive(Args)]
pub(crate) struct Arguments {
    /// More arguments for `cargo test`, for example `--package billing` or `-- --nocapture`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    cargo_arguments: Vec<String>,
}

/// What a run from nothing takes: programs, container images, databases.
const DISK_GIB_WANTED: u64 = 10;

/// The services stay up afterwards, but for those that it has started where the variable `CI` is set.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let stack = Arc::new(Stack::workspace()?);
    let progress = interruptible_progress();
    warn_of_a_full_disk(&progress)?;
    let stopped = stopped_services(&stack)?;
    let tested = test(&stack, &progress, &arguments.cargo_arguments).await;
    if env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        let cleaning = Progress::new(|line| eprintln!("{line}"));
        tokio::task::spawn_blocking(move || stack.down_some(&stopped, &cleaning))
            .await
            .context("a stop panicked")??;
    }
    tested
}

/// Ceph, RabbitMQ and container images stop working one by one on a disk that fills, and none of them says so in a test.
fn warn_of_a_full_disk(progress: &Progress) -> Result<()> {
    let root = workspace::root();
    let disk = statvfs(&root).with_context(|| format!("can't tell the free space at {}", root.display()))?;
    let free_gib = (disk.blocks_available() * disk.fragment_size()) >> 30;
    if free_gib < DISK_GIB_WANTED {
        let there = root.display();
        progress.report(&format!(
            "only {free_gib} GiB are free at {there}; a run from nothing takes {DISK_GIB_WANTED}. `cargo clean` frees old builds"
        ));
    }
    Ok(())
}

/// The private services that don't run at the moment.
pub(crate) fn stopped_services(stack: &Stack) -> Result<Vec<Service>> {
    let status = stack.status()?.into_iter();
    Ok(status.filter(|(_, status)| *status == Status::Stopped).map(|(service, _)| service).collect())
}

async fn test(stack: &Arc<Stack>, progress: &Arc<Progress>, arguments: &[String]) -> Result<()> {
    let (starting, reporting) = (Arc::clone(stack), Arc::clone(progress));
    let start = move || {
        starting.up(&reporting)?;
        starting.install_test_tools(&reporting)
    };
    tokio::task::spawn_blocking(start).await.context("the start panicked")??;
    // One run shows all that is wrong.
    let mut cargo = workspace::cargo(&["test", "--no-fail-fast"]);
    if !arguments.iter().any(|argument| matches!(argument.as_str(), "-p" | "--package")) {
        cargo.arg("--workspace");
    }
    cargo.args(arguments).env("PURSER_SERVICES_FILE", stack.services_file());
    workspace::run(cargo, "cargo test").await
}
