//! How long answers are kept.

use chrono::TimeDelta;
use history::{Journal, Keep, Seen};
use messages::{Reply, Request};
use serde_json::json;

use crate::fixture::{Fixture, fingerprint, key, request};
use crate::outside::{Fault, Place, World};

async fn answer(journal: &Journal, request: &Request, keep: Option<Keep>) {
    let mut step = journal.step().await.expect("a step");
    assert_eq!(step.accept(&key(request), request, &fingerprint(request)).await, Ok(true));
    if let Some(keep) = keep {
        step.answer(&key(request), &Reply::success("make_thing", &json!({})), keep).await.expect("an answer");
    }
    step.commit().await.expect("a commit");
}

async fn is_known(journal: &Journal, request: &Request) -> bool {
    journal.seen(&key(request), &fingerprint(request)).await.expect("seen") != Seen::New
}

#[tokio::test]
async fn only_answers_whose_time_is_over_are_forgotten() {
    let fixture = Fixture::new().await;
    let journal = &fixture.journal;
    let (old, paid, pending, young) = (request("a", 1), request("b", 1), request("c", 1), request("d", 1));
    answer(journal, &old, Some(Keep::ForDays)).await;
    answer(journal, &paid, Some(Keep::ForEver)).await;
    answer(journal, &pending, None).await;
    let world = World::new(&[(Place::BeforeEffect, Fault::Unavailable)]);
    let interrupted = request("e", 2);
    journal.run_outside(&world, &interrupted).await.expect_err("it fails once");

    fixture.clock.advance(TimeDelta::days(7));
    answer(journal, &young, Some(Keep::ForDays)).await;
    assert_eq!(journal.forget_expired().await, Ok(0), "seven days are kept to the end");
    fixture.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(journal.forget_expired().await, Ok(1));
    assert!(!is_known(journal, &old).await);
    for request in [&paid, &pending, &young, &interrupted] {
        assert!(is_known(journal, request).await);
    }

    fixture.clock.advance(TimeDelta::days(20_000));
    assert_eq!(journal.forget_expired().await, Ok(1), "the young one has grown old");
    for request in [&paid, &pending, &interrupted] {
        assert!(is_known(journal, request).await);
    }
    journal.run_outside(&world, &interrupted).await.expect("however long it took");
}

#[tokio::test]
async fn forgetting_an_answer_does_not_forget_what_happened() {
    let fixture = Fixture::new().await;
    let request = request("a", 1);
    fixture.journal.run_outside(&World::new(&[]), &request).await.expect("done");
    fixture.clock.advance(TimeDelta::days(8));
    assert_eq!(fixture.journal.forget_expired().await, Ok(1));
    assert_eq!(fixture.recorded().await, (1, 1));
}
