//! Services whose invoices are overdue.

use chrono::NaiveDate;
use history::Failure;
use model::{Currency, ServiceId};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::broken;
use crate::domain::dunning::{DunningDays, DunningStep};

/// What is overdue of a service.
#[derive(Debug, Clone)]
pub(crate) struct Overdue {
    /// When the oldest unpaid invoice was due; none where nothing is overdue.
    pub(crate) due_on: Option<NaiveDate>,
    pub(crate) amount: Decimal,
    pub(crate) currency: Currency,
}

/// One service that has come to a further step, locked; those that others hold are passed over.
pub(crate) async fn lock_due(
    connection: &mut PgConnection,
    days: &DunningDays,
    today: NaiveDate,
) -> Result<Option<ServiceId>, Failure> {
    let DunningDays { reminder, lock, suspension, termination } = *days;
    let [reminder, lock, suspension, termination] =
        [reminder, lock, suspension, termination].map(|days| days.and_then(|days| i32::try_from(days).ok()));
    let id = sqlx::query_scalar!(
        "SELECT s.id FROM billing.services s
         WHERE s.terminated_at IS NULL AND EXISTS (
             SELECT FROM billing.receivables r
             WHERE r.service_id = s.id AND r.open_amount > 0 AND r.due_on < $1
                 AND CASE coalesce(s.dunning_step, '')
                         WHEN '' THEN $1 - r.due_on >= least($2::integer, $3::integer, $4::integer, $5::integer)
                         WHEN 'reminder' THEN $1 - r.due_on >= least($3::integer, $4::integer, $5::integer)
                         WHEN 'lock' THEN $1 - r.due_on >= least($4::integer, $5::integer)
                         WHEN 'suspension' THEN $1 - r.due_on >= $5::integer
                         ELSE false
                     END)
         LIMIT 1 FOR UPDATE OF s SKIP LOCKED",
        today,
        reminder,
        lock,
        suspension,
        termination
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(ServiceId))
}

/// One service that is dunned though nothing of it is overdue, locked.
pub(crate) async fn lock_paid(connection: &mut PgConnection, today: NaiveDate) -> Result<Option<ServiceId>, Failure> {
    let id = sqlx::query_scalar!(
        "SELECT s.id FROM billing.services s
         WHERE s.dunning_step IS NOT NULL AND s.terminated_at IS NULL AND NOT EXISTS (
             SELECT FROM billing.receivables r
             WHERE r.service_id = s.id AND r.open_amount > 0 AND r.due_on < $1)
         LIMIT 1 FOR UPDATE OF s SKIP LOCKED",
        today
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(ServiceId))
}

/// What is overdue of a service on a day.
pub(crate) async fn overdue(
    connection: &mut PgConnection,
    id: ServiceId,
    today: NaiveDate,
) -> Result<Overdue, Failure> {
    let row = sqlx::query!(
        r#"SELECT s.currency, min(r.due_on) AS due_on, coalesce(sum(r.open_amount), 0) AS "amount!"
           FROM billing.services s
           LEFT JOIN billing.receivables r ON r.service_id = s.id AND r.open_amount > 0 AND r.due_on < $2
           WHERE s.id = $1 GROUP BY s.currency"#,
        id.0,
        today
    )
    .fetch_one(connection)
    .await?;
    let currency = row.currency.parse().map_err(|error| broken("service", &error))?;
    Ok(Overdue { due_on: row.due_on, amount: row.amount, currency })
}

/// Writes how far a service's dunning has come.
pub(crate) async fn set_step(
    connection: &mut PgConnection,
    id: ServiceId,
    reached: Option<DunningStep>,
) -> Result<(), Failure> {
    sqlx::query!("UPDATE billing.services SET dunning_step = $2 WHERE id = $1", id.0, reached.map(DunningStep::as_str))
        .execute(connection)
        .await?;
    Ok(())
}
