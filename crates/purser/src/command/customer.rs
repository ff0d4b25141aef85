//! `purser customer`.

use billing::customers::NewCustomer;
use clap::{Args, Subcommand};
use messages::RoleName;
use model::{Currency, CustomerId};
use runtime::config::Config;
use rust_decimal::Decimal;

use super::journal;

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Make a customer known, or change what is known about them
    ///
    /// It replaces all that is known about a customer: what isn't given is empty afterwards, and a credit limit that isn't
    /// given is none. Invoices that were issued keep what they say.
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
    /// Their name, as invoices show it
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Their address, as invoices show it; \n or a line break begins a new line
    #[arg(long, default_value = "", hide_default_value = true)]
    address: String,
    /// Their VAT id, as invoices show it
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    vat_id: String,
    /// They pay no tax, wherever they are
    #[arg(long)]
    tax_exempt: bool,
    /// How much they may owe, in their currency: beyond it nothing more can be ordered [default: without a limit]
    #[arg(long, value_name = "AMOUNT")]
    credit_limit: Option<Decimal>,
}

impl CustomerCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let Self::Add(add) = self;
        let customer = NewCustomer {
            id: CustomerId(add.id),
            email: add.email,
            country: add.country.to_ascii_uppercase(),
            currency: add.currency,
            billing_entity: add.billing_entity,
            name: add.name,
            address: add.address.replace("\\n", "\n"),
            vat_id: add.vat_id,
            is_tax_exempt: add.tax_exempt,
            credit_limit: add.credit_limit,
        };
        let journal = journal(config, RoleName::Billing).await?;
        let is_new = billing::customers::add(&journal, &customer).await?;
        println!("customer {} {}", customer.id, if is_new { "added" } else { "changed" });
        Ok(())
    }
}
