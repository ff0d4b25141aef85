//! Invoices and credit notes as others read them.

use history::{Failure, Journal};
use messages::{
    InvoiceAmounts, InvoiceLineKind, InvoiceLineReply, InvoicePreviewReply, InvoiceReply, ListInvoicesReply, Refusal,
    Scope,
};
use model::{Currency, CustomerId, S3Uid};
use sqlx::PgPool;

use crate::domain::charge::ChargeKind;
use crate::domain::document::{Line, Totals};
use crate::invoicing::uncountable;
use crate::store::services::Named;
use crate::{Settings, previews, store};

/// An invoice or credit note by its number; `None` where there is none, or where it is another customer's.
pub async fn find(
    pool: &PgPool,
    number: &str,
    customer_id: Option<CustomerId>,
) -> Result<Option<InvoiceReply>, Failure> {
    let mut connection = pool.acquire().await?;
    store::invoices::find(&mut connection, number, customer_id).await
}

/// A customer's invoices and credit notes, newest first, with their credit.
pub async fn list(pool: &PgPool, customer_id: CustomerId, open_only: bool) -> Result<ListInvoicesReply, Failure> {
    let mut connection = pool.acquire().await?;
    let customer = store::customers::find(&mut *connection, customer_id).await?;
    customer.ok_or_else(|| Refusal::not_found("customer not found"))?;
    listed(&mut connection, Scope::Customer(customer_id), None, open_only).await
}

/// The invoices and credit notes in `scope`, newest first, with the credit.
pub(crate) async fn listed(
    connection: &mut sqlx::PgConnection,
    scope: Scope,
    s3uid: Option<&str>,
    open_only: bool,
) -> Result<ListInvoicesReply, Failure> {
    Ok(ListInvoicesReply {
        invoices: store::invoices::list(connection, scope, s3uid, open_only).await?,
        credit: store::invoices::credit(connection, scope.customer_id()).await?,
    })
}

/// What an account's running period costs, and what its next document will say.
pub async fn preview(journal: &Journal, settings: &Settings, s3uid: &S3Uid) -> Result<InvoicePreviewReply, Failure> {
    // Never committed: it only looks.
    let mut step = journal.step().await?;
    let found = store::services::find(step.connection(), Scope::Anyone, Named::S3Uid(s3uid.as_str())).await?.pop();
    let service = found.ok_or_else(|| Refusal::not_found(format!("there is no service with the account {s3uid}")))?;
    previews::preview(&mut step, settings, &service).await
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
