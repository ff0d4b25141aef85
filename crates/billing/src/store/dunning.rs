//! Services whose invoices are overdue.

use chrono::NaiveDate;
use history::Failure;
use model::{Currency, ServiceId, Timestamp};
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
    now: Timestamp,
) -> Result<Option<ServiceId>, Failure> {
    let [reminder, lock, suspension, termination] = days.numbers();
    let id = sqlx::query_scalar!(
        "SELECT s.id FROM billing.services s
         CROSS JOIN LATERAL (
             SELECT CASE coalesce(s.dunning_step, '')
                        WHEN '' THEN coalesce($2::integer, $3::integer, $4::integer, $5::integer)
                        WHEN 'reminder' THEN coalesce($3::integer, $4::integer, $5::integer)
                        WHEN 'lock' THEN coalesce($4::integer, $5::integer)
                        WHEN 'suspension' THEN $5::integer
                    END AS next,
                    CASE s.dunning_step WHEN 'reminder' THEN $2::integer WHEN 'lock' THEN $3::integer
                                        WHEN 'suspension' THEN $4::integer END AS last) days
         WHERE s.terminated_at IS NULL AND (s.put_off_until IS NULL OR s.put_off_until <= $6)
             AND (s.dunning_step IS NULL OR $1 - s.dunning_step_on >= days.next - coalesce(days.last, 0))
             AND EXISTS (SELECT FROM billing.receivables r
                         WHERE r.service_id = s.id AND r.open_amount > 0 AND r.due_on < $1
                             AND r.due_on <= $1 - days.next)
         LIMIT 1 FOR UPDATE OF s SKIP LOCKED",
        today,
        reminder,
        lock,
        suspension,
        termination,
        now
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(ServiceId))
}

/// One service that is dunned for more than it owes, locked.
pub(crate) async fn lock_paid(
    connection: &mut PgConnection,
    days: &DunningDays,
    today: NaiveDate,
) -> Result<Option<ServiceId>, Failure> {
    let [reminder, lock, suspension, termination] = days.numbers();
    let id = sqlx::query_scalar!(
        "SELECT s.id FROM billing.services s
         WHERE s.dunning_step IS NOT NULL AND s.terminated_at IS NULL AND NOT EXISTS (
             SELECT FROM billing.receivables r
             WHERE r.service_id = s.id AND r.open_amount > 0 AND r.due_on < $1
                 -- A step that isn't configured any more lasts until everything is paid.
                 AND r.due_on <= $1 - coalesce(CASE s.dunning_step WHEN 'reminder' THEN $2::integer
                                                   WHEN 'lock' THEN $3::integer WHEN 'suspension' THEN $4::integer
                                                   ELSE $5::integer END, 0))
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

/// Writes how far a service's dunning has come, and since when.
pub(crate) async fn set_step(
    connection: &mut PgConnection,
    id: ServiceId,
    reached: Option<DunningStep>,
    today: NaiveDate,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE billing.services SET dunning_step = $2, dunning_step_on = $3 WHERE id = $1",
        id.0,
        reached.map(DunningStep::as_str),
        reached.map(|_| today)
    )
    .execute(connection)
    .await?;
    Ok(())
}
