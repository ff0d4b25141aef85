//! What is open of invoices, and the payments that settle it.

use chrono::NaiveDate;
use history::Failure;
use model::{Currency, CustomerId, Money, ServiceId, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::customer::Standing;
use crate::domain::ledger::LedgerAccount;

/// What is open of an invoice.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) document_id: Uuid,
    pub(crate) number: String,
    pub(crate) amount: Money,
}

/// Which invoices are settled first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum First<'a> {
    Oldest,
    Document(Uuid),
    Number(&'a str),
    Service(ServiceId),
}

/// What is to be paid of an invoice.
#[derive(Debug)]
pub(crate) struct NewReceivable {
    pub(crate) document_id: Uuid,
    pub(crate) service_id: ServiceId,
    pub(crate) customer_id: CustomerId,
    pub(crate) gross: Money,
    pub(crate) due_on: NaiveDate,
}

/// Notes what is to be paid of invoices; where that is nothing, they are settled now.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    receivables: &[NewReceivable],
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO billing.receivables (document_id, service_id, customer_id, currency, open_amount, due_on,
             settled_at)
         SELECT document_id, service_id, customer_id, currency, gross, due_on,
                CASE WHEN gross = 0 THEN $7::timestamptz END
         FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::numeric[], $6::date[])
              AS r (document_id, service_id, customer_id, currency, gross, due_on)",
        &receivables.iter().map(|new| new.document_id).collect::<Vec<_>>(),
        &receivables.iter().map(|new| new.service_id.0).collect::<Vec<_>>(),
        &receivables.iter().map(|new| new.customer_id.0).collect::<Vec<_>>(),
        &receivables.iter().map(|new| new.gross.currency().code().to_owned()).collect::<Vec<_>>(),
        &receivables.iter().map(|new| new.gross.amount()).collect::<Vec<_>>(),
        &receivables.iter().map(|new| new.due_on).collect::<Vec<_>>(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What is open of a customer's invoices in a currency, in the order in which it is settled.
pub(crate) async fn open(
    connection: &mut PgConnection,
    customer_id: CustomerId,
    currency: Currency,
    first: First<'_>,
) -> Result<Vec<Open>, Failure> {
    let (document_id, number, service_id) = match first {
        First::Oldest => (None, None, None),
        First::Document(id) => (Some(id), None, None),
        First::Number(number) => (None, Some(number), None),
        First::Service(id) => (None, None, Some(id.0)),
    };
    let rows = sqlx::query!(
        "SELECT r.document_id, d.number, r.open_amount FROM billing.receivables r
         JOIN billing.documents d ON d.id = r.document_id
         WHERE r.customer_id = $1 AND r.currency = $2 AND r.open_amount > 0
         ORDER BY coalesce(r.document_id = $3 OR d.number = $4 OR r.service_id = $5, false) DESC, r.due_on, d.number",
        customer_id.0,
        currency.code(),
        document_id,
        number,
        service_id
    )
    .fetch_all(connection)
    .await?;
    let open = rows.into_iter().map(|row| Open {
        document_id: row.document_id,
        number: row.number,
        amount: Money::rounded(row.open_amount, currency),
    });
    Ok(open.collect())
}

/// Notes that a transaction settled so much of an invoice.
pub(crate) async fn settle(
    connection: &mut PgConnection,
    transaction_id: i64,
    document_id: Uuid,
    amount: Money,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO billing.settlements (transaction_id, document_id, amount) VALUES ($1, $2, $3)",
        transaction_id,
        document_id,
        amount.amount()
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE billing.receivables SET open_amount = open_amount - $2,
             settled_at = CASE WHEN open_amount = $2 THEN $3::timestamptz END
         WHERE document_id = $1",
        document_id,
        amount.amount(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What a customer owes and has in a currency, on a day.
pub(crate) async fn standing(
    connection: &mut PgConnection,
    customer_id: CustomerId,
    currency: Currency,
    today: NaiveDate,
) -> Result<Standing, Failure> {
    let row = sqlx::query!(
        r#"SELECT coalesce(sum(open_amount) FILTER (WHERE currency = $2), 0) AS "open!",
                  coalesce(bool_or(due_on < $3), false) AS "is_overdue!"
           FROM billing.receivables WHERE customer_id = $1 AND open_amount > 0"#,
        customer_id.0,
        currency.code(),
        today
    )
    .fetch_one(&mut *connection)
    .await?;
    let credit = super::ledger::balance(connection, customer_id, currency, LedgerAccount::Credit).await?;
    Ok(Standing {
        open: Money::rounded(row.open, currency),
        uninvoiced: super::orders::uninvoiced(connection, customer_id, currency).await?,
        is_overdue: row.is_overdue,
        credit: credit.negated(),
    })
}

/// A payment.
#[derive(Debug)]
pub(crate) struct Payment<'a> {
    pub(crate) id: Uuid,
    pub(crate) customer_id: CustomerId,
    pub(crate) amount: Money,
    pub(crate) reference: &'a str,
    pub(crate) paid_on: NaiveDate,
}

/// Notes a payment. False: the customer has one of this reference already.
pub(crate) async fn insert_payment(
    connection: &mut PgConnection,
    payment: &Payment<'_>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let currency = payment.amount.currency();
    let inserted = sqlx::query!(
        "INSERT INTO billing.payments (id, customer_id, currency, amount, reference, paid_on, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (customer_id, reference) DO NOTHING",
        payment.id,
        payment.customer_id.0,
        currency.code(),
        payment.amount.amount(),
        payment.reference,
        payment.paid_on,
        now
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
