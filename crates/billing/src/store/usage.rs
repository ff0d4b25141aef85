//! What accounts used, as metering shows it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use history::Failure;
use model::{S3Uid, Timestamp};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use crate::domain::charge::{DayUsage, Usage};

/// What an account used by day, from `from` to `to`, which is not included. A day whose storage isn't final counts its
/// traffic only.
pub(crate) async fn by_day(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Usage, Failure> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(s.day, t.day) AS "day!", coalesce(s.byte_hours, 0) AS "byte_hours!",
                  coalesce(t.bytes_in, 0)::numeric AS "bytes_in!", coalesce(t.bytes_out, 0)::numeric AS "bytes_out!"
           FROM (SELECT day, byte_hours FROM shared.storage_by_day WHERE s3uid = $1 AND day >= $2 AND day < $3) s
           FULL JOIN (SELECT day, bytes_in, bytes_out FROM shared.traffic_by_day
                      WHERE s3uid = $1 AND day >= $2 AND day < $3) t ON t.day = s.day"#,
        s3uid.as_str(),
        from,
        to
    )
    .fetch_all(connection)
    .await?;
    let day = |byte_hours, bytes_in, bytes_out| DayUsage { byte_hours, bytes_in, bytes_out };
    let rows = rows.into_iter().map(|row| (row.day, day(row.byte_hours, row.bytes_in, row.bytes_out)));
    Ok(rows.collect::<BTreeMap<_, _>>())
}

/// The day before which an account's usage is final; `None` where nothing is.
pub(crate) async fn final_until(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Option<NaiveDate>, Failure> {
    let until: Option<Option<Timestamp>> = sqlx::query_scalar!(
        "SELECT w.final_until FROM billing.orders o
         JOIN shared.log_watermarks w ON w.location = o.location WHERE o.s3uid = $1",
        s3uid.as_str()
    )
    .fetch_optional(connection)
    .await?;
    Ok(until.flatten().map(|until| until.date_naive()))
}

/// What an account stores now, and the days of this period whose storage isn't final yet, with what was last seen on each.
pub(crate) async fn open_days(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    from: NaiveDate,
) -> Result<(i64, Vec<(NaiveDate, Decimal)>), Failure> {
    let stored = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(usage_bytes), 0)::bigint AS "stored!" FROM shared.bucket_usage WHERE s3uid = $1"#,
        s3uid.as_str()
    )
    .fetch_one(&mut *connection)
    .await?;
    let days = sqlx::query!(
        r#"SELECT day AS "day!", last_bytes::numeric AS "last_bytes!" FROM shared.storage_by_day
           WHERE s3uid = $1 AND day >= $2 AND byte_hours IS NULL ORDER BY day"#,
        s3uid.as_str(),
        from
    )
    .fetch_all(connection)
    .await?;
    Ok((stored, days.into_iter().map(|row| (row.day, row.last_bytes)).collect()))
}
