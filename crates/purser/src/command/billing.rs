//! `purser billing`: the role, and what operators run by themselves.

mod run;
mod schedule;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use runtime::config::Config;

#[derive(Debug, Args)]
pub(crate) struct Billing {
    /// Without one the role runs until it is told to end
    #[command(subcommand)]
    pub(super) command: Option<BillingCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BillingCommand {
    /// Issue every invoice and credit note that is due, and end
    ///
    /// The role does the same by itself. Running it again, or beside the role, issues nothing twice. It needs the section
    /// [billing] and the database's owner.
    ///
    /// Exit code 0: everything that was due is done or waits for its usage. 1: some services could not be invoiced; the
    /// log on stderr says why. 2: it couldn't run.
    Run(run::Run),
    /// Show billing periods, and which part of a full one each is
    ///
    /// It needs neither a configuration nor a database.
    Schedule(schedule::ScheduleCommand),
}

impl BillingCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(command) => command.run(config).await,
            Self::Schedule(command) => command.run().map(|()| ExitCode::SUCCESS),
        }
    }
}
