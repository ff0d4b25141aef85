//! A report of what an account used.

use std::collections::BTreeMap;

use chrono::{Days, NaiveTime, TimeDelta};
use history::Failure;
use messages::{
    Refusal, Scope, UsageCategoryReply, UsageGapReply, UsageReport, UsageReportReply, UsageRowReply, UsageSection,
    UsageTotalsReply,
};
use model::{PlainTime, S3Uid, Timestamp, month_start};
use sqlx::PgPool;

use crate::domain::report::{Held, held};
use crate::domain::storage::{byte_hours, hour_of};
use crate::domain::traffic::Counts;
use crate::store;
use crate::store::accounts::Account;

const HOUR: TimeDelta = TimeDelta::hours(1);
const HOURS_MAX: i64 = 31 * 24;
const DAYS_MAX: i64 = 400;

/// What is to be reported.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    from: Timestamp,
    to: Timestamp,
    /// Nothing is known of what comes after it.
    now: Timestamp,
    by: UsageSection,
}

impl Wanted {
    /// What the parameters ask for; refused with what would be right.
    pub(crate) fn new(parameters: &UsageReport, now: Timestamp) -> Result<Self, Refusal> {
        let by = parameters.by.unwrap_or(UsageSection::Day);
        let from = parameters.from.map_or_else(|| month_start(now), |moment| moment.0);
        let to = parameters.to.map_or_else(|| hour_of(now) + HOUR, |moment| moment.0);
        for (name, moment) in [("from", from), ("to", to)] {
            if hour_of(moment) != moment {
                return Err(Refusal::new(format!("{name} must be a full hour of UTC, not {}", PlainTime(moment))));
            }
        }
        if from >= to {
            return Err(Refusal::new(format!("from {} must be before to {}", PlainTime(from), PlainTime(to))));
        }
        let (limit, unit) = match by {
            UsageSection::Hour => (TimeDelta::hours(HOURS_MAX), "31 days by hour"),
            UsageSection::Day | UsageSection::Bucket => (TimeDelta::days(DAYS_MAX), "400 days by day or bucket"),
        };
        if to - from > limit {
            return Err(Refusal::new(format!("a report covers at most {unit}")));
        }
        Ok(Self { from, to, now, by })
    }
}

/// What an account used, for operators, with the rights of the database's owner; `None`: there is no such account.
///
/// Fails with [`Failure::Refused`] where the period makes no sense.
pub async fn usage_report(
    pool: &PgPool,
    s3uid: &S3Uid,
    parameters: &UsageReport,
    now: Timestamp,
) -> Result<Option<UsageReportReply>, Failure> {
    let wanted = Wanted::new(parameters, now)?;
    let found = store::accounts::of_scope(pool, Scope::Anyone, Some(s3uid.as_str())).await?;
    match found.into_iter().next() {
        Some(account) => make(pool, &account, &wanted).await.map(Some),
        None => Ok(None),
    }
}

/// Makes the report.
pub(crate) async fn make(pool: &PgPool, account: &Account, wanted: &Wanted) -> Result<UsageReportReply, Failure> {
    let (s3uid, from, to) = (&account.s3uid, wanted.from, wanted.to);
    let (hours, categories, gaps, watermark, measured_at) = tokio::try_join!(
        store::storage_hours::of_account(pool, s3uid, from, to),
        store::traffic::sections(pool, s3uid, from, to, "category"),
        store::gaps::of_account(pool, s3uid, from, to),
        store::log_hours::final_until(pool, &account.location),
        store::samples::measured_at(pool, s3uid),
    )?;
    let end = to.min(wanted.now);
    let all: Counts = categories.iter().fold(Counts::default(), |sum, section| sum + section.counts);
    let rows = match wanted.by {
        UsageSection::Bucket => by_bucket(pool, account, wanted).await?,
        UsageSection::Hour | UsageSection::Day => {
            let by = if wanted.by == UsageSection::Hour { "hour" } else { "day" };
            let traffic = store::traffic::sections(pool, s3uid, from, to, by).await?;
            let traffic = traffic.into_iter().map(|section| (section.name, section.counts)).collect();
            by_time(wanted, &traffic, |from, to| held(&hours, from, to))
        }
    };
    let category = |section: store::traffic::Section| {
        let totals = totals(section.counts, Held::default());
        UsageCategoryReply {
            category: section.name,
            traffic_in_bytes: totals.traffic_in_bytes,
            traffic_out_bytes: totals.traffic_out_bytes,
            operations: totals.operations,
            successful_operations: totals.successful_operations,
        }
    };
    let gap = |gap: store::gaps::Gap| UsageGapReply { hour: PlainTime(gap.hour), kind: gap.kind, detail: gap.detail };
    Ok(UsageReportReply {
        s3uid: s3uid.clone(),
        from: PlainTime(from),
        to: PlainTime(to),
        by: wanted.by,
        rows,
        totals: totals(all, held(&hours, from, end)),
        categories: categories.into_iter().map(category).collect(),
        final_until: watermark.map(PlainTime),
        measured_at: measured_at.map(PlainTime),
        gaps: gaps.into_iter().map(gap).collect(),
    })
}

fn totals(counts: Counts, held: Held) -> UsageTotalsReply {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    UsageTotalsReply {
        traffic_in_bytes: count(counts.bytes_in),
        traffic_out_bytes: count(counts.bytes_out),
        operations: count(counts.operations),
        successful_operations: count(counts.successful_operations),
        storage_byte_hours: byte_hours(held.byte_seconds),
        storage_peak_bytes: count(held.peak_bytes),
        storage_closing_bytes: count(held.closing_bytes),
    }
}

/// A row for each hour or day in which something was stored or transferred.
fn by_time(
    wanted: &Wanted,
    traffic: &BTreeMap<String, Counts>,
    held: impl Fn(Timestamp, Timestamp) -> Held,
) -> Vec<UsageRowReply> {
    let mut rows = Vec::new();
    let mut begins = wanted.from;
    while begins < wanted.to && begins <= wanted.now {
        let (section, ends) = match wanted.by {
            UsageSection::Hour => (begins, begins + HOUR),
            UsageSection::Day | UsageSection::Bucket => {
                let midnight = begins.date_naive().and_time(NaiveTime::MIN).and_utc();
                (midnight, midnight + Days::new(1))
            }
        };
        let ends = ends.min(wanted.to);
        let counts = traffic.get(&PlainTime(section).to_string()).copied();
        let held = held(begins, ends.min(wanted.now));
        if counts.is_some() || held.peak_bytes > 0 {
            let usage = totals(counts.unwrap_or_default(), held);
            rows.push(UsageRowReply { section: PlainTime(section).to_string(), usage });
        }
        begins = ends;
    }
    rows
}

async fn by_bucket(pool: &PgPool, account: &Account, wanted: &Wanted) -> Result<Vec<UsageRowReply>, Failure> {
    let (s3uid, from) = (&account.s3uid, wanted.from);
    if from >= wanted.now {
        return Ok(Vec::new());
    }
    let (traffic, stored) = tokio::try_join!(
        store::traffic::sections(pool, s3uid, from, wanted.to, "bucket"),
        store::storage_hours::by_bucket(pool, s3uid, from, wanted.to.min(wanted.now)),
    )?;
    let mut buckets: BTreeMap<String, (Counts, Held)> = BTreeMap::new();
    for section in traffic {
        buckets.entry(section.name).or_default().0 = section.counts;
    }
    for bucket in stored {
        let store::storage_hours::HeldByBucket { bucket_name, byte_seconds, peak_bytes, closing_bytes } = bucket;
        buckets.entry(bucket_name).or_default().1 = Held { byte_seconds, peak_bytes, closing_bytes };
    }
    let row = |(section, (counts, held))| UsageRowReply { section, usage: totals(counts, held) };
    Ok(buckets.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_checked() {
        let now: Timestamp = "2026-11-22T13:20:00Z".parse().unwrap();
        let time = |text: &str| (!text.is_empty()).then(|| text.parse::<PlainTime>().unwrap());
        for (from, to, by, expected) in [
            ("", "", None, Ok(("2026-11-01 00:00:00", "2026-11-22 14:00:00"))),
            (
                "2026-11-20 05:00:00",
                "2026-11-21 00:00:00",
                Some(UsageSection::Hour),
                Ok(("2026-11-20 05:00:00", "2026-11-21 00:00:00")),
            ),
            ("2026-11-20 05:30:00", "", None, Err("from must be a full hour of UTC, not 2026-11-20 05:30:00")),
            ("", "2026-11-20 05:00:01", None, Err("to must be a full hour of UTC, not 2026-11-20 05:00:01")),
            (
                "2026-11-22 00:00:00",
                "2026-11-22 00:00:00",
                None,
                Err("from 2026-11-22 00:00:00 must be before to 2026-11-22 00:00:00"),
            ),
            ("2026-01-01 00:00:00", "", Some(UsageSection::Hour), Err("a report covers at most 31 days by hour")),
            (
                "2024-01-01 00:00:00",
                "",
                Some(UsageSection::Bucket),
                Err("a report covers at most 400 days by day or bucket"),
            ),
        ] {
            let parameters = UsageReport { s3uid: None, id: None, from: time(from), to: time(to), by };
            let wanted = Wanted::new(&parameters, now);
            let wanted = wanted.map(|wanted| (PlainTime(wanted.from).to_string(), PlainTime(wanted.to).to_string()));
            let expected = expected.map(|(from, to)| (from.to_owned(), to.to_owned()));
            assert_eq!(wanted.map_err(|refusal| refusal.message), expected.map_err(str::to_owned), "{from} {to}");
        }
    }
}
