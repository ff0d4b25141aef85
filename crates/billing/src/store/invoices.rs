//! Invoices and credit notes as they are read.

use history::Failure;
use messages::{
    AmountReply, InvoiceAmounts, InvoiceCustomerReply, InvoiceKind, InvoiceReply, InvoiceSummaryReply, Scope,
};
use model::{Currency, CustomerId, Money, PlainTime};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::broken;
use crate::domain::charge::{ChargeKey, ChargeKind};
use crate::domain::document::{DocumentKind, Line};
use crate::invoices::line;

const LISTED_MAX: i64 = 500;

fn kind(name: &str) -> Result<InvoiceKind, Failure> {
    match DocumentKind::from_name(name) {
        Some(DocumentKind::Invoice) => Ok(InvoiceKind::Invoice),
        Some(DocumentKind::CreditNote) => Ok(InvoiceKind::CreditNote),
        None => Err(broken("document", &name)),
    }
}

/// A stored amount with its currency's decimal places, which a nought has lost.
fn coins(amount: Decimal, currency: Currency) -> Decimal {
    Money::rounded(amount, currency).amount()
}

/// An invoice or credit note with its lines.
pub(crate) async fn find(
    connection: &mut PgConnection,
    number: &str,
    customer_id: Option<CustomerId>,
) -> Result<Option<InvoiceReply>, Failure> {
    let row = sqlx::query!(
        r#"SELECT d.id, d.number, d.kind, d.customer_id, d.currency, d.net, d.tax, d.gross, d.issued_at, d.due_on,
                  d.billing_entity, d.customer_name, d.customer_address, d.customer_country, d.customer_vat_id,
                  d.customer_email, s.s3uid, o.name, coalesce(r.open_amount, 0) AS "open!"
           FROM billing.documents d
           JOIN billing.services s ON s.id = d.service_id
           JOIN billing.orders o ON o.id = s.order_id
           LEFT JOIN billing.receivables r ON r.document_id = d.id
           WHERE d.number = $1 AND ($2::bigint IS NULL OR d.customer_id = $2)"#,
        number,
        customer_id.map(|id| id.0)
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let currency: Currency = row.currency.parse().map_err(|error| broken("document", &error))?;
    let lines = lines(connection, row.id, currency).await?;
    Ok(Some(InvoiceReply {
        number: row.number,
        kind: kind(&row.kind)?,
        s3uid: row.s3uid.parse().map_err(|error| broken("document", &error))?,
        name: row.name,
        billing_entity: row.billing_entity,
        customer: InvoiceCustomerReply {
            id: CustomerId(row.customer_id),
            name: row.customer_name,
            address: row.customer_address,
            country: row.customer_country,
            vat_id: row.customer_vat_id,
            email: row.customer_email,
        },
        issued_at: PlainTime(row.issued_at),
        due_date: row.due_on,
        open: coins(row.open, currency),
        amounts: InvoiceAmounts {
            currency,
            lines: lines.iter().map(line).collect::<Result<_, Failure>>()?,
            net: coins(row.net, currency),
            tax: coins(row.tax, currency),
            gross: coins(row.gross, currency),
        },
    }))
}

async fn lines(connection: &mut PgConnection, document_id: Uuid, currency: Currency) -> Result<Vec<Line>, Failure> {
    let rows = sqlx::query!(
        "SELECT period_number, segment_number, kind, description, plan_name, from_day, to_day, quantity, unit_price,
                net, tax_percent, tax
         FROM billing.document_lines WHERE document_id = $1 ORDER BY position",
        document_id
    )
    .fetch_all(connection)
    .await?;
    let number = |number: i32| u32::try_from(number).map_err(|error| broken("line", &error));
    rows.into_iter()
        .map(|row| {
            Ok(Line {
                key: ChargeKey {
                    period_number: number(row.period_number)?,
                    segment_number: number(row.segment_number)?,
                    kind: ChargeKind::from_name(&row.kind).ok_or_else(|| broken("line", &row.kind))?,
                },
                description: row.description,
                plan_name: row.plan_name,
                from: row.from_day,
                to: row.to_day,
                quantity: row.quantity,
                unit_price: row.unit_price,
                net: Money::rounded(row.net, currency),
                tax_percent: row.tax_percent,
                tax: Money::rounded(row.tax, currency),
            })
        })
        .collect()
}

/// Invoices and credit notes in `scope`, newest first.
pub(crate) async fn list(
    connection: &mut PgConnection,
    scope: Scope,
    s3uid: Option<&str>,
    open_only: bool,
) -> Result<Vec<InvoiceSummaryReply>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT d.number, d.kind, d.currency, d.net, d.tax, d.gross, d.issued_at, d.due_on, s.s3uid,
                  coalesce(r.open_amount, 0) AS "open!"
           FROM billing.documents d
           JOIN billing.services s ON s.id = d.service_id
           LEFT JOIN billing.receivables r ON r.document_id = d.id
           WHERE ($1::bigint IS NULL OR d.customer_id = $1) AND ($2::text IS NULL OR s.s3uid = $2)
               AND (NOT $3 OR r.open_amount > 0)
           ORDER BY d.issued_at DESC, d.id DESC LIMIT $4"#,
        scope.customer_id().map(|id| id.0),
        s3uid,
        open_only,
        LISTED_MAX
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency: Currency = row.currency.parse().map_err(|error| broken("document", &error))?;
            Ok(InvoiceSummaryReply {
                number: row.number,
                kind: kind(&row.kind)?,
                s3uid: row.s3uid.parse().map_err(|error| broken("document", &error))?,
                issued_at: PlainTime(row.issued_at),
                due_date: row.due_on,
                currency,
                net: coins(row.net, currency),
                tax: coins(row.tax, currency),
                gross: coins(row.gross, currency),
                open: coins(row.open, currency),
            })
        })
        .collect()
}

/// A customer's credit, by currency.
pub(crate) async fn credit(
    connection: &mut PgConnection,
    customer_id: Option<CustomerId>,
) -> Result<Vec<AmountReply>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT currency, -sum(balance) AS "amount!" FROM billing.ledger_balances
           WHERE account = 'credit' AND balance <> 0 AND ($1::bigint IS NULL OR customer_id = $1)
           GROUP BY currency ORDER BY currency"#,
        customer_id.map(|id| id.0)
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = row.currency.parse().map_err(|error| broken("balance", &error))?;
            Ok(AmountReply { currency, amount: coins(row.amount, currency) })
        })
        .collect()
}
