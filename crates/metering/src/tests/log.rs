//! RGW's usage log: read, closed, corrected, trimmed.

use chrono::{TimeDelta, Timelike};
use messages::UsageRecorded;
use model::Clock;
use object_store::ObjectStore;
use serde_json::json;

use super::{Fixture, at};
use crate::log::merge;

fn recorded(fixture: &Fixture) -> Vec<UsageRecorded> {
    let events = fixture.events("usage.recorded").into_iter();
    events.map(|event| serde_json::from_value(event.data).unwrap()).collect()
}

#[tokio::test]
async fn an_hour_is_read_until_it_is_final_and_published_once() {
    let mut fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    fixture.read_log().await;
    assert_eq!(fixture.bytes_in(), ("1000".to_owned(), "1000".to_owned()));
    fixture.put("b", 500).await;
    for _ in 0..3 {
        fixture.read_log().await;
    }
    assert_eq!(fixture.bytes_in(), ("1500".to_owned(), "1500".to_owned()), "reading again never doubles");
    fixture.clock.advance(TimeDelta::minutes(20));
    fixture.read_log_for(TimeDelta::minutes(12)).await;
    assert_eq!(recorded(&fixture), [], "it closed two minutes ago: RGW may still write");

    fixture.read_log_for(TimeDelta::minutes(6)).await;
    let events = recorded(&fixture);
    let hour = at("2026-03-01T10:00:00Z");
    assert_eq!(events.iter().map(|event| (event.hour, event.revision)).collect::<Vec<_>>(), [(hour, 1)]);
    let put = events[0].traffic.iter().find(|record| record.category == "put_obj").unwrap();
    assert_eq!((put.bytes_in, put.operations, put.bucket_name.as_str()), (1500, 2, "bucket"));
    assert_eq!(fixture.sql("SELECT final_until FROM metering.log_watermarks"), "2026-03-01 11:00:00+00");
    fixture.read_log_for(TimeDelta::hours(2)).await;
    assert_eq!(recorded(&fixture).len(), 1, "hours in which nothing happened have no record");
    assert_eq!(fixture.sql("SELECT count(*) FROM metering.usage_gaps"), "0");
}

#[tokio::test]
async fn a_reader_that_was_away_catches_up() {
    let mut fixture = Fixture::new().await;
    for hour in 0..60 {
        fixture.put(&format!("key-{hour}"), 100).await;
        fixture.clock.advance(TimeDelta::hours(1));
    }
    fixture.read_log_for(TimeDelta::minutes(15)).await;
    assert_eq!(fixture.bytes_in(), ("6000".to_owned(), "6000".to_owned()));
    assert_eq!(fixture.sql("SELECT count(*) FROM metering.traffic_days"), "3");
    assert_eq!(recorded(&fixture).len(), 60);
    let days = "SELECT count(*) FROM (SELECT s3uid, day, bytes_in, operations FROM metering.traffic_days EXCEPT
        SELECT s3uid, (hour AT TIME ZONE 'UTC')::date, sum(bytes_in), sum(operations) FROM metering.usage_records GROUP BY 1, 2) d";
    assert_eq!(fixture.sql(days), "0", "days are the sums of their records");
}

#[tokio::test]
async fn a_location_s_log_is_complete_up_to_a_round_that_left_nothing_out() {
    let mut fixture = Fixture::new().await;
    let complete = |fixture: &Fixture| fixture.sql("SELECT final_until, complete_until FROM metering.log_watermarks");
    assert_eq!(complete(&fixture), "", "nobody has looked yet");
    fixture.read_log().await;
    assert_eq!(complete(&fixture), "|2026-03-01 10:28:00+00", "but for what RGW may still write");
    // More hours than one round reads.
    fixture.clock.advance(TimeDelta::hours(60));
    fixture.read_log().await;
    assert_eq!(complete(&fixture), "|2026-03-01 10:28:00+00");
    fixture.clock.advance(TimeDelta::minutes(3));
    fixture.read_log().await;
    assert_eq!(complete(&fixture), "2026-03-03 10:00:00+00|2026-03-01 10:28:00+00");
    fixture.clock.advance(TimeDelta::minutes(3));
    fixture.read_log().await;
    assert_eq!(complete(&fixture), "2026-03-03 10:00:00+00|2026-03-03 22:34:00+00");
}

#[tokio::test]
async fn what_somebody_trimmed_stays_known_and_is_reported_once() {
    let mut fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    fixture.read_log().await;
    let hour = at("2026-03-01T10:00:00Z");
    fixture.store.trim_usage(&fixture.account.uid, hour, hour + TimeDelta::hours(1)).await.unwrap();
    fixture.put("b", 10).await;
    fixture.read_log_for(TimeDelta::minutes(9)).await;
    assert_eq!(fixture.bytes_in().0, "1000", "it is not known how much of what is left is new");
    let gaps = fixture.events("usage.gap_detected");
    let gaps: Vec<_> = gaps.iter().map(|gap| (&gap.data["kind"], &gap.data["hour"], &gap.data["s3uid"])).collect();
    assert_eq!(gaps, [(&json!("shrunk"), &json!("2026-03-01T10:00:00Z"), &json!(fixture.account.uid))]);
}

#[tokio::test]
async fn what_was_logged_of_an_account_that_never_became_a_customer_s_is_no_gap() {
    let mut fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    fixture.read_log().await;
    fixture.sql("UPDATE provisioner.accounts SET state = 'released'");
    fixture.read_log_for(TimeDelta::minutes(9)).await;
    assert_eq!(fixture.sql("SELECT count(*) FROM metering.usage_gaps"), "0");
}

#[tokio::test]
async fn a_log_without_our_own_requests_has_a_gap() {
    let mut fixture = Fixture::new().await;
    fixture.read_log().await;
    // RGW answered one more request than its log shows: it crashed before it wrote that down.
    fixture.sql("UPDATE metering.log_hours SET probes = probes + 1");
    fixture.clock.advance(TimeDelta::minutes(40));
    fixture.read_log_for(TimeDelta::minutes(9)).await;
    let gaps = fixture.events("usage.gap_detected");
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].data["kind"], "lost_flush");
    assert_eq!(gaps[0].data["detail"], "1 of 2 of Purser's own requests are in the log");
    assert_eq!(gaps[0].subject, "location/NL");
}

#[tokio::test]
async fn growth_that_the_log_does_not_explain_is_a_gap() {
    for (is_logged, expected) in [(true, 0), (false, 1)] {
        let mut fixture = Fixture::new().await;
        fixture.sample().await;
        fixture.clock.advance(TimeDelta::hours(1));
        fixture.put("a", 1000).await;
        if !is_logged {
            let hour = at("2026-03-01T11:00:00Z");
            fixture.store.trim_usage(&fixture.account.uid, hour, hour + TimeDelta::hours(1)).await.unwrap();
        }
        fixture.sample().await;
        fixture.clock.advance(TimeDelta::hours(2));
        fixture.read_log_for(TimeDelta::minutes(9)).await;
        let gaps = fixture.events("usage.gap_detected");
        assert_eq!(gaps.len(), expected, "{gaps:?}");
        if let Some(gap) = gaps.first() {
            assert_eq!(gap.data["detail"], "bucket bucket grew by 1000 bytes, the log has 0 received");
        }
    }
}

#[tokio::test]
async fn what_comes_late_is_a_correction() {
    let mut fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    fixture.clock.advance(TimeDelta::minutes(31));
    fixture.read_log_for(TimeDelta::minutes(9)).await;
    assert_eq!(recorded(&fixture).len(), 1);
    // As if RGW had written the rest of the hour only now.
    let hour = at("2026-03-01T10:00:00Z");
    fixture.sql("UPDATE metering.usage_records SET bytes_in = 400 WHERE bytes_in = 1000");
    fixture.sql("UPDATE metering.traffic_days SET bytes_in = 400");
    fixture.sql(&format!("UPDATE metering.log_hours SET digest = '' WHERE hour = '{hour}'"));
    fixture.clock.advance(TimeDelta::hours(25));
    fixture.read_log_for(TimeDelta::hours(2)).await;
    let events = recorded(&fixture);
    let of_hour: Vec<_> = events.iter().filter(|event| event.hour == hour).collect();
    assert_eq!(of_hour.iter().map(|event| event.revision).collect::<Vec<_>>(), [1, 2]);
    assert!(of_hour[1].traffic.iter().any(|record| record.bytes_in == 1000), "{of_hour:?}");
    assert_eq!(fixture.bytes_in(), ("1000".to_owned(), "1000".to_owned()));
}

#[tokio::test]
async fn old_records_are_trimmed_and_what_comes_after_is_added() {
    let mut fixture = Fixture::new().await;
    fixture.metering.settings.usage_trim_after_days = Some(7);
    fixture.put("a", 1000).await;
    fixture.clock.advance(TimeDelta::days(6));
    fixture.read_log_for(TimeDelta::minutes(30)).await;
    let (hour, uid) = (at("2026-03-01T10:00:00Z"), fixture.account.uid.clone());
    let in_log = |fixture: &Fixture| {
        let (store, uid) = (std::sync::Arc::clone(&fixture.store), uid.clone());
        async move { store.usage(&uid, hour, hour + TimeDelta::hours(1)).await.unwrap().len() }
    };
    assert!(in_log(&fixture).await > 0, "younger than seven days");
    let end = hour + TimeDelta::hours(1);
    let (asked_at, stale) = (fixture.clock.now(), fixture.store.usage(&uid, hour, end).await.unwrap());
    fixture.clock.advance(TimeDelta::days(1) + TimeDelta::hours(2));
    fixture.read_log_for(TimeDelta::minutes(9)).await;
    assert_eq!(in_log(&fixture).await, 0, "trimmed");
    assert_eq!(fixture.bytes_in(), ("1000".to_owned(), "1000".to_owned()));
    assert_eq!(fixture.sql("SELECT count(*) FROM metering.trims"), "0");
    assert_eq!(fixture.sql("SELECT count(*) FROM metering.usage_gaps"), "0");
    assert_eq!(fixture.clock.now().hour(), 13);

    // Whoever asked before the trim, and comes to writing it down only now, adds nothing.
    let mut step = fixture.metering.journal.step().await.unwrap();
    let readings = [(uid.clone(), stale.as_slice())];
    merge(&mut step, &"NL".parse().unwrap(), &readings, (hour, end), asked_at).await.unwrap();
    step.commit().await.unwrap();
    assert_eq!(fixture.bytes_in(), ("1000".to_owned(), "1000".to_owned()));
}

#[tokio::test]
async fn an_interrupted_trim_is_finished() {
    let mut fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    fixture.clock.advance(TimeDelta::days(8));
    fixture.read_log_for(TimeDelta::minutes(30)).await;
    let hour = at("2026-03-01T10:00:00Z");
    let end = hour + TimeDelta::hours(1);
    fixture.sql(&format!("INSERT INTO metering.trims VALUES ('{}', '{hour}', '{end}', now())", fixture.account.uid));
    // Killed after RGW has deleted and before it was written down.
    fixture.store.trim_usage(&fixture.account.uid, hour, end).await.unwrap();
    fixture.read_log().await;
    assert_eq!(fixture.sql("SELECT count(*) FROM metering.trims"), "0");
    let untrimmed = "SELECT count(*) FROM metering.usage_records WHERE trimmed_bytes_in < bytes_in";
    assert_eq!(fixture.sql(untrimmed), "0", "later entries come on top");
    assert_eq!(fixture.bytes_in(), ("1000".to_owned(), "1000".to_owned()));
    assert_eq!(fixture.sql("SELECT count(*) FROM metering.usage_gaps"), "0");
}

#[tokio::test]
async fn a_bucket_that_is_made_again_and_filled_is_no_gap() {
    let mut fixture = Fixture::new().await;
    let keys = fixture.account.keys.clone();
    fixture.sample().await;
    fixture.store.delete_bucket(&keys, &fixture.bucket).await.unwrap();
    fixture.sample().await;
    fixture.clock.advance(TimeDelta::hours(1));
    fixture.store.create_bucket(&keys, &fixture.bucket).await.unwrap();
    fixture.put("a", 1000).await;
    fixture.sample().await;
    fixture.clock.advance(TimeDelta::hours(2));
    fixture.read_log_for(TimeDelta::minutes(9)).await;
    assert_eq!(fixture.sql("SELECT kind, detail FROM metering.usage_gaps"), "");
}

#[tokio::test]
async fn an_older_reading_of_the_log_is_no_gap() {
    let mut fixture = Fixture::new().await;
    fixture.put("a", 1000).await;
    fixture.read_log().await;
    // As if an administrator's command had read more, a moment later than what is written next.
    fixture.sql(
        "UPDATE metering.usage_records SET bytes_in = bytes_in + 7, measured_at = measured_at + interval '1 hour'",
    );
    fixture.put("b", 5).await;
    fixture.read_log().await;
    assert_eq!(fixture.sql("SELECT kind, detail FROM metering.usage_gaps"), "");
    assert!(fixture.bytes_in().0.parse::<u64>().unwrap() >= 1007, "nothing falls");
}
