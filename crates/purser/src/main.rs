//! The one binary: the four roles, and the operator's commands.

mod command;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = command::Cli::parse();
    let failure_code = cli.failure_code();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(cli.run()));
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        failure_code
    })
}
