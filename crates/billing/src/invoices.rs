//! Invoices and credit notes as others read them.

use history::Failure;
use messages::{InvoiceAmounts, InvoiceLineKind, InvoiceLineReply, InvoiceReply};
use model::{Currency, CustomerId};
use sqlx::PgPool;

use crate::domain::charge::ChargeKind;
use crate::domain::document::{Line, Totals};
use crate::invoicing::uncountable;
use crate::store;

/// An invoice or credit note by its number; `None` where there is none, or where it is another customer's.
pub async fn find(
    pool: &PgPool,
    number: &str,
    customer_id: Option<CustomerId>,
) -> Result<Option<InvoiceReply>, Failure> {
    let mut connection = pool.acquire().await?;
    store::invoices::find(&mut connection, number, customer_id).await
}

/// Lines with their sums, on the wire.
pub(crate) fn amounts(lines: &[Line], currency: Currency) -> Result<InvoiceAmounts, Failure> {
    let totals = Totals::of(lines, currency).map_err(|error| uncountable(&error))?;
    let lines = lines.iter().map(line).collect::<Result<_, Failure>>()?;
    Ok(InvoiceAmounts {
        currency,
        lines,
        net: totals.net.amount(),
        tax: totals.tax.amount(),
        gross: totals.gross.amount(),
    })
}

/// One line, on the wire.
pub(crate) fn line(line: &Line) -> Result<InvoiceLineReply, Failure> {
    let gross = line.net.checked_add(line.tax).map_err(|error| uncountable(&error))?;
    Ok(InvoiceLineReply {
        kind: match line.key.kind {
            ChargeKind::SetupFee => InvoiceLineKind::SetupFee,
            ChargeKind::BaseFee => InvoiceLineKind::BaseFee,
            ChargeKind::StorageOverage => InvoiceLineKind::StorageOverage,
            ChargeKind::TrafficOverage => InvoiceLineKind::TrafficOverage,
        },
        description: line.description.clone(),
        period_start: line.from,
        period_end: line.to,
        quantity: line.quantity,
        unit: line.key.kind.unit().to_owned(),
        unit_price: line.unit_price,
        net: line.net.amount(),
        tax_percent: line.tax_percent,
        tax: line.tax.amount(),
        gross: gross.amount(),
    })
}
