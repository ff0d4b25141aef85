//! `purser customer`.

use billing::customers::NewCustomer;
use clap::{Args, Subcommand};
use messages::RoleName;
use model::{Currency, CustomerId};
use runtime::config::Config;

use super::journal;

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Make a customer known, or change what is known about them
    Add(Add),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The number that the hosting company's other systems use too
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    id: i64,
    /// Where invoices go
    #[arg(long)]
    email: String,
    /// Where they are taxed: two letters of ISO 3166, for example NL
    #[arg(long)]
    country: String,
    /// What they pay in, for example EUR
    #[arg(long)]
    currency: Currency,
    /// Which of the company's entities bills them
    #[arg(long)]
    billing_entity: String,
}

impl CustomerCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let Self::Add(Add { id, email, country, currency, billing_entity }) = self;
        let customer = NewCustomer {
            id: CustomerId(id),
            email,
            country: country.to_ascii_uppercase(),
            currency,
            billing_entity,
            name: String::new(),
            address: String::new(),
            vat_id: String::new(),
            is_tax_exempt: false,
            credit_limit: None,
        };
        let journal = journal(config, RoleName::Billing).await?;
        let is_new = billing::customers::add(&journal, &customer).await?;
        println!("customer {id} {}", if is_new { "added" } else { "changed" });
        Ok(())
    }
}
