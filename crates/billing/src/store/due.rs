//! Services whose next document is due, with all that it depends on.

use chrono::{NaiveDate, TimeDelta};
use history::Failure;
use model::{Currency, CustomerId, S3Uid, ServiceId, Timestamp};
use sqlx::PgConnection;

use super::{broken, plans};
use crate::domain::charge::Life;
use crate::domain::schedule::Schedule;

/// A service as invoices see it.
#[derive(Debug, Clone)]
pub(crate) struct Billed {
    pub(crate) id: ServiceId,
    pub(crate) s3uid: S3Uid,
    pub(crate) name: String,
    /// Whether another system issues its invoices.
    pub(crate) is_external: bool,
    pub(crate) customer_id: CustomerId,
    pub(crate) life: Life,
    /// Of so many periods the base fee was invoiced.
    pub(crate) invoiced_periods: u32,
    /// When the next document is due.
    pub(crate) next_invoice_at: Option<Timestamp>,
    /// The running one.
    pub(crate) period_number: u32,
}

/// Where a run has come to: services follow in the order of what is due first.
pub(crate) type Position = (Timestamp, i64);

/// The next services after `position` with a document due by `at`, `limit` of them at most, locked; those that others hold
/// are passed over. `now`: those whose usage was not final a moment ago are passed over, too.
pub(crate) async fn lock_next(
    connection: &mut PgConnection,
    at: Timestamp,
    position: Position,
    now: Option<Timestamp>,
    limit: i64,
) -> Result<Vec<(ServiceId, Position)>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT id, next_invoice_at AS "next_invoice_at!" FROM billing.services
           WHERE next_invoice_at <= $1 AND (next_invoice_at, id) > ($2, $3)
               AND ($4::timestamptz IS NULL OR invoice_retry_at IS NULL OR invoice_retry_at <= $4)
           ORDER BY next_invoice_at, id LIMIT $5 FOR UPDATE SKIP LOCKED"#,
        at,
        position.0,
        position.1,
        now,
        limit
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (ServiceId(row.id), (row.next_invoice_at, row.id))).collect())
}

/// Takes the right to invoice several services in one transaction. False: another process has it.
///
/// Such a transaction takes numbers of several series, in any order: two of them could wait for each other.
pub(crate) async fn lock_together(connection: &mut PgConnection) -> Result<bool, Failure> {
    let locked =
        sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock(hashtextextended('purser.invoices', 0)) AS "locked!""#);
    Ok(locked.fetch_one(connection).await?)
}

/// A service with its plans.
pub(crate) async fn billed(connection: &mut PgConnection, id: ServiceId) -> Result<Billed, Failure> {
    let row = sqlx::query!(
        "SELECT s.s3uid, o.name, s.customer_id, s.currency, s.created_at, s.charged_until, s.used_until,
                s.invoiced_periods, s.next_invoice_at, s.period_number, o.is_external
         FROM billing.services s JOIN billing.orders o ON o.id = s.order_id WHERE s.id = $1",
        id.0
    )
    .fetch_one(&mut *connection)
    .await?;
    let currency: Currency = row.currency.parse().map_err(|error| broken("service", &error))?;
    let segments = plans::of_service(connection, id, currency).await?;
    let first = &segments.first().ok_or_else(|| broken("service", &format!("{id} has no plan")))?.plan;
    let start: NaiveDate = row.created_at.date_naive();
    let number = |number: i32| u32::try_from(number).map_err(|error| broken("service", &error));
    Ok(Billed {
        id,
        s3uid: row.s3uid.parse().map_err(|error| broken("service", &error))?,
        name: row.name,
        is_external: row.is_external,
        customer_id: CustomerId(row.customer_id),
        life: Life {
            schedule: Schedule { start, period: first.payment_period, billing_day: first.billing_day },
            currency,
            segments,
            charged_until: row.charged_until,
            used_until: row.used_until,
        },
        invoiced_periods: number(row.invoiced_periods)?,
        next_invoice_at: row.next_invoice_at,
        period_number: number(row.period_number)?,
    })
}

/// Writes how far a service is invoiced, and when its next document is due; never, where there is nothing more.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    id: ServiceId,
    invoiced_periods: u32,
    next_invoice_at: Option<Timestamp>,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE billing.services SET invoiced_periods = $2, next_invoice_at = $3, invoice_retry_at = NULL
         WHERE id = $1",
        id.0,
        i32::try_from(invoiced_periods).unwrap_or(i32::MAX),
        next_invoice_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes that periods were invoiced before their documents were due.
pub(crate) async fn set_invoiced(
    connection: &mut PgConnection,
    id: ServiceId,
    invoiced_periods: u32,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE billing.services SET invoiced_periods = $2 WHERE id = $1",
        id.0,
        i32::try_from(invoiced_periods).unwrap_or(i32::MAX)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Passes a service over for a few minutes.
pub(crate) async fn put_off(connection: &mut PgConnection, id: ServiceId, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!("UPDATE billing.services SET put_off_until = $2 WHERE id = $1", id.0, now + TimeDelta::minutes(5))
        .execute(connection)
        .await?;
    Ok(())
}

/// Passes a service over for a while: its usage isn't final.
pub(crate) async fn wait(connection: &mut PgConnection, id: ServiceId, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!("UPDATE billing.services SET invoice_retry_at = $2 WHERE id = $1", id.0, now + TimeDelta::minutes(3))
        .execute(connection)
        .await?;
    Ok(())
}
