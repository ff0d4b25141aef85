//! `purser invoice`.

mod html;

use anyhow::Context;
use chrono::NaiveDate;
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table};
use messages::{
    InvoiceAmounts, InvoiceKind, InvoiceLineReply, InvoicePreviewReply, InvoiceReply, InvoiceSummaryReply,
    ListInvoicesReply, RoleName,
};
use model::{Currency, CustomerId, Money, S3Uid};
use runtime::config::Config;
use rust_decimal::Decimal;

use super::{billing_settings, journal, owner_pool, table};

#[derive(Debug, Subcommand)]
pub(crate) enum InvoiceCommand {
    /// List a customer's invoices and credit notes, newest first
    List(List),
    /// Show an invoice or credit note
    Show(Show),
    /// Show what an account's running period costs, and what its next invoice will say
    Preview(Preview),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The customer
    #[arg(long, value_name = "ID")]
    customer: i64,
    /// Only those that aren't paid
    #[arg(long)]
    open: bool,
    /// Print them as JSON, as the action `list_invoices` answers them
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its number, such as NL-2026-000001
    number: String,
    /// Print it as JSON, as the action `get_invoice` answers it
    #[arg(long, conflicts_with = "html")]
    json: bool,
    /// Print it as an HTML page that a browser prints on A4
    #[arg(long)]
    html: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// The account
    #[arg(long, value_name = "S3UID")]
    account: S3Uid,
    /// Print it as JSON, as the action `invoice_preview` answers it
    #[arg(long)]
    json: bool,
}

impl InvoiceCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::List(List { customer, open, json }) => {
                let list = billing::invoices::list(&owner_pool(config).await?, CustomerId(customer), open).await?;
                if json {
                    println!("{}", serde_json::to_string_pretty(&list)?);
                } else {
                    print_list(&list);
                }
            }
            Self::Show(Show { number, json, html }) => {
                let found = billing::invoices::find(&owner_pool(config).await?, &number, None).await?;
                let invoice = found.with_context(|| format!("there is no invoice or credit note {number}"))?;
                if json {
                    println!("{}", serde_json::to_string_pretty(&invoice)?);
                } else if html {
                    print!("{}", html::page(&invoice));
                } else {
                    print_invoice(&invoice);
                }
            }
            Self::Preview(command) => command.run(config).await?,
        }
        Ok(())
    }
}

impl Preview {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let settings = billing_settings(config)?;
        let journal = journal(config, RoleName::Billing).await?;
        let preview = billing::invoices::preview(&journal, &settings, &self.account).await?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&preview)?);
        } else {
            print_preview(&preview);
        }
        Ok(())
    }
}

const LIST_HEADINGS: [&str; 8] = ["NUMBER", "KIND", "ACCOUNT", "ISSUED", "DUE", "CURRENCY", "GROSS", "OPEN"];
const LINE_HEADINGS: [&str; 7] = ["DESCRIPTION", "PERIOD", "QUANTITY", "UNIT_PRICE", "NET", "TAX_%", "GROSS"];

fn kind(kind: InvoiceKind) -> &'static str {
    match kind {
        InvoiceKind::Invoice => "Invoice",
        InvoiceKind::CreditNote => "Credit note",
    }
}

/// An amount with its currency's decimal places.
fn amount(amount: Decimal, currency: Currency) -> String {
    Money::rounded(amount, currency).amount().to_string()
}

/// A price, which may be finer than the currency's coins, without needless zeros.
fn price(price: Decimal, currency: Currency) -> String {
    let mut price = price.normalize();
    price.rescale(price.scale().max(currency.decimal_places()));
    price.to_string()
}

/// The days that a line is about, the last one included.
fn days(line: &InvoiceLineReply) -> String {
    let (from, to): (NaiveDate, NaiveDate) = (line.period_start, line.period_end);
    match to.pred_opt().filter(|last| *last > from) {
        Some(last) => format!("{from} – {last}"),
        None => from.to_string(),
    }
}

/// What is still to be paid, and until when.
fn open_words(invoice: &InvoiceReply) -> String {
    let currency = invoice.amounts.currency;
    if invoice.open.is_zero() {
        return "Nothing is open.".to_owned();
    }
    format!("To be paid until {}: {} {currency}", invoice.due_date, amount(invoice.open, currency))
}

fn align_right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for at in columns {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn print_list(list: &ListInvoicesReply) {
    let row = |invoice: &InvoiceSummaryReply| {
        let InvoiceSummaryReply { number, kind: of, s3uid, issued_at, due_date, currency, gross, open, .. } = invoice;
        [
            number.clone(),
            kind(*of).to_owned(),
            s3uid.to_string(),
            issued_at.to_string(),
            due_date.to_string(),
            currency.to_string(),
            amount(*gross, *currency),
            amount(*open, *currency),
        ]
    };
    let mut table = table::plain(LIST_HEADINGS, list.invoices.iter().map(row));
    align_right(&mut table, [6, 7]);
    println!("{}", table.trim_fmt());
    for credit in &list.credit {
        println!("credit: {} {}", amount(credit.amount, credit.currency), credit.currency);
    }
}

fn print_amounts(amounts: &InvoiceAmounts) {
    let currency = amounts.currency;
    let row = |line: &InvoiceLineReply| {
        [
            line.description.clone(),
            days(line),
            format!("{} {}", line.quantity.normalize(), line.unit),
            price(line.unit_price, currency),
            amount(line.net, currency),
            line.tax_percent.normalize().to_string(),
            amount(line.gross, currency),
        ]
    };
    let mut table = table::plain(LINE_HEADINGS, amounts.lines.iter().map(row));
    align_right(&mut table, 2..LINE_HEADINGS.len());
    println!("{}", table.trim_fmt());
    let of = |sum| amount(sum, currency);
    println!("net {}, tax {}, gross {} {currency}", of(amounts.net), of(amounts.tax), of(amounts.gross));
}

fn print_invoice(invoice: &InvoiceReply) {
    let InvoiceReply { number, s3uid, name, billing_entity, customer, issued_at, .. } = invoice;
    println!("{} {number} of {issued_at}, by {billing_entity}", kind(invoice.kind));
    println!("customer {}: {} <{}>, {}", customer.id, customer.name, customer.email, customer.country);
    println!("account {s3uid}: {name}\n");
    print_amounts(&invoice.amounts);
    println!("{}", open_words(invoice));
}

fn print_preview(preview: &InvoicePreviewReply) {
    let InvoicePreviewReply { s3uid, period_start, period_end, so_far, at_end, next_invoice } = preview;
    println!("account {s3uid}, period from {period_start} to {period_end} (not included)");
    println!("\nThe period so far:");
    print_amounts(so_far);
    println!("\nThe period, if what is stored stays stored:");
    print_amounts(at_end);
    println!("\nThe next invoice, for {}:", next_invoice.due_from);
    print_amounts(&next_invoice.amounts);
}
