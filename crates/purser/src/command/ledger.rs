//! `purser ledger`.

use std::process::ExitCode;

use billing::{Balance, Verification};
use clap::{Args, Subcommand};
use comfy_table::CellAlignment;
use model::CustomerId;
use runtime::config::Config;

use super::{owner_pool, table};

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Recompute every balance, document and open amount from the ledger's entries
    ///
    /// Exit code 0: everything agrees. 1: something contradicts itself; one line says what. 2: it couldn't be checked.
    Verify {
        /// Print it as JSON: how many transactions and documents there are, and what contradicts itself
        #[arg(long)]
        json: bool,
    },
    /// Show the balances: positive where debits prevail
    ///
    /// receivable: what customers owe. credit: what they have paid too much (negative). revenue and tax: what was invoiced
    /// (negative). cash: what came in.
    Balances(Balances),
}

#[derive(Debug, Args)]
pub(crate) struct Balances {
    /// Of this customer [default: of all]
    #[arg(long, value_name = "ID")]
    customer: Option<i64>,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

impl LedgerCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let pool = owner_pool(config).await?;
        match self {
            Self::Verify { json } => report(&billing::verify_ledger(&pool).await?, json),
            Self::Balances(Balances { customer, json }) => {
                let balances = billing::ledger_balances(&pool, customer.map(CustomerId)).await?;
                if json {
                    println!("{}", serde_json::to_string_pretty(&balances)?);
                } else {
                    print(&balances);
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn report(found: &Verification, json: bool) -> anyhow::Result<ExitCode> {
    let code = if found.contradictions.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) };
    if json {
        table::print_json(found)?;
    } else if found.contradictions.is_empty() {
        println!("{} transactions, {} documents: everything agrees", found.transactions, found.documents);
    }
    for contradiction in found.contradictions.iter().filter(|_| !json) {
        println!("{contradiction}");
    }
    Ok(code)
}

fn print(balances: &[Balance]) {
    let row = |balance: &Balance| {
        let Balance { customer_id, account, currency, balance } = balance;
        [customer_id.to_string(), account.clone(), currency.to_string(), balance.to_string()]
    };
    let mut table = table::plain(["CUSTOMER", "ACCOUNT", "CURRENCY", "BALANCE"], balances.iter().map(row));
    if let Some(amounts) = table.column_mut(3) {
        amounts.set_cell_alignment(CellAlignment::Right);
    }
    println!("{}", table.trim_fmt());
}
