//! Several relays of one role: one works, another takes over.

use crate::fixture::{Fixture, until};
use crate::relay::{Recorder, record_each, relaying};

/// Connections that hold the right to relay.
const LEADS: &str = "EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_stat_activity.pid AND l.locktype = 'advisory')";
/// Connections that asked for it and don't have it.
const ASKED_IN_VAIN: &str = "query LIKE 'SELECT pg_try_advisory_lock%' AND state = 'idle'
    AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_stat_activity.pid AND l.locktype = 'advisory')";

async fn one_leads(fixture: &Fixture) {
    until("one holds the lock", async || fixture.connections(LEADS).await == 1).await;
}

async fn end_connections(fixture: &Fixture, condition: &str) {
    assert_eq!(fixture.connections(condition).await, 1, "{condition}");
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
    );
    fixture.as_owner(&end).await.expect("the owner may");
    until("the connection has ended", async || fixture.connections(condition).await == 0).await;
}

#[tokio::test]
async fn one_of_two_relays_works_and_the_other_takes_over_when_it_stops() {
    let fixture = Fixture::new().await;
    let (first_recorder, second_recorder) = (Recorder::default(), Recorder::default());
    let first = relaying(&fixture.other_process(2), &first_recorder);
    one_leads(&fixture).await;
    let second = relaying(&fixture.other_process(2), &second_recorder);
    until("the second has asked for the lock in vain", async || fixture.connections(ASKED_IN_VAIN).await == 1).await;
    record_each(&fixture.journal, &[1; 20]).await;
    fixture.outbox_is_empty().await;
    assert_eq!((first_recorder.versions(1).len(), second_recorder.published().len()), (20, 0));

    first.stop().await;
    record_each(&fixture.journal, &[1; 5]).await;
    fixture.outbox_is_empty().await;
    second.stop().await;
    assert_eq!(first_recorder.versions(1), (1..=20).collect::<Vec<_>>());
    assert_eq!(second_recorder.versions(1), (21..=25).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_relay_that_dies_between_confirm_and_delete_is_followed_by_one_that_repeats() {
    let fixture = Fixture::new().await;
    let dying = Recorder::default();
    record_each(&fixture.journal, &[1, 1, 2]).await;
    // Its delete waits for this lock, and so it dies with everything confirmed and nothing deleted.
    let mut lock = fixture.pool.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE outbox IN SHARE MODE").execute(&mut *lock).await.expect("a lock");
    let first = relaying(&fixture.other_process(2), &dying);
    dying.published_count(3).await;
    fixture.somebody_waits_for_a_lock().await;
    first.kill().await;
    end_connections(&fixture, "query LIKE 'DELETE FROM outbox%'").await;
    lock.rollback().await.expect("the lock's end");

    let next = Recorder::default();
    let second = relaying(&fixture.other_process(2), &next);
    fixture.outbox_is_empty().await;
    second.stop().await;
    assert_eq!((next.versions(1), next.versions(2)), (vec![1, 2], vec![1]), "confirmed but kept: again, in order");
}

#[tokio::test]
async fn a_relay_whose_connection_is_cut_comes_back() {
    let fixture = Fixture::new().await;
    let recorder = Recorder::default();
    let relay = relaying(&fixture.other_process(2), &recorder);
    one_leads(&fixture).await;
    record_each(&fixture.journal, &[1, 1]).await;
    fixture.outbox_is_empty().await;
    end_connections(&fixture, LEADS).await;
    record_each(&fixture.journal, &[1, 1]).await;
    fixture.outbox_is_empty().await;
    relay.stop().await;
    assert_eq!(recorder.versions(1), [1, 2, 3, 4]);
}
