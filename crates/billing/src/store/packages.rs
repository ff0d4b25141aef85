//! Services and open orders as `/storage/info` shows them.

use chrono::NaiveDate;
use history::Failure;
use model::{CustomerId, Timestamp};
use rust_decimal::Decimal;
use sqlx::PgPool;

/// One package, with what the other roles know of its account.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) tariff: String,
    pub(crate) quota_bytes: i64,
    pub(crate) used_bytes: i64,
    pub(crate) included_traffic_in_bytes: i64,
    pub(crate) included_traffic_out_bytes: i64,
    pub(crate) ftps: bool,
    pub(crate) location: String,
    pub(crate) access_key: Option<String>,
    pub(crate) minimum_term: String,
    pub(crate) payment_period: String,
    pub(crate) billing_day: String,
    /// What the order says as a service's state.
    pub(crate) order_state: String,
    /// Of the service; `None` while the order is being provisioned.
    pub(crate) state: Option<String>,
    pub(crate) currency: String,
    pub(crate) price: Decimal,
    pub(crate) setup_fee: Decimal,
    pub(crate) traffic_overage_price_per_gb: Decimal,
    pub(crate) ordered_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) minimum_until: Option<NaiveDate>,
    pub(crate) period_number: Option<i32>,
    pub(crate) cancelled_at: Option<Timestamp>,
    pub(crate) termination_at: Option<Timestamp>,
}

/// A customer's packages by name, or the one called `name`; those that are over are not among them.
pub(crate) async fn of_customer(
    pool: &PgPool,
    customer_id: CustomerId,
    name: Option<&str>,
) -> Result<Vec<Row>, Failure> {
    Ok(sqlx::query_as!(
        Row,
        r#"SELECT o.name, v.name AS tariff, v.quota_bytes,
                  coalesce((SELECT sum(u.usage_bytes) FROM shared.bucket_usage u WHERE u.s3uid = o.s3uid), 0)::bigint
                      AS "used_bytes!",
                  v.included_traffic_in_bytes, v.included_traffic_out_bytes, v.ftps, o.location,
                  a.access_key AS "access_key?", v.minimum_term, v.payment_period, v.billing_day,
                  CASE o.state WHEN 'ordered' THEN 'ordered' ELSE 'initializing' END AS "order_state!", s.state AS "state?", o.currency,
                  p.price, p.setup_fee, p.traffic_overage_price_per_gb, o.created_at AS ordered_at,
                  s.created_at AS "started_at?", s.minimum_until AS "minimum_until?", s.period_number AS "period_number?", s.cancelled_at, s.termination_at
           FROM billing.orders o
           LEFT JOIN billing.services s ON s.order_id = o.id
           JOIN billing.plan_versions v ON v.plan_id = coalesce(s.plan_id, o.plan_id)
               AND v.version = coalesce(s.plan_version, o.plan_version)
           JOIN billing.plan_prices p ON p.plan_id = v.plan_id AND p.version = v.version AND p.currency = o.currency
           LEFT JOIN shared.accounts a ON a.s3uid = o.s3uid AND s.id IS NOT NULL
           WHERE o.customer_id = $1 AND ($2::text IS NULL OR o.name = $2)
               AND (o.state IN ('ordered', 'provisioning') OR s.state <> 'deleted')
           ORDER BY o.name"#,
        customer_id.0,
        name
    )
    .fetch_all(pool)
    .await?)
}
