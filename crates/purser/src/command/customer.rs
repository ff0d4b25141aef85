//! `purser customer`.

use anyhow::Context;
use billing::Balance;
use billing::customers::NewCustomer;
use billing::operators::ShownCustomer;
use clap::{Args, Subcommand};
use messages::RoleName;
use model::{Currency, CustomerId};
use provisioner::operators::{AccountFilter, ShownAccount};
use runtime::config::Config;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;

use super::table::{self, Limit};
use super::{account, journal, owner_pool};

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Make a customer known, or change what is known about them
    ///
    /// It replaces all that is known about a customer: what isn't given is empty afterwards, and a credit limit that isn't
    /// given is none. Invoices that were issued keep what they say.
    Add(Add),
    /// List customers by number
    List(List),
    /// Show a customer with their accounts and balances
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    limit: Limit,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Their number
    id: i64,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// A customer with what belongs to them.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    customer: ShownCustomer,
    /// Also those that are gone.
    accounts: Vec<ShownAccount>,
    balances: Vec<Balance>,
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
    /// Print its id and whether it is new as JSON
    #[arg(long)]
    json: bool,
}

impl CustomerCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run(config).await,
            Self::List(List { limit, json }) => {
                let customers = billing::operators::customers(&owner_pool(config).await?, limit.rows_max()).await?;
                limit.print(json, ("customers", customers), HEADINGS, row)
            }
            Self::Show(show) => show.run(config).await,
        }
    }
}

impl Show {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let pool = owner_pool(config).await?;
        let id = CustomerId(self.id);
        let customer = billing::operators::customer(&pool, id).await?;
        let customer = customer.with_context(|| format!("there is no customer {id}"))?;
        let theirs = AccountFilter { customer: Some(id), ..AccountFilter::default() };
        let accounts = provisioner::operators::accounts(&pool, &theirs, i64::MAX).await?;
        let balances = billing::ledger_balances(&pool, Some(id)).await?;
        let whole = Whole { customer, accounts, balances };
        if self.json {
            return table::print_json(&whole);
        }
        print(&whole);
        Ok(())
    }
}

const HEADINGS: [&str; 7] = ["ID", "NAME", "EMAIL", "COUNTRY", "CURRENCY", "SERVICES", "SINCE"];

fn row(customer: &ShownCustomer) -> [String; 7] {
    [
        customer.id.to_string(),
        customer.name.clone(),
        customer.email.clone(),
        customer.country.clone(),
        customer.currency.clone(),
        customer.services.to_string(),
        table::time(customer.created_at),
    ]
}

fn print(Whole { customer, accounts, balances }: &Whole) {
    let limit =
        customer.credit_limit.map(|limit| format!("{} {}", table::price(limit, &customer.currency), customer.currency));
    let properties = [
        ("customer", customer.id.to_string()),
        ("name", customer.name.clone()),
        ("email", customer.email.clone()),
        ("address", customer.address.clone()),
        ("country", customer.country.clone()),
        ("VAT id", customer.vat_id.clone()),
        ("tax", if customer.is_tax_exempt { "exempt" } else { "" }.to_owned()),
        ("currency", customer.currency.clone()),
        ("credit limit", table::or_empty(limit)),
        ("billed by", customer.billing_entity.clone()),
        ("services", customer.services.to_string()),
        ("since", table::time(customer.created_at)),
    ];
    println!("{}", table::properties(properties));
    if !accounts.is_empty() {
        println!();
        account::print_rows(accounts);
    }
    if !balances.is_empty() {
        println!();
    }
    for Balance { account, currency, balance, .. } in balances {
        println!("{account}: {balance} {currency}");
    }
}

impl Add {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let add = self;
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
        if add.json {
            return table::print_json(&json!({"id": customer.id, "is_new": is_new}));
        }
        println!("customer {} {}", customer.id, if is_new { "added" } else { "changed" });
        Ok(())
    }
}
