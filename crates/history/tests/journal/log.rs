//! The history log and who may do what to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use history::{Record, read_log};
use serde_json::{Value, json};

use crate::fixture::{Fixture, made, record, request, subject};
use crate::outside::World;

#[tokio::test]
async fn the_log_is_read_newest_first_and_by_subject() {
    let fixture = Fixture::new().await;
    let world = World::new(&[]);
    for (name, plan) in [("a", 1), ("b", 1), ("elsewhere", 2), ("c", 1)] {
        fixture.journal.run_outside(&world, &request(name, plan)).await.expect("done");
    }
    let descriptions = async |limit, offset| {
        let entries = read_log(&fixture.pool, &subject(1), limit, offset).await.expect("entries");
        entries.into_iter().map(|entry| entry.description).collect::<Vec<_>>()
    };
    assert_eq!(descriptions(10, 0).await, ["c made", "b made", "a made"]);
    assert_eq!(descriptions(1, 1).await, ["b made"]);
    assert_eq!(descriptions(10, 3).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_and_its_event_carry_the_same_facts() {
    let fixture = Fixture::new().await;
    fixture.journal.run_outside(&World::new(&[]), &request("a", 1)).await.expect("done");
    let same = "SELECT count(*) FROM history.entries e JOIN outbox o
                  ON e.event_id::text = o.body::jsonb ->> 'id'
                 AND e.event_id::text = o.envelope -> 'headers' ->> 'ce-id'
                 AND e.subject = o.subject AND e.subject = o.body::jsonb ->> 'subject'
                 AND e.subject_version = (o.body::jsonb ->> 'subject_version')::bigint
                 AND e.data = o.body::jsonb -> 'data' AND e.description = o.body::jsonb ->> 'description'
                 AND e.event = 'thing.made' AND e.source = '/purser/provisioner' AND e.actor = 'customer:7'
                 AND e.customer_id = 7 AND e.subject_version = 1";
    assert_eq!(fixture.number(same).await, 1);
}

#[tokio::test]
async fn several_records_at_once_are_what_they_are_one_by_one() {
    let (one_by_one, at_once) = (Fixture::new().await, Fixture::new().await);
    let names = [("a", 1), ("b", 2), ("c", 1), ("d", 3), ("e", 1), ("f", 2)];
    for fixture in [&one_by_one, &at_once] {
        let mut step = fixture.journal.step().await.expect("a step");
        record(&mut step, 2, "before").await.expect("a record");
        step.commit().await.expect("committed");
    }
    let mut step = one_by_one.journal.step().await.expect("a step");
    for (name, plan) in names {
        record(&mut step, plan, name).await.expect("a record");
    }
    step.commit().await.expect("committed");
    let mut step = at_once.journal.step().await.expect("a step");
    let data: Vec<_> = names.iter().map(|(name, _)| json!({"name": name})).collect();
    let records = names.iter().zip(&data).map(|((name, plan), data)| made(*plan, name, data));
    step.record_all(records).await.expect("records");
    step.record_all(Vec::<Record<'_, Value>>::new()).await.expect("nothing to record");
    step.commit().await.expect("committed");
    for same in [
        "SELECT concat_ws(' ', id, recorded_at, source, event, subject, subject_version, customer_id, actor,
                          description, data, traceparent) FROM history.entries ORDER BY id",
        "SELECT concat_ws(' ', id, subject, envelope #- '{headers,ce-id}' #- '{message_id}', body::jsonb - 'id',
                          created_at) FROM outbox ORDER BY id",
        "SELECT subject || ' ' || version FROM subject_versions ORDER BY subject",
    ] {
        assert_eq!(at_once.texts(same).await, one_by_one.texts(same).await);
    }
    let versions = "SELECT subject || ' ' || subject_version FROM history.entries ORDER BY id";
    assert_eq!(
        at_once.texts(versions).await,
        ["plan/2 1", "plan/1 1", "plan/2 2", "plan/1 2", "plan/3 1", "plan/1 3", "plan/2 3"]
    );
}

#[tokio::test]
async fn a_step_that_is_dropped_leaves_nothing() {
    let fixture = Fixture::new().await;
    let mut step = fixture.journal.step().await.expect("a step");
    record(&mut step, 1, "a").await.expect("a record");
    drop(step);
    assert_eq!(fixture.recorded().await, (0, 0));
    assert_eq!(fixture.number("SELECT count(*) FROM subject_versions").await, 0);
}

#[tokio::test]
async fn a_role_can_add_to_the_history_and_change_nothing_in_it() {
    let fixture = Fixture::new().await;
    fixture.journal.run_outside(&World::new(&[]), &request("a", 1)).await.expect("done");
    for change in [
        "UPDATE history.entries SET description = 'nothing happened'",
        "DELETE FROM history.entries",
        "TRUNCATE history.entries",
        "DELETE FROM history.entries_rest",
        "DROP TABLE history.entries",
    ] {
        let refused = sqlx::raw_sql(change).execute(&fixture.pool).await;
        assert!(refused.is_err(), "{change}");
        // The owner has the rights, and a trigger in the way.
        if !change.starts_with("DROP") && !change.ends_with("_rest") {
            let refused = fixture.as_owner(change).await.expect_err(change).to_string();
            assert!(refused.contains("the history is append-only"), "{change}: {refused}");
        }
    }
    assert_eq!(fixture.recorded().await, (1, 1));
}

#[tokio::test]
async fn months_have_partitions_of_their_own_and_the_rest_has_one_too() {
    let fixture = Fixture::new().await;
    for _ in 0..2 {
        fixture.as_owner("SELECT history.make_partitions('2023-11-01', 3)").await.expect("partitions, also again");
    }
    // The fixture's clock stands in November 2023.
    let world = World::new(&[]);
    fixture.journal.run_outside(&world, &request("a", 1)).await.expect("done");
    fixture.clock.advance(chrono::TimeDelta::days(365));
    fixture.journal.run_outside(&world, &request("b", 1)).await.expect("done");
    let places = "SELECT tableoid::regclass::text FROM history.entries ORDER BY id";
    assert_eq!(fixture.texts(places).await, ["history.entries_2023_11", "history.entries_rest"]);
}

#[tokio::test]
async fn what_is_to_be_counted_counts_once_its_step_has_committed() {
    let fixture = Fixture::new().await;
    let counted = Arc::new(AtomicU32::new(0));
    for commits in [false, true] {
        let mut step = fixture.journal.step().await.expect("a step");
        record(&mut step, 1, "a").await.expect("a record");
        let total = Arc::clone(&counted);
        step.after_commit(move || {
            total.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(counted.load(Ordering::Relaxed), 0);
        if commits {
            step.commit().await.expect("committed");
        } else {
            step.rollback().await.expect("given up");
        }
    }
    assert_eq!(counted.load(Ordering::Relaxed), 1);
}
