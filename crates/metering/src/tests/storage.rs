//! What is stored, over time; quotas; buckets that come and go by themselves.

use chrono::TimeDelta;
use model::{BucketName, Clock};
use object_store::ObjectStore;
use serde_json::json;

use super::{Fixture, QUOTA_BYTES, at};
use crate::report::{self, Wanted};
use crate::sampling;
use crate::store::accounts::Account;

async fn report(fixture: &Fixture, from: &str, to: &str, by: messages::UsageSection) -> messages::UsageReportReply {
    let parameters = messages::UsageReport {
        s3uid: None,
        id: None,
        from: Some(from.parse().unwrap()),
        to: Some(to.parse().unwrap()),
        by: Some(by),
    };
    let account = Account { s3uid: fixture.account.uid.clone(), location: fixture.location.clone() };
    let wanted = Wanted::new(&parameters, fixture.clock.now()).unwrap();
    report::make(&fixture.metering.pool, &account, &wanted).await.unwrap()
}

#[tokio::test]
async fn byte_hours_are_what_was_stored_times_how_long() {
    let mut fixture = Fixture::new().await;
    fixture.sample().await; // 10:31, nothing
    fixture.clock.advance(TimeDelta::minutes(28));
    fixture.put("a", 3600).await;
    fixture.sample().await; // 11:00
    fixture.clock.advance(TimeDelta::minutes(149));
    fixture.put("b", 7200).await;
    fixture.sample().await; // 13:30, 10,800 in all
    fixture.clock.advance(TimeDelta::minutes(14));
    fixture.store.delete_object(&fixture.account.keys, &fixture.bucket, "b").await.unwrap();
    fixture.sample().await; // 13:45
    fixture.clock.advance(TimeDelta::days(2));
    fixture.read_log_for(TimeDelta::minutes(9)).await;

    let hours = report(&fixture, "2026-03-01 10:00:00", "2026-03-01 15:00:00", messages::UsageSection::Hour).await;
    let rows: Vec<_> = hours
        .rows
        .iter()
        .map(|row| (&row.section[11..13], row.usage.storage_byte_hours.to_string(), row.usage.storage_peak_bytes))
        .collect();
    let row = |hour, byte_hours: &str, peak| (hour, byte_hours.to_owned(), peak);
    assert_eq!(
        rows,
        [
            row("10", "0", 0),
            row("11", "3600", 3600),
            row("12", "3600", 3600),
            row("13", "5400", 10_800),
            row("14", "3600", 3600)
        ]
    );
    assert_eq!(hours.totals.storage_byte_hours.to_string(), "16200");
    assert_eq!((hours.totals.storage_peak_bytes, hours.totals.storage_closing_bytes), (10_800, 3600));

    let days = report(&fixture, "2026-03-01 00:00:00", "2026-03-03 00:00:00", messages::UsageSection::Day).await;
    let rows: Vec<_> = days.rows.iter().map(|row| row.usage.storage_byte_hours.to_string()).collect();
    assert_eq!(rows, ["48600", "86400"], "16,200 and nine hours; a whole day without any change");
    let buckets = report(&fixture, "2026-03-01 00:00:00", "2026-03-03 00:00:00", messages::UsageSection::Bucket).await;
    assert_eq!(buckets.rows.len(), 1);
    assert_eq!(buckets.rows[0].usage.storage_byte_hours, days.totals.storage_byte_hours);
    let closed = "SELECT day, byte_seconds / 3600 = CASE day WHEN '2026-03-01' THEN 48600 ELSE 86400 END,
        peak_bytes, last_bytes FROM metering.storage_days WHERE byte_seconds IS NOT NULL ORDER BY day";
    assert_eq!(fixture.sql(closed), "2026-03-01|t|10800|3600\n2026-03-02|t|3600|3600");
}

#[tokio::test]
async fn events_are_enough_to_rebuild_every_figure() {
    let mut fixture = Fixture::new().await;
    for (key, len, minutes) in [("a", 1000, 25), ("b", 50_000, 90), ("a", 10, 200)] {
        fixture.put(key, len).await;
        fixture.sample().await;
        fixture.clock.advance(TimeDelta::minutes(minutes));
    }
    fixture.clock.advance(TimeDelta::hours(3));
    fixture.read_log_for(TimeDelta::minutes(12)).await;
    let (from, to) = (at("2026-03-01T10:00:00Z"), at("2026-03-01T18:00:00Z"));
    let reported = report(&fixture, "2026-03-01 10:00:00", "2026-03-01 18:00:00", messages::UsageSection::Hour).await;

    // An outsider knows the events only.
    let (mut bytes_in, mut byte_hours, mut stored) = (0, rust_decimal::Decimal::ZERO, 0);
    let events = fixture.events("usage.recorded").into_iter();
    let events: Vec<messages::UsageRecorded> = events.map(|e| serde_json::from_value(e.data).unwrap()).collect();
    let mut hour = from;
    while hour < to {
        match events.iter().find(|event| event.hour == hour) {
            Some(event) => {
                bytes_in += event.traffic.iter().map(|record| record.bytes_in).sum::<u64>();
                byte_hours += match event.storage.as_slice() {
                    [] => rust_decimal::Decimal::from(stored),
                    buckets => buckets.iter().map(|bucket| bucket.byte_hours).sum(),
                };
                stored = event.closing_bytes;
            }
            None => byte_hours += rust_decimal::Decimal::from(stored),
        }
        hour += TimeDelta::hours(1);
    }
    assert_eq!(bytes_in, reported.totals.traffic_in_bytes);
    assert_eq!(bytes_in, 51_010);
    assert_eq!(byte_hours.normalize(), reported.totals.storage_byte_hours.normalize());
    assert_eq!(stored, 50_010);
}

#[tokio::test]
async fn each_threshold_of_the_quota_is_one_event() {
    let fixture = Fixture::new().await;
    // Each object counts 4 KiB for the quota of 100,000 bytes: 19 are below 80 %, 20 are not.
    for key in 0..19 {
        fixture.put(&format!("key-{key}"), 4096).await;
    }
    let crossed = |fixture: &Fixture| {
        let said = |event: &str| {
            let events = fixture.events(event).into_iter();
            events.map(|event| event.data["threshold_percent"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        (said("quota.threshold_reached"), said("quota.threshold_left"))
    };
    for (objects, reached, left) in [
        (19, vec![], vec![]),
        (20, vec![80], vec![]),
        (20, vec![80], vec![]),
        (25, vec![80, 90, 100], vec![]),
        (21, vec![80, 90, 100], vec![100, 90]),
        (0, vec![80, 90, 100], vec![100, 90, 80]),
        (20, vec![80, 90, 100, 80], vec![100, 90, 80]),
    ] {
        for key in 0..25 {
            let key = format!("key-{key}");
            if key[4..].parse::<usize>().unwrap() < objects {
                fixture.put(&key, 4096).await;
            } else {
                fixture.store.delete_object(&fixture.account.keys, &fixture.bucket, &key).await.unwrap();
            }
        }
        fixture.sample().await;
        assert_eq!(crossed(&fixture), (reached, left), "{objects} objects");
    }
    let first = &fixture.events("quota.threshold_reached")[0];
    assert_eq!((&first.data["used_bytes"], &first.data["quota_bytes"]), (&json!(81_920), &json!(QUOTA_BYTES)));
}

#[tokio::test]
async fn buckets_that_come_and_go_over_s3_are_told_of() {
    let fixture = Fixture::new().await;
    fixture.sample().await;
    let own: BucketName = "customers-own".parse().unwrap();
    fixture.store.create_bucket(&fixture.account.keys, &own).await.unwrap();
    fixture.store.delete_bucket(&fixture.account.keys, &fixture.bucket).await.unwrap();
    fixture.sample().await;
    fixture.sample().await;
    let names = |event: &str| {
        let events = fixture.events(event).into_iter();
        events.map(|event| event.data["bucket_name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("bucket.discovered"), [json!("customers-own")], "not the one that Purser made");
    assert_eq!(names("bucket.vanished"), [json!("bucket")]);
}

#[tokio::test]
async fn a_bucket_of_a_command_under_way_is_told_of_by_the_command() {
    let fixture = Fixture::new().await;
    fixture.sample().await;
    fixture.begin_command();
    let new: BucketName = "being-made".parse().unwrap();
    fixture.store.create_bucket(&fixture.account.keys, &new).await.unwrap();
    fixture.store.delete_bucket(&fixture.account.keys, &fixture.bucket).await.unwrap();
    fixture.sample().await;
    let told = || (fixture.events("bucket.discovered").len(), fixture.events("bucket.vanished").len());
    let known = "SELECT string_agg(bucket_name, ' ') FROM metering.bucket_usage";
    assert_eq!((told(), fixture.sql(known).as_str()), ((0, 0), "bucket"));
    let is_marked = "SELECT stale_since IS NOT NULL FROM metering.measured_accounts";
    assert_eq!(fixture.sql(is_marked), "t", "it is read again");

    fixture.sql(&format!(
        "DELETE FROM provisioner.intents;
         INSERT INTO provisioner.buckets (location, name, s3uid, created_at) VALUES ('NL', '{new}', '{}', now())",
        fixture.account.uid
    ));
    fixture.sample().await;
    assert_eq!((told(), fixture.sql(known).as_str()), ((0, 1), "being-made"), "nobody's command deleted the other one");
    assert_eq!(fixture.sql(is_marked), "f");
}

#[tokio::test]
async fn a_command_that_does_not_end_keeps_no_bucket_from_being_counted() {
    let fixture = Fixture::new().await;
    fixture.begin_command();
    let own: BucketName = "customers-own".parse().unwrap();
    fixture.store.create_bucket(&fixture.account.keys, &own).await.unwrap();
    fixture.sample().await;
    assert_eq!(fixture.events("bucket.discovered").len(), 0);
    fixture.clock.advance(TimeDelta::minutes(10));
    fixture.sample().await;
    assert_eq!(fixture.events("bucket.discovered").len(), 1);
}

#[tokio::test]
async fn an_older_reading_never_replaces_a_younger_one() {
    let fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    let old = sampling::read_account(&fixture.metering, &fixture.account.uid, &fixture.location).await.unwrap();
    fixture.put("b", 500).await;
    fixture.sample().await;
    let mut step = fixture.metering.journal.step().await.unwrap();
    sampling::write(&mut step, &old).await.unwrap();
    step.commit().await.unwrap();
    let name = fixture.bucket.as_str();
    fixture.clock.advance(TimeDelta::minutes(1));
    sampling::sample(&fixture.metering, &fixture.account.uid, &fixture.location, Some(name)).await.unwrap();
    assert_eq!(fixture.sql("SELECT sum(usage_bytes) FROM metering.bucket_usage"), "1500");
}

#[tokio::test]
async fn one_changed_bucket_is_read_alone() {
    let fixture = Fixture::new().await;
    fixture.sample().await;
    fixture.put("a", 1000).await;
    fixture.clock.advance(TimeDelta::minutes(1));
    let (uid, location) = (&fixture.account.uid, &fixture.location);
    sampling::sample(&fixture.metering, uid, location, Some(fixture.bucket.as_str())).await.unwrap();
    let seen = "SELECT usage_bytes, objects, measured_at FROM metering.bucket_usage";
    assert_eq!(fixture.sql(seen), "1000|1|2026-03-01 10:32:00+00");
    fixture.store.delete_object(&fixture.account.keys, &fixture.bucket, "a").await.unwrap();
    fixture.store.delete_bucket(&fixture.account.keys, &fixture.bucket).await.unwrap();
    fixture.clock.advance(TimeDelta::minutes(1));
    sampling::sample(&fixture.metering, uid, location, Some(fixture.bucket.as_str())).await.unwrap();
    assert_eq!(fixture.sql(seen), "");
    assert_eq!(fixture.sql("SELECT closing_bytes, peak_bytes FROM metering.account_hours"), "0|1000");
}

#[tokio::test]
async fn a_reading_that_comes_after_another_bucket_s_still_counts() {
    let fixture = Fixture::new().await;
    let other: BucketName = "other".parse().unwrap();
    fixture.store.create_bucket(&fixture.account.keys, &other).await.unwrap();
    fixture.sample().await;
    fixture.put("a", 1000).await;
    // Read now, written after the other bucket, which is read later.
    let bucket = fixture.store.bucket(fixture.bucket.as_str()).await.unwrap().unwrap();
    let late = sampling::Sample {
        s3uid: fixture.account.uid.clone(),
        measured_at: fixture.clock.now() + TimeDelta::seconds(1),
        only: Some(fixture.bucket.to_string()),
        buckets: vec![bucket.usage],
    };
    fixture.clock.advance(TimeDelta::minutes(1));
    fixture.store.put_object(&fixture.account.keys, &other, "b", "xyz".into()).await.unwrap();
    sampling::sample(&fixture.metering, &fixture.account.uid, &fixture.location, Some("other")).await.unwrap();
    let mut step = fixture.metering.journal.step().await.unwrap();
    sampling::write(&mut step, &late).await.unwrap();
    step.commit().await.unwrap();
    assert_eq!(fixture.sql("SELECT closing_bytes, peak_bytes FROM metering.account_hours"), "1003|1003");
    assert_eq!(fixture.sql("SELECT sum(closing_bytes) FROM metering.bucket_hours"), "1003");
    assert_eq!(fixture.sql("SELECT last_bytes FROM metering.storage_days"), "1003");
}

#[tokio::test]
async fn a_bucket_that_a_younger_reading_found_gone_stays_gone() {
    let fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    fixture.sample().await;
    fixture.clock.advance(TimeDelta::minutes(1));
    let old = sampling::read_account(&fixture.metering, &fixture.account.uid, &fixture.location).await.unwrap();
    fixture.clock.advance(TimeDelta::minutes(1));
    fixture.store.delete_object(&fixture.account.keys, &fixture.bucket, "a").await.unwrap();
    fixture.store.delete_bucket(&fixture.account.keys, &fixture.bucket).await.unwrap();
    let name = fixture.bucket.as_str();
    sampling::sample(&fixture.metering, &fixture.account.uid, &fixture.location, Some(name)).await.unwrap();
    let mut step = fixture.metering.journal.step().await.unwrap();
    sampling::write(&mut step, &old).await.unwrap();
    step.commit().await.unwrap();
    assert_eq!(fixture.sql("SELECT count(*) FROM metering.bucket_usage"), "0");
    assert_eq!(fixture.sql("SELECT closing_bytes FROM metering.account_hours"), "0");
}

#[tokio::test]
async fn a_period_that_is_yet_to_come_is_empty() {
    let fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    fixture.sample().await;
    for by in [messages::UsageSection::Hour, messages::UsageSection::Day, messages::UsageSection::Bucket] {
        let report = report(&fixture, "2026-04-01 00:00:00", "2026-04-02 00:00:00", by).await;
        assert_eq!(report.rows, [], "{by:?}");
        assert_eq!(report.totals.storage_byte_hours.to_string(), "0", "{by:?}");
    }
}
