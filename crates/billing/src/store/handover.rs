//! `billing.handover_tasks`: what another invoicing system must be told.

use history::Failure;
use model::{CustomerId, OrderId, PlanId, ServiceId, Timestamp};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::broken;
use crate::domain::document::Line;
use crate::domain::handover::{Task, billing_cycle, megabytes};
use crate::domain::term::Term;
use crate::handover::{ExternalOrder, ServiceUpdate};

/// A task that is being attempted.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) id: i64,
    pub(crate) order_id: OrderId,
    pub(crate) task: Task,
    pub(crate) attempts: i32,
    /// An earlier attempt was begun, and nobody knows how it ended.
    pub(crate) is_interrupted: bool,
    /// By then another attempt may begin.
    pub(crate) lease_until: Timestamp,
}

/// Notes a task; `None` where it was noted before.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    order_id: OrderId,
    key: &str,
    task: &Task,
    not_before: Timestamp,
    now: Timestamp,
) -> Result<Option<i64>, Failure> {
    Ok(sqlx::query_scalar!(
        "INSERT INTO billing.handover_tasks (order_id, key, task, not_before, created_at)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (order_id, key) DO NOTHING RETURNING id",
        order_id.0,
        key,
        serde_json::to_value(task)?,
        not_before,
        now
    )
    .fetch_optional(connection)
    .await?)
}

/// Notes a task that is done again and again; one that is under way stays as it is.
pub(crate) async fn repeat(
    connection: &mut PgConnection,
    order_id: OrderId,
    key: &str,
    task: &Task,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO billing.handover_tasks AS t (order_id, key, task, not_before, created_at)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (order_id, key) DO UPDATE
             SET state = 'waiting', attempts = 0, detail = NULL, not_before = $4, concluded_at = NULL
             WHERE t.state IN ('done', 'parked')",
        order_id.0,
        key,
        serde_json::to_value(task)?,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes what a charge that was handed over says.
pub(crate) async fn insert_item(
    connection: &mut PgConnection,
    task_id: i64,
    service_id: ServiceId,
    line: &Line,
) -> Result<(), Failure> {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    sqlx::query!(
        "INSERT INTO billing.handover_items (task_id, service_id, period_number, segment_number, kind, plan_name,
             from_day, to_day, quantity, unit_price, net, tax_percent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        task_id,
        service_id.0,
        number(line.key.period_number),
        number(line.key.segment_number),
        line.key.kind.as_str(),
        line.plan_name,
        line.from,
        line.to,
        line.quantity,
        line.unit_price,
        line.net.amount(),
        line.tax_percent
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The order that a service came from.
pub(crate) async fn order_of(connection: &mut PgConnection, id: ServiceId) -> Result<OrderId, Failure> {
    let id = sqlx::query_scalar!("SELECT order_id FROM billing.services WHERE id = $1", id.0);
    Ok(OrderId(id.fetch_one(connection).await?))
}

/// Takes the next task that is due, and lets nobody else take it until the lease is over.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Option<Claim>, Failure> {
    let row = sqlx::query!(
        r#"WITH next AS (
             SELECT id, state FROM billing.handover_tasks t
             WHERE ((state = 'waiting' AND not_before <= $1) OR (state = 'attempting' AND lease_until <= $1))
                 AND NOT EXISTS (SELECT FROM billing.handover_tasks e
                                 WHERE e.order_id = t.order_id AND e.id < t.id AND e.state IN ('waiting', 'attempting')
                                     -- What isn't to be told yet holds up nothing.
                                     AND (e.attempts > 0 OR e.not_before <= $1))
             ORDER BY task ->> 'kind' = 'report_usage', id LIMIT 1 FOR UPDATE SKIP LOCKED)
           UPDATE billing.handover_tasks t SET state = 'attempting', attempts = t.attempts + 1, lease_until = $2
           FROM next WHERE t.id = next.id
           RETURNING t.id, t.order_id, t.task, t.attempts, next.state = 'attempting' AS "is_interrupted!""#,
        now,
        lease_until
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Claim {
            id: row.id,
            order_id: OrderId(row.order_id),
            task: serde_json::from_value(row.task)?,
            attempts: row.attempts,
            is_interrupted: row.is_interrupted,
            lease_until,
        })
    })
    .transpose()
}

/// What becomes of a task that was attempted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum After<'a> {
    Done,
    Waiting(Timestamp, &'a str),
    Parked(&'a str),
    Dropped(&'a str),
}

/// Ends an attempt. False: it was overtaken by another one.
pub(crate) async fn conclude(
    connection: &mut PgConnection,
    claim: &Claim,
    after: After<'_>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let (state, detail, not_before) = match after {
        After::Done => ("done", None, None),
        After::Waiting(not_before, detail) => ("waiting", Some(detail), Some(not_before)),
        After::Parked(detail) => ("parked", Some(detail), None),
        After::Dropped(detail) => ("dropped", Some(detail), None),
    };
    let updated = sqlx::query!(
        "UPDATE billing.handover_tasks SET state = $3, detail = $4, not_before = coalesce($5, not_before),
             lease_until = NULL, concluded_at = CASE WHEN $3 IN ('done', 'dropped') THEN $6::timestamptz END
         WHERE id = $1 AND state = 'attempting' AND attempts = $2",
        claim.id,
        claim.attempts,
        state,
        detail,
        not_before,
        now
    )
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// An order with what is told of it; `None` where its plan has no price or billing cycle there.
pub(crate) async fn external_order(pool: &PgPool, id: OrderId) -> Result<Option<ExternalOrder>, Failure> {
    let row = sqlx::query!(
        "SELECT o.customer_id, o.plan_id, o.s3uid, o.name, p.price, v.payment_period FROM billing.orders o
         JOIN billing.plan_versions v ON v.plan_id = o.plan_id AND v.version = o.plan_version
         JOIN billing.plan_prices p ON p.plan_id = o.plan_id AND p.version = o.plan_version AND p.currency = o.currency
         WHERE o.id = $1",
        id.0
    )
    .fetch_one(pool)
    .await?;
    let period: Term = row.payment_period.parse().map_err(|error| broken("plan", &error))?;
    let Some(billing_cycle) = billing_cycle(period) else { return Ok(None) };
    Ok(Some(ExternalOrder {
        id,
        customer_id: CustomerId(row.customer_id),
        plan_id: PlanId(row.plan_id),
        s3uid: row.s3uid.parse().map_err(|error| broken("order", &error))?,
        name: row.name,
        price: row.price,
        billing_cycle,
    }))
}

/// The customer of an order, and what the other system calls its service.
pub(crate) async fn external_service(pool: &PgPool, id: OrderId) -> Result<(CustomerId, Option<i64>), Failure> {
    let row = sqlx::query!("SELECT customer_id, external_service_id FROM billing.orders WHERE id = $1", id.0)
        .fetch_one(pool)
        .await?;
    Ok((CustomerId(row.customer_id), row.external_service_id))
}

/// What an order's account uses: stored now, transferred in the running period.
pub(crate) async fn usage(pool: &PgPool, id: OrderId) -> Result<ServiceUpdate, Failure> {
    let row = sqlx::query!(
        r#"SELECT coalesce((SELECT sum(u.usage_bytes) FROM shared.bucket_usage u WHERE u.s3uid = o.s3uid), 0)
                      AS "stored!",
                  coalesce((SELECT sum(t.bytes_in + t.bytes_out) FROM shared.traffic_by_hour t
                            WHERE t.s3uid = o.s3uid AND t.hour >= s.period_start), 0) AS "transferred!",
                  v.quota_bytes::numeric AS "quota!", v.included_traffic_out_bytes::numeric AS "traffic_limit!"
           FROM billing.orders o
           LEFT JOIN billing.services s ON s.order_id = o.id
           JOIN billing.plan_versions v ON v.plan_id = coalesce(s.plan_id, o.plan_id)
               AND v.version = coalesce(s.plan_version, o.plan_version)
           WHERE o.id = $1"#,
        id.0
    )
    .fetch_one(pool)
    .await?;
    Ok(ServiceUpdate {
        status: None,
        disk_usage_mb: megabytes(row.stored),
        disk_limit_mb: megabytes(row.quota),
        bandwidth_usage_mb: megabytes(row.transferred),
        bandwidth_limit_mb: megabytes(row.traffic_limit),
    })
}

/// Writes what the other system calls an order and its service.
pub(crate) async fn set_external(
    connection: &mut PgConnection,
    claim: &Claim,
    order_id: Option<i64>,
    service_id: i64,
) -> Result<bool, Failure> {
    let updated = sqlx::query!(
        "UPDATE billing.orders o SET external_order_id = $2, external_service_id = $3
         FROM (SELECT order_id FROM billing.handover_tasks
               WHERE id = $1 AND state = 'attempting' AND attempts = $4 FOR UPDATE) t
         WHERE o.id = t.order_id",
        claim.id,
        order_id,
        service_id,
        claim.attempts
    )
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Drops a cancellation that was not told yet; false where there is none.
pub(crate) async fn drop_untold_cancellation(
    connection: &mut PgConnection,
    id: OrderId,
    now: Timestamp,
) -> Result<bool, Failure> {
    let dropped = sqlx::query!(
        "UPDATE billing.handover_tasks SET state = 'dropped', detail = 'no longer wanted', concluded_at = $2
         WHERE order_id = $1 AND task ->> 'kind' = 'cancel' AND state = 'waiting'
             -- Attempts that certainly had no effect don't count.
             AND (attempts = 0 OR detail LIKE 'WHMCS can''t be reached:%')",
        id.0,
        now
    )
    .execute(connection)
    .await?;
    Ok(dropped.rows_affected() > 0)
}

/// One running service whose usage of today is yet to be handed over; it is noted as done.
pub(crate) async fn take_usage_report(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Option<OrderId>, Failure> {
    let id: Option<Uuid> = sqlx::query_scalar!(
        "UPDATE billing.services SET usage_reported_on = $1
         WHERE id = (SELECT s.id FROM billing.services s JOIN billing.orders o ON o.id = s.order_id
                     WHERE s.state <> 'deleted' AND o.external_service_id IS NOT NULL
                         AND (s.usage_reported_on IS NULL OR s.usage_reported_on < $1)
                     ORDER BY s.usage_reported_on NULLS FIRST LIMIT 1 FOR UPDATE OF s SKIP LOCKED)
         RETURNING order_id",
        now.date_naive()
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(OrderId))
}

/// A task as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct ShownTask {
    /// Its number.
    pub id: i64,
    /// The order that it is about.
    pub order_id: Uuid,
    /// What the other system calls the service, once it knows it.
    pub external_service_id: Option<i64>,
    /// What is to be told.
    pub task: serde_json::Value,
    /// `waiting`, `attempting` or `parked`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it isn't done.
    pub detail: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// The tasks that aren't done, oldest first; those for a person only.
pub(crate) async fn open(pool: &PgPool, parked_only: bool) -> Result<Vec<ShownTask>, Failure> {
    Ok(sqlx::query_as!(
        ShownTask,
        "SELECT t.id, t.order_id, o.external_service_id, t.task, t.state, t.attempts, t.detail, t.created_at
         FROM billing.handover_tasks t JOIN billing.orders o ON o.id = t.order_id
         WHERE t.state = 'parked' OR (NOT $1 AND t.state IN ('waiting', 'attempting')) ORDER BY t.id",
        parked_only
    )
    .fetch_all(pool)
    .await?)
}

/// Settles a parked task by a person's word: it is to be tried again, or was seen to. False where it isn't parked.
pub(crate) async fn settle(
    connection: &mut PgConnection,
    id: i64,
    is_done: bool,
    detail: &str,
    now: Timestamp,
) -> Result<bool, Failure> {
    let settled = sqlx::query!(
        "UPDATE billing.handover_tasks SET state = CASE WHEN $2 THEN 'done' ELSE 'waiting' END, detail = $3,
             not_before = $4::timestamptz, concluded_at = CASE WHEN $2 THEN $4::timestamptz END
         WHERE id = $1 AND state = 'parked' AND ($2 OR task ->> 'kind' <> 'by_hand')",
        id,
        is_done,
        detail,
        now
    )
    .execute(connection)
    .await?;
    Ok(settled.rows_affected() == 1)
}
