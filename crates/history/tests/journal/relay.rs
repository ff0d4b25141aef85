//! The relay, with a publisher that records what it is given and refuses what it is told to.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use history::{Journal, Publish, PublishFailure, Relay};
use messages::{CreateBucket, Encoding, Envelope};
use model::Principal;
use serde_json::Value;
use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fixture::{Fixture, record, subject, until};

/// A message as it was handed over.
type Published = (Envelope, Vec<u8>);

/// Confirms everything but what goes to a refused address (an event's subject, else the routing key).
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder {
    published: Arc<Mutex<Vec<Published>>>,
    tries: Arc<Mutex<BTreeMap<String, usize>>>,
    refused: Arc<Mutex<HashSet<String>>>,
    gate: Arc<RwLock<()>>,
}

impl Recorder {
    pub(crate) fn published(&self) -> Vec<Published> {
        self.published.lock().expect("published").clone()
    }

    /// Waits until at least `count` messages are confirmed.
    pub(crate) async fn published_count(&self, count: usize) {
        until("enough is published", async || self.published.lock().expect("published").len() >= count).await;
    }

    /// How often a message for `address` was handed over.
    pub(crate) fn tries(&self, address: &str) -> usize {
        self.tries.lock().expect("tries").get(address).copied().unwrap_or_default()
    }

    pub(crate) fn refuse(&self, address: &str) {
        self.refused.lock().expect("refused").insert(address.to_owned());
    }

    pub(crate) fn accept_again(&self, address: &str) {
        self.refused.lock().expect("refused").remove(address);
    }

    /// Holds back every confirm until the guard is dropped.
    async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// The versions of a subject's events in the order in which they were confirmed.
    pub(crate) fn versions(&self, plan: i64) -> Vec<i64> {
        let subject = subject(plan).to_string();
        let published = self.published();
        let events = published.iter().filter(|(envelope, _)| address(envelope) == subject);
        events
            .map(|(_, body)| {
                let event: Value = Encoding::MessagePack.decode(body).expect("MessagePack");
                event["subject_version"].as_i64().expect("a version")
            })
            .collect()
    }
}

fn address(envelope: &Envelope) -> String {
    envelope.headers.get("ce-subject").unwrap_or(&envelope.routing_key).clone()
}

#[async_trait]
impl Publish for Recorder {
    async fn publish(&self, envelope: &Envelope, body: Vec<u8>) -> Result<(), PublishFailure> {
        let address = address(envelope);
        *self.tries.lock().expect("tries").entry(address.clone()).or_default() += 1;
        let _open = self.gate.read().await;
        if self.refused.lock().expect("refused").contains(&address) {
            return Err(PublishFailure("returned: no queue takes it".to_owned()));
        }
        self.published.lock().expect("published").push((envelope.clone(), body));
        Ok(())
    }
}

/// A relay at work.
pub(crate) struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("no panic");
    }

    /// Kills it as a crash does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        self.task.await.expect_err("it was killed");
    }
}

pub(crate) fn relaying(journal: &Journal, recorder: &Recorder) -> Running {
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(Relay::new(journal.clone(), recorder.clone()).run(shutdown.clone()));
    Running { shutdown, task }
}

/// Records one event per plan, each in a step of its own.
pub(crate) async fn record_each(journal: &Journal, plans: &[i64]) {
    for plan in plans {
        let mut step = journal.step().await.expect("a step");
        record(&mut step, *plan, "a").await.expect("a record");
        step.commit().await.expect("a commit");
    }
}

impl Fixture {
    /// Waits until the relay has nothing left.
    pub(crate) async fn outbox_is_empty(&self) {
        until("the outbox is empty", async || self.number("SELECT count(*) FROM outbox").await == 0).await;
    }
}

#[tokio::test]
async fn every_record_is_published_once_in_the_order_of_its_versions() {
    const WRITERS: i64 = 6;
    const ROUNDS: i64 = 60;
    let fixture = Fixture::new().await;
    let recorder = Recorder::default();
    let relay = relaying(&fixture.other_process(2), &recorder);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let journal = fixture.journal.clone();
        writers.spawn(async move {
            for round in 0..ROUNDS {
                // Two events of different subjects per step, always in the same order.
                let mut step = journal.step().await.expect("a step");
                record(&mut step, 1 + (writer + round) % 2, "a").await.expect("a record");
                record(&mut step, 3, "a").await.expect("a record");
                if round % 10 == 9 {
                    drop(step);
                } else {
                    step.commit().await.expect("a commit");
                }
            }
        });
    }
    writers.join_all().await;
    fixture.outbox_is_empty().await;
    relay.stop().await;
    let committed = WRITERS * ROUNDS * 9 / 10;
    let all = |count| (1..=count).collect::<Vec<i64>>();
    assert_eq!(recorder.versions(3), all(committed));
    let (one, two) = (recorder.versions(1), recorder.versions(2));
    assert_eq!(one, all(i64::try_from(one.len()).expect("a count")));
    assert_eq!(two, all(i64::try_from(two.len()).expect("a count")));
    assert_eq!(i64::try_from(one.len() + two.len()).expect("a count"), committed);
    assert_eq!(fixture.number("SELECT count(*) FROM history.entries").await, 2 * committed);
}

#[tokio::test]
async fn more_than_a_batch_of_one_subject_goes_out_in_order() {
    let fixture = Fixture::new().await;
    let mut step = fixture.journal.step().await.expect("a step");
    for _ in 0..1_100 {
        record(&mut step, 1, "a").await.expect("a record");
    }
    step.commit().await.expect("a commit");
    let recorder = Recorder::default();
    let relay = relaying(&fixture.journal, &recorder);
    fixture.outbox_is_empty().await;
    relay.stop().await;
    assert_eq!(recorder.versions(1), (1..=1_100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_subject_that_cannot_be_published_holds_up_itself_only_and_goes_out_later() {
    let fixture = Fixture::new().await;
    let recorder = Recorder::default();
    let blocked = subject(1).to_string();
    recorder.refuse(&blocked);
    record_each(&fixture.journal, &[1, 2, 1, 2, 1]).await;
    let relay = relaying(&fixture.journal, &recorder);
    recorder.published_count(2).await;
    record_each(&fixture.journal, &[3, 1, 2]).await;
    recorder.published_count(4).await;
    assert_eq!((recorder.versions(1), recorder.versions(2), recorder.versions(3)), (vec![], vec![1, 2, 3], vec![1]));
    let rows = fixture.texts("SELECT subject FROM outbox").await;
    assert!(rows.len() == 4 && rows.iter().all(|row| *row == blocked), "{rows:?}");

    recorder.accept_again(&blocked);
    fixture.outbox_is_empty().await;
    relay.stop().await;
    assert_eq!(recorder.versions(1), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_up_its_own_subject_only() {
    let fixture = Fixture::new().await;
    record_each(&fixture.journal, &[1, 2]).await;
    fixture.execute("UPDATE outbox SET envelope = '{\"what\": \"ever\"}' WHERE subject = 'plan/1'").await;
    record_each(&fixture.journal, &[1, 2]).await;
    let recorder = Recorder::default();
    let relay = relaying(&fixture.journal, &recorder);
    recorder.published_count(2).await;
    relay.stop().await;
    assert_eq!((recorder.versions(1), recorder.versions(2)), (vec![], vec![1, 2]));
    assert_eq!(fixture.number("SELECT count(*) FROM outbox WHERE subject = 'plan/1'").await, 2);
}

#[tokio::test]
async fn rows_are_deleted_only_after_their_confirm() {
    let fixture = Fixture::new().await;
    let recorder = Recorder::default();
    let held = recorder.hold().await;
    record_each(&fixture.journal, &[1, 1]).await;
    let relay = relaying(&fixture.journal, &recorder);
    until("the first is handed over", async || recorder.tries("plan/1") == 1).await;
    assert_eq!(fixture.recorded().await, (2, 2));
    drop(held);
    fixture.outbox_is_empty().await;
    relay.stop().await;
    assert_eq!((recorder.versions(1), fixture.recorded().await), (vec![1, 2], (2, 0)));
}

#[tokio::test]
async fn a_command_to_another_role_leaves_with_the_step() {
    let fixture = Fixture::new().await;
    let parameters =
        CreateBucket { s3uid: None, bucket_name: "photos".parse().expect("a name"), id: Some(model::CustomerId(7)) };
    let message_id = Uuid::new_v4();
    let mut step = fixture.journal.step().await.expect("a step");
    let deadline = Some(step.now());
    step.send(&subject(1), Principal::Admin(None), message_id, deadline, Some("00-aa-bb-01"), &parameters)
        .await
        .expect("a row");
    step.commit().await.expect("a commit");
    let recorder = Recorder::default();
    let relay = relaying(&fixture.journal, &recorder);
    fixture.outbox_is_empty().await;
    relay.stop().await;
    let (envelope, body) = recorder.published().remove(0);
    assert_eq!((envelope.exchange.as_str(), envelope.routing_key.as_str()), ("s3.commands", "create_bucket"));
    assert_eq!((envelope.message_id, envelope.mandatory, envelope.persistent), (Some(message_id), true, true));
    assert_eq!(envelope.headers["traceparent"], "00-aa-bb-01");
    assert!(envelope.headers.contains_key("deadline"));
    let body: Value = Encoding::MessagePack.decode(&body).expect("MessagePack");
    assert_eq!((&body["principal"]["role"], &body["bucket_name"]), (&"admin".into(), &"photos".into()));
}
