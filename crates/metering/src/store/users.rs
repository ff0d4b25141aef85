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

/// One page of the accounts that match.
pub(crate) async fn page(
    pool: &PgPool,
    scope: Scope,
    wanted: &GetUsers,
    now: Timestamp,
    offset: i64,
    limit: i64,
) -> Result<Vec<Row>, Failure> {
    // To the end of the last day.
    let to = wanted.period_to.and_then(|day| day.succ_opt()).map(start_of);
    Ok(sqlx::query_as!(
        Row,
        r#"WITH matching AS (
             SELECT d.*, a.location, coalesce($10::timestamptz, d.period_start) AS from_at,
                    coalesce($11::timestamptz, $12::timestamptz) AS to_at
             FROM shared.service_details d JOIN shared.accounts a USING (s3uid)
             WHERE d.state <> 'deleted'
                 AND ($1::bigint IS NULL OR d.customer_id = $1) AND ($2::bigint IS NULL OR d.plan_id = $2)
                 AND ($3::text IS NULL OR d.s3uid = $3) AND ($4::text IS NULL OR lower(d.email) = lower($4))
                 AND ($5::text IS NULL OR lower(d.billing_entity) = lower($5))
                 AND ($6::text IS NULL OR d.s3uid IN (SELECT s3uid FROM metering.bucket_usage WHERE bucket_name = $6
                                                      UNION SELECT s3uid FROM shared.buckets WHERE name = $6 AND NOT is_deleted))
                 AND ($7::text IS NULL OR a.location = upper($7))
                 AND ($8::text IS NULL OR lower(d.storage_type) = lower($8))
           ), used AS (
             SELECT m.*,
                    -- The hours of the first day, where it doesn't count whole, and the days after it.
                    (coalesce((SELECT sum(u.bytes_in + u.bytes_out) FROM metering.usage_records u
                               WHERE u.s3uid = m.s3uid AND m.from_at > date_trunc('day', m.from_at, 'UTC')
                                   AND u.hour >= date_trunc('hour', m.from_at, 'UTC')
                                   AND u.hour < date_trunc('day', m.from_at, 'UTC') + interval '1 day'), 0)
                     + coalesce((SELECT sum(t.bytes_in + t.bytes_out) FROM metering.traffic_days t
                                 WHERE t.s3uid = m.s3uid AND t.day::timestamp AT TIME ZONE 'UTC' >= m.from_at
                                     AND t.day::timestamp AT TIME ZONE 'UTC' < m.to_at), 0))::bigint AS traffic_bytes,
                    (SELECT greatest(max(a.measured_at), max(b.measured_at)) FROM metering.measured_accounts a
                     LEFT JOIN metering.bucket_usage b USING (s3uid) WHERE a.s3uid = m.s3uid) AS measured_at,
                    coalesce((SELECT s.last_bytes FROM metering.storage_days s
                              WHERE s.s3uid = m.s3uid AND s.day::timestamp AT TIME ZONE 'UTC' < m.to_at
                              ORDER BY s.day DESC LIMIT 1), 0) AS stored_bytes,
                    -- A day without a row is as the last one before it ended.
                    greatest(coalesce((SELECT max(s.peak_bytes) FROM metering.storage_days s
                                       WHERE s.s3uid = m.s3uid AND s.day >= (m.from_at AT TIME ZONE 'UTC')::date
                                           AND s.day::timestamp AT TIME ZONE 'UTC' < m.to_at), 0),
                             coalesce((SELECT s.last_bytes FROM metering.storage_days s
                                       WHERE s.s3uid = m.s3uid AND s.day < (m.from_at AT TIME ZONE 'UTC')::date
                                       ORDER BY s.day DESC LIMIT 1), 0)) AS peak_bytes
             FROM matching m
           )
           SELECT id AS "id!", s3uid AS "s3uid!", name AS "name!", customer_id AS "customer_id!", email AS "email!",
                  billing_entity AS "billing_entity!", currency AS "currency!", plan_id AS "plan_id!",
                  base_price AS "base_price!", price AS "price!", payment_period AS "payment_period!",
                  state AS "state!", period_start AS "period_start!", period_end AS "period_end!",
                  location AS "location!", traffic_bytes AS "traffic_bytes!", stored_bytes AS "stored_bytes!",
                  peak_bytes AS "peak_bytes!", measured_at, count(*) OVER () AS "total!"
           FROM used
           ORDER BY CASE $9::text WHEN 'traffic' THEN traffic_bytes WHEN 'peak' THEN peak_bytes
                                  WHEN '-traffic' THEN -traffic_bytes WHEN '-peak' THEN -peak_bytes END,
                    CASE WHEN $15 THEN -customer_id ELSE customer_id END, CASE WHEN $15 THEN -id ELSE id END
           OFFSET $13 LIMIT $14"#,
        scope.customer_id().map(|id| id.0),
        wanted.plan_id.map(|id| id.0),
        wanted.s3uid,
        wanted.email,
        wanted.billing,
        wanted.bucket_name.as_ref().map(model::BucketName::as_str),
        wanted.location,
        wanted.storage_type,
        sort_key(wanted),
        wanted.period_from.map(start_of),
        to,
        now,
        offset,
        limit,
        wanted.order_by == Some(SortDirection::Descending)
    )
    .fetch_all(pool)
    .await?)
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
