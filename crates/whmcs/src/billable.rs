//! Billable items: amounts that wait for an invoice.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::call::Call;
use crate::{BillableItemId, Client, ClientId, Error};

/// What is counted. WHMCS shows it; the amount is not multiplied by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// So many pieces.
    Quantity(Decimal),
    /// So many hours.
    Hours(Decimal),
}

/// What recurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecurCycle {
    /// Days.
    Days,
    /// Weeks.
    Weeks,
    /// Months.
    Months,
    /// Years.
    Years,
}

impl RecurCycle {
    fn as_str(self) -> &'static str {
        match self {
            Self::Days => "Days",
            Self::Weeks => "Weeks",
            Self::Months => "Months",
            Self::Years => "Years",
        }
    }
}

/// When an item is put on an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceAction {
    /// Never by itself.
    NoInvoice,
    /// When WHMCS's daily job runs next.
    NextCron,
    /// With the client's next invoice.
    NextInvoice,
    /// On an invoice that is due on this day.
    DueDate(NaiveDate),
    /// Again and again.
    Recur {
        /// After every so many …
        every: u32,
        /// … days, weeks, months or years.
        cycle: RecurCycle,
        /// So many times in all.
        times: u32,
        /// The day on which the first one is due.
        first: NaiveDate,
    },
}

/// An amount for a client's invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillableItem {
    /// Who pays.
    pub client: ClientId,
    /// What the invoice says.
    pub description: String,
    /// The whole amount, in the client's currency.
    pub amount: Decimal,
    /// What is counted.
    pub unit: Unit,
    /// When it is put on an invoice.
    pub invoice_action: InvoiceAction,
}

#[derive(Deserialize)]
struct Answer {
    billableid: BillableItemId,
}

impl Client {
    /// Adds an amount to what waits for an invoice. **The same again is a second one**, and nothing lists, changes or
    /// deletes them: after [`Error::Unknown`] only an invoice's items can show whether it was added, by a description
    /// that holds something of your own.
    pub async fn add_billable_item(&self, item: &BillableItem) -> Result<BillableItemId, Error> {
        let (unit, quantity) = match item.unit {
            Unit::Quantity(quantity) => ("quantity", quantity),
            Unit::Hours(hours) => ("hours", hours),
        };
        let call = Call::new("AddBillableItem")
            .with("clientid", item.client)
            .with("description", &item.description)
            .with("amount", item.amount)
            .with("unit", unit)
            .with("quantity", quantity);
        let call = match item.invoice_action {
            InvoiceAction::NoInvoice => call.with("invoiceaction", "noinvoice"),
            InvoiceAction::NextCron => call.with("invoiceaction", "nextcron"),
            InvoiceAction::NextInvoice => call.with("invoiceaction", "nextinvoice"),
            InvoiceAction::DueDate(day) => call.with("invoiceaction", "duedate").with("duedate", day),
            InvoiceAction::Recur { every, cycle, times, first } => call
                .with("invoiceaction", "recur")
                .with("recur", every)
                .with("recurcycle", cycle.as_str())
                .with("recurfor", times)
                .with("duedate", first),
        };
        let Answer { billableid } = self.call(call).await?;
        Ok(billableid)
    }
}
