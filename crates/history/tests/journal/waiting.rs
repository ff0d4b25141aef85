//! Callers who wait for a later event.

use chrono::TimeDelta;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{Encoding, Reply, Request};
use serde_json::json;

use crate::fixture::{Fixture, MakeThing, from_caller, key, request, until};
use crate::relay::{Recorder, Running, relaying};

/// Takes the command; something else will answer it.
struct TakeOnly;

#[async_trait::async_trait]
impl DatabaseCommand<MakeThing> for TakeOnly {
    async fn decide(&self, _: &mut Step, _: &Request, _: &MakeThing) -> Result<Decision, Failure> {
        Ok(Decision::Later)
    }
}

async fn answer_waiting(fixture: &Fixture, request: &Request, reply: &Reply) {
    let mut step = fixture.journal.step().await.expect("a step");
    step.answer_waiting(&key(request), "make_thing", reply, Keep::ForEver).await.expect("answers");
    step.commit().await.expect("a commit");
}

#[tokio::test]
async fn everyone_who_waits_gets_the_reply_in_their_own_encoding() {
    let fixture = Fixture::new().await;
    let request = request("a", 1);
    let callers = [("reply.one", Encoding::Json), ("reply.two", Encoding::MessagePack), ("reply.one", Encoding::Json)];
    for (reply_to, encoding) in callers {
        let asked = from_caller(&request, reply_to, encoding);
        assert_eq!(fixture.journal.run_database(&TakeOnly, &asked).await, Ok(None), "{reply_to}");
    }
    assert_eq!(fixture.number("SELECT count(*) FROM waiting_callers").await, 2, "a repeat waits once");

    let reply = Reply::success("make_thing", &json!({"name": "a"}));
    answer_waiting(&fixture, &request, &reply).await;
    assert_eq!(fixture.number("SELECT count(*) FROM waiting_callers").await, 0);
    let recorder = Recorder::default();
    let relay = relaying(&fixture.journal, &recorder);
    recorder.published_count(2).await;
    let mut published = recorder.published();
    published.sort_by(|left, right| left.0.routing_key.cmp(&right.0.routing_key));
    for ((envelope, body), (reply_to, encoding)) in published.iter().zip(callers) {
        assert_eq!((envelope.exchange.as_str(), envelope.routing_key.as_str()), ("", reply_to));
        assert_eq!((envelope.encoding, envelope.correlation_id.as_deref()), (encoding, Some("c1")));
        assert_eq!(body, &reply.encode(encoding).expect("bytes"));
    }
    relay.stop().await;

    let late = from_caller(&request, "reply.late", Encoding::Json);
    assert_eq!(fixture.journal.run_database(&TakeOnly, &late).await, Ok(Some(reply)), "who comes late reads it");
    assert_eq!(fixture.number("SELECT count(*) FROM waiting_callers").await, 0);
}

#[tokio::test]
async fn nobody_waits_for_what_has_been_answered() {
    let fixture = Fixture::new().await;
    let request = from_caller(&request("a", 1), "reply.one", Encoding::Json);
    let caller = request.caller.clone().expect("a caller");
    let wait = async || {
        let mut step = fixture.journal.step().await.expect("a step");
        let waits = step.wait(&key(&request), &caller).await.expect("an answer");
        step.commit().await.expect("a commit");
        waits
    };
    assert!(!wait().await, "the command is unknown");
    fixture.journal.run_database(&TakeOnly, &Request { caller: None, ..request.clone() }).await.expect("taken");
    assert!(wait().await);
    answer_waiting(&fixture, &request, &Reply::success("make_thing", &json!({}))).await;
    assert!(!wait().await);
}

/// A reply that nobody takes, and a relay that tries it.
async fn undeliverable() -> (Fixture, Recorder, Running) {
    let fixture = Fixture::new().await;
    let request = from_caller(&request("a", 1), "reply.gone", Encoding::Json);
    fixture.journal.run_database(&TakeOnly, &request).await.expect("taken");
    answer_waiting(&fixture, &request, &Reply::success("make_thing", &json!({}))).await;
    let recorder = Recorder::default();
    recorder.refuse("reply.gone");
    let relay = relaying(&fixture.journal, &recorder);
    until("it was tried", async || recorder.tries("reply.gone") > 0).await;
    (fixture, recorder, relay)
}

#[tokio::test]
async fn a_reply_that_cannot_be_published_goes_out_when_it_can() {
    let (fixture, recorder, relay) = undeliverable().await;
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 1);
    recorder.accept_again("reply.gone");
    fixture.outbox_is_empty().await;
    relay.stop().await;
    assert_eq!(recorder.published().len(), 1);
}

#[tokio::test]
async fn a_reply_is_given_up_after_five_minutes() {
    let (fixture, recorder, relay) = undeliverable().await;
    fixture.clock.advance(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    fixture.outbox_is_empty().await;
    relay.stop().await;
    assert_eq!(recorder.published().len(), 0);
}
