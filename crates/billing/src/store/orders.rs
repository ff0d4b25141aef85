//! `billing.orders`.

use history::Failure;
use model::{Currency, CustomerId, Money, OrderId, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::broken;
use crate::domain::order::{Order, OrderState};
use crate::domain::plan::Plan;

struct Row {
    id: Uuid,
    customer_id: i64,
    s3uid: String,
    name: String,
    location: String,
    bucket_name: String,
    action: String,
    principal: String,
    message_id: Uuid,
    state: String,
    deadline: Timestamp,
}

impl TryFrom<Row> for Order {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        Ok(Self {
            id: OrderId(row.id),
            customer_id: CustomerId(row.customer_id),
            s3uid: row.s3uid.parse().map_err(|error| broken("order", &error))?,
            name: row.name,
            location: row.location.parse().map_err(|error| broken("order", &error))?,
            bucket_name: row.bucket_name.parse().map_err(|error| broken("order", &error))?,
            action: row.action,
            principal: row.principal,
            message_id: row.message_id,
            state: match row.state.as_str() {
                "ordered" => OrderState::Ordered,
                "provisioning" => OrderState::Provisioning,
                "completed" => OrderState::Completed,
                "failed" => OrderState::Failed,
                other => return Err(broken("order state", &other)),
            },
            deadline: row.deadline,
        })
    }
}

/// Adds an order.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    order: &Order,
    plan: &Plan,
    currency: Currency,
    now: Timestamp,
) -> Result<(), Failure> {
    let state = if order.state == OrderState::Ordered { "ordered" } else { "provisioning" };
    sqlx::query!(
        "INSERT INTO billing.orders (id, customer_id, plan_id, plan_version, currency, s3uid, location, bucket_name,
             action, principal, message_id, state, deadline, created_at, name, is_external)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $15, $12, $13, $14, $16)",
        order.id.0,
        order.customer_id.0,
        plan.id.0,
        plan.version,
        currency.code(),
        order.s3uid.as_str(),
        order.location.as_str(),
        order.bucket_name.as_str(),
        order.action,
        order.principal,
        order.message_id,
        order.deadline,
        now,
        order.name,
        state,
        order.state == OrderState::Ordered
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An order, locked until the step ends.
pub(crate) async fn lock(connection: &mut PgConnection, id: OrderId) -> Result<Option<Order>, Failure> {
    sqlx::query_as!(
        Row,
        "SELECT id, customer_id, s3uid, name, location, bucket_name, action, principal, message_id, state, deadline
         FROM billing.orders WHERE id = $1 FOR UPDATE",
        id.0
    )
    .fetch_optional(connection)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// One open order whose deadline has passed, locked; those that others hold are passed over.
pub(crate) async fn lock_overdue(connection: &mut PgConnection, now: Timestamp) -> Result<Option<Order>, Failure> {
    sqlx::query_as!(
        Row,
        "SELECT id, customer_id, s3uid, name, location, bucket_name, action, principal, message_id, state, deadline
         FROM billing.orders WHERE state = 'provisioning' AND deadline < $1
         ORDER BY deadline LIMIT 1 FOR UPDATE SKIP LOCKED",
        now
    )
    .fetch_optional(connection)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// What the first invoices of a customer's orders will say, net, that aren't issued yet.
pub(crate) async fn uninvoiced(
    connection: &mut PgConnection,
    customer_id: CustomerId,
    currency: Currency,
) -> Result<Money, Failure> {
    let net = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(p.price + p.setup_fee), 0) AS "net!" FROM billing.orders o
           LEFT JOIN billing.services s ON s.order_id = o.id
           JOIN billing.plan_prices p ON p.plan_id = coalesce(s.plan_id, o.plan_id)
                AND p.version = coalesce(s.plan_version, o.plan_version) AND p.currency = o.currency
           WHERE o.customer_id = $1 AND o.currency = $2 AND NOT o.is_external
               AND (o.state = 'provisioning' OR (s.invoiced_periods = 0 AND s.state <> 'deleted'))"#,
        customer_id.0,
        currency.code()
    )
    .fetch_one(connection)
    .await?;
    Ok(Money::rounded(net, currency))
}

/// Notes that the account of an accepted order is being made; returns its quota.
pub(crate) async fn begin_provisioning(
    connection: &mut PgConnection,
    id: OrderId,
    deadline: Timestamp,
) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar!(
        "UPDATE billing.orders o SET state = 'provisioning', deadline = $2 FROM billing.plan_versions v
         WHERE o.id = $1 AND v.plan_id = o.plan_id AND v.version = o.plan_version RETURNING v.quota_bytes",
        id.0,
        deadline
    )
    .fetch_one(connection)
    .await?)
}

/// Whether the system that issues invoices knows an order.
pub(crate) async fn is_handed_over(connection: &mut PgConnection, id: OrderId) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT external_service_id IS NOT NULL AS "is_handed_over!" FROM billing.orders WHERE id = $1"#,
        id.0
    )
    .fetch_one(connection)
    .await?)
}

/// Ends an order well (no failure) or not.
pub(crate) async fn conclude(
    connection: &mut PgConnection,
    id: OrderId,
    failure: Option<&str>,
    now: Timestamp,
) -> Result<(), Failure> {
    let state = if failure.is_none() { "completed" } else { "failed" };
    sqlx::query!(
        "UPDATE billing.orders SET state = $2, failure = $3, concluded_at = $4 WHERE id = $1",
        id.0,
        state,
        failure,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How many accounts a customer has, or is getting, under plans that cost them nothing.
pub(crate) async fn free_accounts(connection: &mut PgConnection, customer_id: CustomerId) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM billing.orders o
           LEFT JOIN billing.services s ON s.order_id = o.id
           JOIN billing.plan_prices p ON p.plan_id = coalesce(s.plan_id, o.plan_id)
                AND p.version = coalesce(s.plan_version, o.plan_version) AND p.currency = o.currency
           WHERE o.customer_id = $1 AND o.state <> 'failed' AND p.price = 0 AND s.state IS DISTINCT FROM 'deleted'"#,
        customer_id.0
    )
    .fetch_one(connection)
    .await?)
}
