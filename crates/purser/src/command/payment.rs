//! `purser payment`.

use anyhow::ensure;
use billing::InvoicingSystem;
use billing::operators::ShownPayment;
use chrono::NaiveDate;
use clap::{Args, Subcommand};
use messages::{AddPayment, AddPaymentReply, RoleName};
use model::{Currency, CustomerId};
use runtime::config::Config;
use rust_decimal::Decimal;

use super::table::{self, Limit};
use super::{billing_settings, journal, moment, owner_pool};

#[derive(Debug, Subcommand)]
pub(crate) enum PaymentCommand {
    /// Note that a customer has paid; it settles open invoices, and what is left becomes credit
    ///
    /// Services that were locked or suspended for what is paid now are restored.
    Add(Add),
    /// List payments, those noted last first
    List(List),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this customer's
    #[arg(long, value_name = "ID")]
    customer: Option<i64>,
    #[command(flatten)]
    limit: Limit,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Who has paid
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    customer: i64,
    /// How much, for example 11.90
    #[arg(long)]
    amount: Decimal,
    /// In which currency, for example EUR
    #[arg(long)]
    currency: Currency,
    /// What the bank or the payment service calls the payment; the same one of a customer counts once
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// The invoice that is paid first [default: the oldest ones]
    #[arg(long, value_name = "NUMBER")]
    invoice: Option<String>,
    /// When it was paid, such as 2026-11-01 [default: today]
    #[arg(long, value_name = "DAY", value_parser = moment::day)]
    paid_on: Option<NaiveDate>,
    /// Print what it did as JSON, as the action `add_payment` answers it
    #[arg(long)]
    json: bool,
}

impl PaymentCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run(config).await,
            Self::List(List { customer, limit, json }) => {
                let pool = owner_pool(config).await?;
                let customer = customer.map(CustomerId);
                let payments = billing::operators::payments(&pool, customer, limit.rows_max()).await?;
                limit.print(json, ("payments", payments), HEADINGS, row)
            }
        }
    }
}

const HEADINGS: [&str; 7] = ["ID", "CUSTOMER", "AMOUNT", "CURRENCY", "PAID", "RECORDED", "REFERENCE"];

fn row(payment: &ShownPayment) -> [String; 7] {
    [
        payment.id.to_string(),
        payment.customer_id.to_string(),
        table::price(payment.amount, &payment.currency),
        payment.currency.clone(),
        payment.paid_on.to_string(),
        table::time(payment.recorded_at),
        payment.reference.clone(),
    ]
}

impl Add {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let Self { customer, amount, currency, reference, invoice, paid_on, json } = self;
        let settings = billing_settings(config)?;
        let is_native = matches!(settings.invoicing, InvoicingSystem::Native);
        ensure!(is_native, "payments are noted in WHMCS, which issues the invoices");
        let journal = journal(config, RoleName::Billing).await?;
        let payment = AddPayment { id: Some(CustomerId(customer)), amount, currency, reference, invoice, paid_on };
        let reply = billing::payments::add(&journal, &settings, &payment).await?;
        if json {
            return table::print_json(&reply);
        }
        print(&reply, currency);
        Ok(())
    }
}

fn print(reply: &AddPaymentReply, currency: Currency) {
    println!("payment {}", reply.payment_id);
    for settled in &reply.settled {
        println!("{}: {} {currency} paid, {} {currency} open", settled.number, settled.amount, settled.open);
    }
    println!("credit: {} {currency}", reply.credited);
}
