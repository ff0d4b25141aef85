//! Services whose next document is due, with all that it depends on.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use history::Failure;
use model::{Currency, CustomerId, S3Uid, ServiceId, Timestamp};
use sqlx::PgConnection;

use super::plans::Held;
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

/// Locks one service, if it is still due by `at` and nobody else holds it.
pub(crate) async fn lock(connection: &mut PgConnection, id: ServiceId, at: Timestamp) -> Result<bool, Failure> {
    let locked = sqlx::query_scalar!(
        "SELECT id FROM billing.services WHERE id = $1 AND next_invoice_at <= $2 FOR UPDATE SKIP LOCKED",
        id.0,
        at
    );
    Ok(locked.fetch_optional(connection).await?.is_some())
}

struct Row {
    id: i64,
    s3uid: String,
    name: String,
    customer_id: i64,
    currency: String,
    created_at: Timestamp,
    charged_until: Option<NaiveDate>,
    used_until: Option<NaiveDate>,
    invoiced_periods: i32,
    next_invoice_at: Option<Timestamp>,
    period_number: i32,
    is_external: bool,
}

/// Services with their plans, in this order; each may be broken for itself.
pub(crate) async fn billed(
    connection: &mut PgConnection,
    ids: &[ServiceId],
) -> Result<Vec<Result<Billed, Failure>>, Failure> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT s.id, s.s3uid, o.name, s.customer_id, s.currency, s.created_at, s.charged_until, s.used_until,
                s.invoiced_periods, s.next_invoice_at, s.period_number, o.is_external
         FROM billing.services s JOIN billing.orders o ON o.id = s.order_id WHERE s.id = ANY ($1)",
        &numbers
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut plans = plans::of_services(connection, &numbers).await?;
    let mut rows: BTreeMap<i64, Row> = rows.into_iter().map(|row| (row.id, row)).collect();
    let services = ids.iter().map(|id| {
        let row = rows.remove(&id.0).ok_or_else(|| broken("service", &format!("{id} is gone")))?;
        service(row, plans.remove(&id.0).unwrap_or_default())
    });
    Ok(services.collect())
}

fn service(row: Row, plans: Vec<Held>) -> Result<Billed, Failure> {
    let currency: Currency = row.currency.parse().map_err(|error| broken("service", &error))?;
    let segments = plans.into_iter().map(|held| held.segment(currency)).collect::<Result<Vec<_>, _>>()?;
    let first = &segments.first().ok_or_else(|| broken("service", &format!("{} has no plan", row.id)))?.plan;
    let start: NaiveDate = row.created_at.date_naive();
    let number = |number: i32| u32::try_from(number).map_err(|error| broken("service", &error));
    Ok(Billed {
        id: ServiceId(row.id),
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

/// Writes of each of these services for how many periods it is invoiced, and when its next document is due; never, where
/// there is nothing more.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    services: &[(ServiceId, u32, Option<Timestamp>)],
) -> Result<(), Failure> {
    let ids: Vec<i64> = services.iter().map(|(id, ..)| id.0).collect();
    let periods: Vec<i32> = services.iter().map(|(_, count, _)| i32::try_from(*count).unwrap_or(i32::MAX)).collect();
    let next: Vec<Option<Timestamp>> = services.iter().map(|(.., next)| *next).collect();
    sqlx::query!(
        "UPDATE billing.services s
         SET invoiced_periods = a.periods, next_invoice_at = a.next_invoice_at, invoice_retry_at = NULL
         FROM UNNEST($1::bigint[], $2::integer[], $3::timestamptz[]) AS a (id, periods, next_invoice_at)
         WHERE s.id = a.id",
        &ids,
        &periods,
        &next as &[Option<Timestamp>]
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

/// Passes services over for a while: their usage isn't final.
pub(crate) async fn wait(connection: &mut PgConnection, ids: &[ServiceId], now: Timestamp) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    let (ids, until) = (ids.iter().map(|id| id.0).collect::<Vec<_>>(), now + TimeDelta::minutes(3));
    sqlx::query!("UPDATE billing.services SET invoice_retry_at = $2 WHERE id = ANY ($1)", &ids, until)
        .execute(connection)
        .await?;
    Ok(())
}
