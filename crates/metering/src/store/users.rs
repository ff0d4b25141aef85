//! Accounts with their customers and services, as the views of the other roles show them, and what they used.

use chrono::NaiveDate;
use history::Failure;
use messages::{GetUsers, Scope, SortDirection, UserOrder};
use model::{CustomerId, Timestamp};
use rust_decimal::Decimal;
use sqlx::PgPool;

/// One account with what it used in the period.
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) s3uid: String,
    pub(crate) name: String,
    pub(crate) customer_id: i64,
    pub(crate) email: String,
    pub(crate) billing_entity: String,
    pub(crate) currency: String,
    pub(crate) plan_id: i64,
    pub(crate) base_price: Decimal,
    pub(crate) price: Decimal,
    pub(crate) payment_period: String,
    pub(crate) state: String,
    pub(crate) period_start: Timestamp,
    pub(crate) period_end: Timestamp,
    pub(crate) location: String,
    pub(crate) traffic_bytes: i64,
    pub(crate) stored_bytes: i64,
    pub(crate) peak_bytes: i64,
    pub(crate) measured_at: Option<Timestamp>,
    /// How many accounts match.
    pub(crate) total: i64,
}

/// The page of the accounts that match `$condition` (about `$1` and `$6`) and what else is wanted. Usage is looked up for this page
/// only, unless it decides which accounts are on it.
macro_rules! page {
    ($condition:tt, $pool:expr, $scope:expr, $wanted:expr, $now:expr, $offset:expr, $limit:expr) => {
        sqlx::query_as!(
            Row,
            r#"WITH matching AS (
             SELECT d.id, d.s3uid, d.customer_id, a.location, coalesce($10::timestamptz, d.period_start) AS from_at,
                    coalesce($11::timestamptz, $12::timestamptz) AS to_at
             FROM shared.service_details d JOIN shared.accounts a USING (s3uid)
             WHERE d.state <> 'deleted' AND "# + $condition + r#"
                 AND ($2::bigint IS NULL OR d.plan_id = $2)
                 AND ($3::text IS NULL OR d.s3uid = $3) AND ($4::text IS NULL OR lower(d.email) = lower($4))
                 AND ($5::text IS NULL OR lower(d.billing_entity) = lower($5))
                 AND ($7::text IS NULL OR a.location = upper($7))
                 AND ($8::text IS NULL OR lower(d.storage_type) = lower($8))
           ), page AS (
             SELECT m.*, CASE $9::text WHEN 'traffic' THEN metering.traffic_between(s3uid, from_at, to_at)
                                       WHEN '-traffic' THEN -metering.traffic_between(s3uid, from_at, to_at)
                                       WHEN 'peak' THEN metering.peak_between(s3uid, from_at, to_at)
                                       WHEN '-peak' THEN -metering.peak_between(s3uid, from_at, to_at) END AS used,
                    CASE WHEN $15 THEN -customer_id ELSE customer_id END AS customer, CASE WHEN $15 THEN -id ELSE id END AS number
             FROM matching m ORDER BY used, customer, number OFFSET $13 LIMIT $14
           )
           SELECT d.id AS "id!", d.s3uid AS "s3uid!", d.name AS "name!", d.customer_id AS "customer_id!",
                  d.email AS "email!", d.billing_entity AS "billing_entity!", d.currency AS "currency!",
                  d.plan_id AS "plan_id!", d.base_price AS "base_price!", d.price AS "price!",
                  d.payment_period AS "payment_period!", d.state AS "state!", d.period_start AS "period_start!",
                  d.period_end AS "period_end!", p.location AS "location!",
                  metering.traffic_between(d.s3uid, p.from_at, p.to_at) AS "traffic_bytes!",
                  metering.stored_at(d.s3uid, p.to_at) AS "stored_bytes!",
                  metering.peak_between(d.s3uid, p.from_at, p.to_at) AS "peak_bytes!",
                  (SELECT greatest(max(a.measured_at), max(b.measured_at)) FROM metering.measured_accounts a
                   LEFT JOIN metering.bucket_usage b USING (s3uid) WHERE a.s3uid = d.s3uid) AS measured_at,
                  (SELECT count(*) FROM matching) AS "total!"
           FROM page p JOIN shared.service_details d ON d.id = p.id ORDER BY p.used, p.customer, p.number"#,
            $scope.customer_id().map(|id| id.0),
            $wanted.plan_id.map(|id| id.0),
            $wanted.s3uid,
            $wanted.email,
            $wanted.billing,
            $wanted.bucket_name.as_ref().map(model::BucketName::as_str),
            $wanted.location,
            $wanted.storage_type,
            sort_key($wanted),
            $wanted.period_from.map(start_of),
            // To the end of the last day.
            $wanted.period_to.and_then(|day| day.succ_opt()).map(start_of),
            $now,
            $offset,
            $limit,
            $wanted.order_by == Some(SortDirection::Descending)
        )
        .fetch_all($pool)
        .await?
    };
}

/// One page of the accounts that match.
pub(crate) async fn page(
    pool: &PgPool,
    scope: Scope,
    wanted: &GetUsers,
    now: Timestamp,
    offset: i64,
    limit: i64,
) -> Result<Vec<Row>, Failure> {
    // Of a customer's own accounts the plan is good whatever else is wanted, so it is made once; of all accounts it isn't.
    Ok(if scope.customer_id().is_some() {
        page!(
            "d.customer_id = $1
                 AND ($6::text IS NULL
                      OR EXISTS (SELECT FROM metering.bucket_usage b WHERE b.s3uid = d.s3uid AND b.bucket_name = $6)
                      OR EXISTS (SELECT FROM shared.buckets b WHERE b.s3uid = d.s3uid AND b.name = $6 AND NOT b.is_deleted))",
            pool, scope, wanted, now, offset, limit
        )
    } else {
        page!(
            "$1::bigint IS NULL
                 AND ($6::text IS NULL
                      OR d.s3uid IN (SELECT s3uid FROM metering.bucket_usage WHERE bucket_name = $6
                                     UNION SELECT s3uid FROM shared.buckets WHERE name = $6 AND NOT is_deleted))",
            pool,
            scope,
            wanted,
            now,
            offset,
            limit
        )
    })
}

fn start_of(day: NaiveDate) -> Timestamp {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

fn sort_key(wanted: &GetUsers) -> Option<&'static str> {
    let descending = wanted.order_by == Some(SortDirection::Descending);
    Some(match (wanted.order?, descending) {
        (UserOrder::TotalTrafficPeriodGb, false) => "traffic",
        (UserOrder::TotalTrafficPeriodGb, true) => "-traffic",
        (UserOrder::TotalStoragePeakGb, false) => "peak",
        (UserOrder::TotalStoragePeakGb, true) => "-peak",
    })
}

/// Whether there is such a customer.
pub(crate) async fn customer_exists(pool: &PgPool, id: CustomerId) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM shared.customers WHERE id = $1) AS "exists!""#, id.0)
        .fetch_one(pool)
        .await?)
}
