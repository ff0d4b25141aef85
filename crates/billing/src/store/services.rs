//! `billing.services`.

use history::Failure;
use model::{OrderId, S3Uid, ServiceId, Timestamp};
use sqlx::PgConnection;

use super::broken;
use crate::domain::term::Term;

/// The payment period that an order was sold with.
pub(crate) async fn payment_period(connection: &mut PgConnection, order_id: OrderId) -> Result<Term, Failure> {
    let period = sqlx::query_scalar!(
        "SELECT v.payment_period FROM billing.orders o
         JOIN billing.plan_versions v ON v.plan_id = o.plan_id AND v.version = o.plan_version WHERE o.id = $1",
        order_id.0
    )
    .fetch_one(connection)
    .await?;
    period.parse().map_err(|error| broken("plan", &error))
}

/// Adds the running service of a completed order.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    order_id: OrderId,
    period_start: Timestamp,
    period_end: Timestamp,
) -> Result<ServiceId, Failure> {
    let id = sqlx::query_scalar!(
        "INSERT INTO billing.services (order_id, s3uid, customer_id, plan_id, plan_version, currency, state,
             period_start, period_end, created_at)
         SELECT o.id, o.s3uid, o.customer_id, o.plan_id, o.plan_version, o.currency, 'running', $2, $3, $2
         FROM billing.orders o WHERE o.id = $1
         RETURNING id",
        order_id.0,
        period_start,
        period_end
    )
    .fetch_one(connection)
    .await?;
    Ok(ServiceId(id))
}

/// Whether this customer has, or had, this account. `None`: any customer.
pub(crate) async fn owns_account(
    connection: &mut PgConnection,
    customer_id: Option<i64>,
    s3uid: &S3Uid,
) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM billing.orders WHERE s3uid = $2
               AND ($1::bigint IS NULL OR customer_id = $1)) AS "owns!""#,
        customer_id,
        s3uid.as_str()
    )
    .fetch_one(connection)
    .await?)
}
