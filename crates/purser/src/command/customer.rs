//! `purser customer`.

use anyhow::bail;
use clap::{Args, Subcommand};
use model::Currency;
use runtime::config::Config;

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Make a customer known, or change what is known about them
    Add(Add),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The number that the hosting company's other systems use too
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    id: i64,
    /// What they pay in, for example EUR
    #[arg(long)]
    currency: Currency,
    /// Where they are taxed: two letters of ISO 3166, for example NL
    #[arg(long)]
    country: String,
    /// Where invoices go
    #[arg(long)]
    email: Option<String>,
}

impl CustomerCommand {
    pub(super) async fn run(self, _config: &Config) -> anyhow::Result<()> {
        let Self::Add(Add { id, .. }) = self;
        bail!("customer {id} can't be added: this build keeps no customers")
    }
}
