//! `cargo xtask services up|down|status`.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Subcommand;
use test_support::services::{Progress, Services, Stack, Status};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Install what is missing and start what doesn't run; they stay when this command ends
    Up,
    /// Stop what `up` has started; the data stay
    Down {
        /// Delete the data too: the next `up` makes everything anew
        #[arg(long)]
        delete_data: bool,
    },
    /// Show what runs
    Status,
}

/// Runs one of the commands; Ctrl-C interrupts it where that leaves nothing half done.
pub(crate) async fn run(command: Command) -> Result<()> {
    let stack = Stack::workspace()?;
    let progress = interruptible_progress();
    let work = move || match command {
        Command::Up => up(&stack, &progress),
        Command::Down { delete_data: false } => stack.down(&progress),
        Command::Down { delete_data: true } => stack.delete(&progress),
        Command::Status => status(&stack),
    };
    tokio::task::spawn_blocking(work).await.context("the command panicked")?
}

/// Progress on standard error, which Ctrl-C interrupts.
pub(crate) fn interruptible_progress() -> Arc<Progress> {
    let progress = Arc::new(Progress::new(|line| eprintln!("{line}")));
    let on_ctrl_c = Arc::clone(&progress);
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("interrupted: finishing the current step");
            on_ctrl_c.interrupt();
        }
    });
    progress
}

fn up(stack: &Stack, progress: &Progress) -> Result<()> {
    let started = Instant::now();
    let services = stack.up(progress)?;
    eprintln!(
        "all ready in {:.1} s; addresses and passwords: {}",
        started.elapsed().as_secs_f64(),
        stack.services_file().display()
    );
    print_addresses(&services);
    Ok(())
}

fn status(stack: &Stack) -> Result<()> {
    for (service, status) in stack.status()? {
        match status {
            Status::External => println!("{service:<10}  named in the environment"),
            Status::Running { pid } => println!("{service:<10}  running, process {pid}"),
            Status::Stopped => println!("{service:<10}  stopped"),
        }
    }
    if let Ok(services) = Services::read(&stack.services_file()) {
        print_addresses(&services);
    }
    Ok(())
}

/// Shows where the services are, but no password.
fn print_addresses(services: &Services) {
    println!("RabbitMQ    amqp://{}:{}  {}", services.amqp_host, services.amqp_port, services.rabbitmq_api_url);
    println!("PostgreSQL  {}", without_password(&services.postgres_superuser_url));
    println!("Ceph RGW    {}", services.rgw_url);
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn an_address_is_shown_without_name_and_password() {
        assert_eq!(without_password("postgres://u:p@ss@127.0.0.1:5/db"), "postgres://127.0.0.1:5/db");
        assert_eq!(without_password("postgres://127.0.0.1/db"), "postgres://127.0.0.1/db");
    }
}
