//! Commands that change the database only.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;
use history::{DatabaseCommand, Decision, Failure, Journal, Keep, Seen, Step};
use messages::{CommandKey, Encoding, Refusal, Reply, Request};
use serde_json::json;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::fixture::{
    Fixture, MakeThing, break_commit, cut_connection, fingerprint, from_caller, is_busy, is_unavailable, key, now,
    record, request, until,
};

/// How one call of [`Insert`] ends, after it has written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    Answer,
    Later,
    Refused,
    Unavailable,
    ConnectionLost,
    CommitFails,
}

/// Writes a thing and its history, then ends as told; every call answers something else.
#[derive(Debug, Clone)]
struct Insert {
    endings: Arc<Mutex<Vec<Ending>>>,
    /// One permit per call that has written.
    written: Arc<Semaphore>,
    /// One permit per call that may go on after it has written.
    gate: Arc<Semaphore>,
}

impl Insert {
    /// Ends as in `endings`, then always with an answer.
    fn ending(endings: &[Ending]) -> Self {
        Self {
            endings: Arc::new(Mutex::new(endings.iter().rev().copied().collect())),
            written: Arc::new(Semaphore::new(0)),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    /// The same, but each call waits, its step open, until it may go on.
    fn gated(endings: &[Ending]) -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..Self::ending(endings) }
    }
}

#[async_trait]
impl DatabaseCommand<MakeThing> for Insert {
    async fn decide(&self, step: &mut Step, _: &Request, parameters: &MakeThing) -> Result<Decision, Failure> {
        let name = &parameters.name;
        sqlx::query("INSERT INTO things VALUES ($1, 'database')").bind(name).execute(step.connection()).await?;
        record(step, parameters.plan, name).await?;
        self.written.add_permits(1);
        self.gate.acquire().await.expect("open").forget();
        let ending = self.endings.lock().expect("endings").pop().unwrap_or(Ending::Answer);
        match ending {
            Ending::Later => return Ok(Decision::Later),
            Ending::Refused => return Err(Refusal::new("no such thing").into()),
            Ending::Unavailable => return Err(Failure::Unavailable("scripted".to_owned())),
            Ending::ConnectionLost => cut_connection(step).await,
            Ending::CommitFails => break_commit(step).await,
            Ending::Answer => {}
        }
        let reply = Reply::success("make_thing", &json!({"name": name, "nonce": Uuid::new_v4()}));
        Ok(Decision::Answer(reply, Keep::ForDays))
    }
}

async fn run(journal: &Journal, handler: &Insert, request: &Request) -> Result<Option<Reply>, Failure> {
    journal.run_database(handler, request).await
}

async fn things(fixture: &Fixture) -> i64 {
    fixture.number("SELECT count(*) FROM things").await
}

#[tokio::test]
async fn seen_tells_new_pending_and_answered_apart_and_refuses_other_content() {
    let fixture = Fixture::new().await;
    let (journal, request) = (&fixture.journal, request("a", 1));
    assert_eq!(journal.seen(&key(&request), &fingerprint(&request)).await, Ok(Seen::New));

    assert_eq!(run(journal, &Insert::ending(&[Ending::Later]), &request).await, Ok(None));
    assert_eq!(journal.seen(&key(&request), &fingerprint(&request)).await, Ok(Seen::Pending));

    let reply = Reply::success("make_thing", &json!({}));
    let mut step = journal.step().await.expect("a step");
    step.answer(&key(&request), &reply, Keep::ForDays).await.expect("an answer");
    step.commit().await.expect("a commit");
    assert_eq!(journal.seen(&key(&request), &fingerprint(&request)).await, Ok(Seen::Answered(reply)));

    let mut other = request.clone();
    other.raw_parameters.insert("name".to_owned(), json!("b"));
    let refused = run(journal, &Insert::ending(&[]), &other).await;
    let Err(Failure::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert!(refusal.message.contains("was used before for another command"), "{refusal}");
    let other_action = Request { action: "unmake_thing".to_owned(), ..request.clone() };
    let refused = journal.seen(&key(&request), &fingerprint(&other_action)).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    assert_eq!(things(&fixture).await, 1);
}

#[tokio::test]
async fn the_same_id_of_another_customer_is_another_command() {
    let fixture = Fixture::new().await;
    let first = request("a", 1);
    let mut second = first.clone();
    second.principal = model::Principal::Customer(model::CustomerId(8));
    let handler = Insert::ending(&[]);
    let first_reply = run(&fixture.journal, &handler, &first).await.expect("done");
    let second_reply = run(&fixture.journal, &handler, &second).await.expect("done");
    assert_ne!(first_reply, second_reply);
    assert_eq!(things(&fixture).await, 2);
}

#[tokio::test]
async fn a_repeat_reads_the_saved_reply() {
    let fixture = Fixture::new().await;
    let (handler, request) = (Insert::ending(&[]), request("a", 1));
    let reply = run(&fixture.journal, &handler, &request).await.expect("done");
    assert_eq!(run(&fixture.other_process(1), &handler, &request).await, Ok(reply));
    assert_eq!((things(&fixture).await, fixture.recorded().await), (1, (1, 1)));
}

#[tokio::test]
async fn twins_get_the_same_answer_and_one_of_them_works() {
    let fixture = Fixture::new().await;
    let (handler, request) = (Insert::ending(&[]), request("a", 1));
    let mut twins = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (journal, handler, request) = (fixture.other_process(2), handler.clone(), request.clone());
        twins.spawn(async move { run(&journal, &handler, &request).await });
    }
    let replies = twins.join_all().await;
    let first = replies[0].clone().expect("done").expect("a reply");
    for reply in replies {
        assert_eq!(reply, Ok(Some(first.clone())));
    }
    assert_eq!((things(&fixture).await, fixture.recorded().await), (1, (1, 1)));
}

/// Starts one command, which holds its step open, and a twin, which waits for it; then lets the first end.
async fn twin_of(first: Ending, twin: Request, request: Request) -> (Fixture, [Result<Option<Reply>, Failure>; 2]) {
    let fixture = Fixture::new().await;
    let handler = Insert::gated(&[first]);
    let spawn = |journal: Journal, request: Request| {
        let handler = handler.clone();
        tokio::spawn(async move { run(&journal, &handler, &request).await })
    };
    let first = spawn(fixture.journal.clone(), request);
    until("the first has written", async || handler.written.available_permits() == 1).await;
    let second = spawn(fixture.other_process(2), twin);
    fixture.somebody_waits_for_a_lock().await;
    handler.gate.add_permits(2);
    let results = [first.await.expect("no panic"), second.await.expect("no panic")];
    (fixture, results)
}

#[tokio::test]
async fn a_twin_begins_anew_where_the_first_fails() {
    let request = request("a", 1);
    let (fixture, [first, twin]) = twin_of(Ending::CommitFails, request.clone(), request).await;
    assert!(is_unavailable(&first), "{first:?}");
    assert!(matches!(twin, Ok(Some(_))), "{twin:?}");
    assert_eq!((things(&fixture).await, fixture.recorded().await), (1, (1, 1)));
}

#[tokio::test]
async fn a_twin_of_a_refused_command_is_decided_once_more_and_one_answer_is_saved() {
    let request = request("a", 1);
    let (fixture, [first, twin]) = twin_of(Ending::Refused, request.clone(), request.clone()).await;
    // Whoever saves first; the other reads that.
    let saved = fixture.journal.seen(&key(&request), &fingerprint(&request)).await.expect("seen");
    let Seen::Answered(saved) = saved else { panic!("{saved:?}") };
    for result in [first, twin] {
        assert!(result == Ok(Some(saved.clone())) || is_busy(&result), "{result:?}");
    }
    let done = i64::from(!saved.is_refusal());
    assert_eq!((things(&fixture).await, fixture.recorded().await), (done, (done, done)));
}

#[tokio::test]
async fn twins_of_a_command_that_is_answered_later_both_wait() {
    let request = request("a", 1);
    let ours = from_caller(&request, "reply.ours", Encoding::Json);
    let theirs = from_caller(&request, "reply.theirs", Encoding::Json);
    let (fixture, results) = twin_of(Ending::Later, theirs, ours).await;
    assert_eq!(results, [Ok(None), Ok(None)]);
    let waiting = fixture.texts("SELECT reply_to FROM waiting_callers ORDER BY 1").await;
    assert_eq!(waiting, ["reply.ours", "reply.theirs"]);
    assert_eq!(things(&fixture).await, 1);
}

#[tokio::test]
async fn a_racing_command_with_the_same_id_and_other_content_is_refused_and_does_not_wait() {
    let ours = from_caller(&request("a", 1), "reply.ours", Encoding::Json);
    let mut theirs = from_caller(&ours, "reply.theirs", Encoding::Json);
    theirs.raw_parameters.insert("name".to_owned(), json!("b"));
    let (fixture, [first, second]) = twin_of(Ending::Later, theirs, ours).await;
    assert_eq!(first, Ok(None));
    assert!(matches!(second, Err(Failure::Refused(_))), "{second:?}");
    assert_eq!(fixture.texts("SELECT reply_to FROM waiting_callers").await, ["reply.ours"]);
}

#[tokio::test]
async fn a_refusal_rolls_back_and_is_saved() {
    let fixture = Fixture::new().await;
    let (handler, request) = (Insert::ending(&[Ending::Refused]), request("a", 1));
    // One connection: the refusal is saved when the step has given its own back.
    let journal = fixture.other_process(1);
    let refusal = Some(Reply::refused("", &Refusal::new("no such thing")));
    assert_eq!(run(&journal, &handler, &request).await, Ok(refusal.clone()));
    assert_eq!((things(&fixture).await, fixture.recorded().await), (0, (0, 0)));
    assert_eq!(run(&journal, &handler, &request).await, Ok(refusal), "the handler would answer now");
    assert_eq!(things(&fixture).await, 0);
}

#[tokio::test]
async fn a_value_that_postgresql_cannot_store_is_refused() {
    let fixture = Fixture::new().await;
    let request = request("a\u{0}b", 1);
    let reply = run(&fixture.journal, &Insert::ending(&[]), &request).await.expect("a reply").expect("a reply");
    assert!(reply.is_refusal() && reply.as_json_text().contains("can't be stored"), "{reply:?}");
    let seen = fixture.journal.seen(&key(&request), &fingerprint(&request)).await;
    assert_eq!(seen, Ok(Seen::Answered(reply)));
}

#[tokio::test]
async fn a_failure_leaves_nothing_and_the_next_delivery_does_it() {
    for ending in [Ending::Unavailable, Ending::ConnectionLost, Ending::CommitFails] {
        let fixture = Fixture::new().await;
        let (handler, request) = (Insert::ending(&[ending]), request("a", 1));
        let failed = run(&fixture.journal, &handler, &request).await;
        assert!(is_unavailable(&failed), "{ending:?}: {failed:?}");
        assert_eq!((things(&fixture).await, fixture.recorded().await), (0, (0, 0)), "{ending:?}");
        let seen = fixture.journal.seen(&key(&request), &fingerprint(&request)).await;
        assert_eq!(seen, Ok(Seen::New), "{ending:?}");
        assert!(matches!(run(&fixture.journal, &handler, &request).await, Ok(Some(_))), "{ending:?}");
        assert_eq!((things(&fixture).await, fixture.recorded().await), (1, (1, 1)), "{ending:?}");
    }
}

#[tokio::test]
async fn a_command_past_its_deadline_is_refused_and_one_that_was_answered_before_is_not() {
    let fixture = Fixture::new().await;
    let handler = Insert::ending(&[]);
    let deadline = Some(now(&fixture) + TimeDelta::seconds(1));
    let timely = Request { deadline, ..request("a", 1) };
    let late = Request { deadline, ..request("b", 1) };
    let reply = run(&fixture.journal, &handler, &timely).await.expect("in time");
    fixture.clock.advance(TimeDelta::seconds(2));
    assert_eq!(run(&fixture.journal, &handler, &timely).await, Ok(reply));
    let refused = run(&fixture.journal, &handler, &late).await;
    let is_told =
        |reply: &Reply| reply.is_refusal() && reply.as_json_text().contains(r#""details":{"cancelled":true}"#);
    assert!(matches!(&refused, Ok(Some(reply)) if is_told(reply)), "{refused:?}");
    assert_eq!(run(&fixture.journal, &handler, &late).await, refused, "it is saved");
    assert_eq!(things(&fixture).await, 1);
}

#[tokio::test]
async fn a_command_without_an_id_is_refused() {
    let fixture = Fixture::new().await;
    let request = Request { message_id: None, ..request("a", 1) };
    let refused = run(&fixture.journal, &Insert::ending(&[]), &request).await;
    assert!(matches!(&refused, Err(Failure::Refused(refusal)) if refusal.message.contains("message_id required")));
    let unknown = CommandKey { principal: "customer:7".to_owned(), message_id: Uuid::new_v4() };
    assert_eq!(fixture.journal.seen(&unknown, b"").await, Ok(Seen::New));
}
