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

/// Who is on a page, and in which period their usage counts.
struct Place {
    id: i64,
    from_at: Timestamp,
    to_at: Timestamp,
    /// How many match, on all pages.
    total: i64,
}

/// Who is on the page of the accounts that match `$condition` (about `$1` and `$6`) and what else is wanted. Usage is added
/// up only where it decides that.
macro_rules! places {
    ($condition:tt, $pool:expr, $scope:expr, $wanted:expr, $now:expr, $offset:expr, $limit:expr) => {
        sqlx::query_as!(
            Place,
            r#"WITH matching AS (
             SELECT d.id, d.s3uid, d.customer_id, coalesce($10::timestamptz, d.period_start) AS from_at,
                    coalesce($11::timestamptz, $12::timestamptz) AS to_at
             FROM shared.service_details d JOIN shared.accounts a USING (s3uid)
             WHERE d.state <> 'deleted' AND "#
                + $condition
                + r#"
                 AND ($2::bigint IS NULL OR d.plan_id = $2)
                 AND ($3::text IS NULL OR d.s3uid = $3) AND ($4::text IS NULL OR lower(d.email) = lower($4))
                 AND ($5::text IS NULL OR lower(d.billing_entity) = lower($5))
                 AND ($7::text IS NULL OR a.location = upper($7))
                 AND ($8::text IS NULL OR lower(d.storage_type) = lower($8))
           )
           SELECT id AS "id!", from_at AS "from_at!", to_at AS "to_at!", (SELECT count(*) FROM matching) AS "total!"
           FROM matching
           ORDER BY CASE $9::text WHEN 'traffic' THEN metering.traffic_between(s3uid, from_at, to_at)
                                  WHEN '-traffic' THEN -metering.traffic_between(s3uid, from_at, to_at)
                                  WHEN 'peak' THEN metering.peak_between(s3uid, from_at, to_at)
                                  WHEN '-peak' THEN -metering.peak_between(s3uid, from_at, to_at) END,
                    CASE WHEN $15 THEN -customer_id ELSE customer_id END, CASE WHEN $15 THEN -id ELSE id END
           OFFSET $13 LIMIT $14"#,
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
            $wanted.period_to.and_then(day_after).map(start_of),
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
    // Several statements, so that none is planned for the other's accounts, and the common one isn't planned each time.
    let places = if let (Some(customer_id), true) = (scope.customer_id(), takes_all(wanted)) {
        places_of_customer(pool, customer_id, wanted, now, offset, limit).await?
    } else if scope.customer_id().is_some() {
        places!(
            "d.customer_id = $1
                 AND ($6::text IS NULL
                      OR EXISTS (SELECT FROM metering.bucket_usage b WHERE b.s3uid = d.s3uid AND b.bucket_name = $6)
                      OR EXISTS (SELECT FROM shared.buckets b WHERE b.s3uid = d.s3uid AND b.name = $6 AND NOT b.is_deleted))",
            pool,
            scope,
            wanted,
            now,
            offset,
            limit
        )
    } else {
        places!(
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
    };
    rows(pool, &places).await
}

/// Whether nothing but the customer decides who is on the page.
fn takes_all(wanted: &GetUsers) -> bool {
    let GetUsers { plan_id, s3uid, email, billing, bucket_name, location, storage_type, order, .. } = wanted;
    plan_id.is_none()
        && [s3uid, email, billing, location, storage_type].into_iter().all(Option::is_none)
        && bucket_name.is_none()
        && order.is_none()
}

/// Who is on the page of all accounts of a customer: what their own list asks for, whenever it is opened.
async fn places_of_customer(
    pool: &PgPool,
    customer_id: CustomerId,
    wanted: &GetUsers,
    now: Timestamp,
    offset: i64,
    limit: i64,
) -> Result<Vec<Place>, Failure> {
    Ok(sqlx::query_as!(
        Place,
        r#"SELECT d.id AS "id!", coalesce($2::timestamptz, d.period_start) AS "from_at!",
                  coalesce($3::timestamptz, $4::timestamptz) AS "to_at!", count(*) OVER () AS "total!"
           FROM shared.service_details d JOIN shared.accounts a USING (s3uid)
           WHERE d.customer_id = $1 AND d.state <> 'deleted'
           ORDER BY CASE WHEN $7 THEN -d.id ELSE d.id END OFFSET $5 LIMIT $6"#,
        customer_id.0,
        wanted.period_from.map(start_of),
        wanted.period_to.and_then(day_after).map(start_of),
        now,
        offset,
        limit,
        wanted.order_by == Some(SortDirection::Descending)
    )
    .fetch_all(pool)
    .await?)
}

async fn rows(pool: &PgPool, places: &[Place]) -> Result<Vec<Row>, Failure> {
    let Some(Place { total, .. }) = places.first() else { return Ok(Vec::new()) };
    let times = |value: fn(&Place) -> Timestamp| places.iter().map(value).collect::<Vec<_>>();
    Ok(sqlx::query_as!(
        Row,
        r#"SELECT d.id AS "id!", d.s3uid AS "s3uid!", d.name AS "name!", d.customer_id AS "customer_id!",
                  d.email AS "email!", d.billing_entity AS "billing_entity!", d.currency AS "currency!",
                  d.plan_id AS "plan_id!", d.base_price AS "base_price!", d.price AS "price!",
                  d.payment_period AS "payment_period!", d.state AS "state!", d.period_start AS "period_start!",
                  d.period_end AS "period_end!", a.location AS "location!",
                  metering.traffic_between(d.s3uid, p.from_at, p.to_at) AS "traffic_bytes!",
                  metering.stored_at(d.s3uid, p.to_at) AS "stored_bytes!",
                  metering.peak_between(d.s3uid, p.from_at, p.to_at) AS "peak_bytes!",
                  greatest((SELECT measured_at FROM metering.measured_accounts m WHERE m.s3uid = d.s3uid),
                           (SELECT max(measured_at) FROM metering.bucket_usage b WHERE b.s3uid = d.s3uid)) AS measured_at,
                  $4::bigint AS "total!"
           FROM UNNEST($1::bigint[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS p (id, from_at, to_at, number)
           JOIN shared.service_details d ON d.id = p.id JOIN shared.accounts a ON a.s3uid = d.s3uid
           ORDER BY p.number"#,
        &places.iter().map(|place| place.id).collect::<Vec<_>>(),
        &times(|place| place.from_at),
        &times(|place| place.to_at),
        total
    )
    .fetch_all(pool)
    .await?)
}

/// A period goes to the end of its last day.
fn day_after(day: NaiveDate) -> Option<NaiveDate> {
    day.succ_opt()
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
