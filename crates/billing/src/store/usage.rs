//! What accounts used, as metering shows it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use history::Failure;
use model::S3Uid;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use crate::domain::charge::Usage;

/// What an account used by day, from `from` to `to`, which is not included. A day whose storage isn't final counts its
/// traffic only.
pub(crate) async fn by_day(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Usage, Failure> {
    Ok(by_day_all(connection, &[(s3uid, from, to)]).await?.pop().unwrap_or_default())
}

/// The same for several accounts, each with its own days; in their order.
pub(crate) async fn by_day_all(
    connection: &mut PgConnection,
    accounts: &[(&S3Uid, NaiveDate, NaiveDate)],
) -> Result<Vec<Usage>, Failure> {
    let uids: Vec<String> = accounts.iter().map(|(s3uid, ..)| s3uid.as_str().to_owned()).collect();
    let from: Vec<NaiveDate> = accounts.iter().map(|(_, from, _)| *from).collect();
    let to: Vec<NaiveDate> = accounts.iter().map(|(.., to)| *to).collect();
    let rows = sqlx::query!(
        r#"SELECT coalesce(s.days, '{}') AS "stored_days!: Vec<NaiveDate>", coalesce(s.byte_hours, '{}') AS "byte_hours!: Vec<Decimal>",
                  coalesce(t.days, '{}') AS "traffic_days!: Vec<NaiveDate>", coalesce(t.bytes_in, '{}') AS "bytes_in!: Vec<Decimal>",
                  coalesce(t.bytes_out, '{}') AS "bytes_out!: Vec<Decimal>"
           FROM UNNEST($1::text[], $2::date[], $3::date[]) WITH ORDINALITY AS a (s3uid, from_day, to_day, place)
           CROSS JOIN LATERAL (
               SELECT array_agg(day) AS days, array_agg(coalesce(byte_hours, 0)) AS byte_hours
               FROM shared.storage_by_day WHERE s3uid = a.s3uid AND day >= a.from_day AND day < a.to_day) s
           CROSS JOIN LATERAL (
               SELECT array_agg(day) AS days, array_agg(bytes_in::numeric) AS bytes_in,
                      array_agg(bytes_out::numeric) AS bytes_out
               FROM shared.traffic_by_day WHERE s3uid = a.s3uid AND day >= a.from_day AND day < a.to_day) t
           ORDER BY a.place"#,
        &uids,
        &from,
        &to
    )
    .fetch_all(connection)
    .await?;
    let usages = rows.into_iter().map(|row| {
        let mut usage = Usage::new();
        for (day, byte_hours) in row.stored_days.into_iter().zip(row.byte_hours) {
            usage.entry(day).or_default().byte_hours = byte_hours;
        }
        for (day, (bytes_in, bytes_out)) in
            row.traffic_days.into_iter().zip(row.bytes_in.into_iter().zip(row.bytes_out))
        {
            let used = usage.entry(day).or_default();
            (used.bytes_in, used.bytes_out) = (bytes_in, bytes_out);
        }
        usage
    });
    Ok(usages.collect())
}

/// The day before which the usage of accounts is final, by account; those of which nothing is are left out.
pub(crate) async fn final_until(
    connection: &mut PgConnection,
    accounts: &[&str],
) -> Result<BTreeMap<String, NaiveDate>, Failure> {
    let accounts: Vec<String> = accounts.iter().map(|s3uid| (*s3uid).to_owned()).collect();
    let rows = sqlx::query!(
        r#"SELECT o.s3uid, w.final_until AS "final_until!" FROM billing.orders o
           JOIN shared.log_watermarks w ON w.location = o.location
           WHERE o.s3uid = ANY ($1) AND w.final_until IS NOT NULL"#,
        &accounts
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.s3uid, row.final_until.date_naive())).collect())
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
