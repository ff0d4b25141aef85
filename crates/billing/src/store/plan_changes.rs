//! `billing.service_plans`: under which plans a service was.

use chrono::NaiveDate;
use history::Failure;
use model::ServiceId;
use sqlx::PgConnection;

use super::broken;
use crate::domain::charge::Segment;
use crate::plan_changes::Facts;

/// Where a service's account is, and how much it stores.
pub(crate) async fn facts(connection: &mut PgConnection, id: ServiceId) -> Result<Facts, Failure> {
    let row = sqlx::query!(
        r#"SELECT o.location, coalesce((SELECT sum(u.usage_bytes) FROM shared.bucket_usage u WHERE u.s3uid = s.s3uid), 0)::bigint
                      AS "used_bytes!"
           FROM billing.services s JOIN billing.orders o ON o.id = s.order_id WHERE s.id = $1"#,
        id.0
    )
    .fetch_one(connection)
    .await?;
    let location = row.location.parse().map_err(|error| broken("order", &error))?;
    Ok(Facts { location, used_bytes: row.used_bytes })
}

/// Gives a service another plan.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    id: ServiceId,
    segment: &Segment,
    minimum_until: NaiveDate,
) -> Result<(), Failure> {
    sqlx::query!(
        "WITH service AS (UPDATE billing.services SET plan_id = $4, plan_version = $5, minimum_until = $6
                          WHERE id = $1)
         INSERT INTO billing.service_plans (service_id, number, from_day, plan_id, plan_version)
         VALUES ($1, $2, $3, $4, $5)",
        id.0,
        i32::try_from(segment.number).unwrap_or(i32::MAX),
        segment.from,
        segment.plan.id.0,
        segment.plan.version,
        minimum_until
    )
    .execute(connection)
    .await?;
    Ok(())
}
