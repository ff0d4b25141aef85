//! A command that touches the outside fails at each step in turn, and is delivered again.

use history::{Failure, Journal, Seen};
use messages::{Refusal, Reply, Request};

use crate::fixture::{Fixture, fingerprint, is_busy, is_unavailable, key, request};
use crate::outside::{Fault, Place, World};

async fn run(journal: &Journal, world: &World, request: &Request) -> Result<Reply, Failure> {
    journal.run_outside(world, request).await
}

/// Done once: one thing outside, one row of state, one entry of history, one event, no intent left, the reply saved.
async fn assert_done_once(fixture: &Fixture, world: &World, request: &Request, reply: &Reply) {
    assert_eq!(world.creations(), ["a"]);
    assert_eq!(fixture.texts("SELECT name FROM things").await, ["a"]);
    assert_eq!(fixture.recorded().await, (1, 1));
    assert_eq!(fixture.intents().await, 0);
    let seen = fixture.journal.seen(&key(request), &fingerprint(request)).await;
    assert_eq!(seen, Ok(Seen::Answered(reply.clone())));
}

/// Fails once there; the next delivery does it, the one after it reads the saved reply and touches nothing.
async fn fails_once(place: Place, fault: Fault, attempts: usize) {
    for world in World::both(&[(place, fault)]) {
        fails_once_in(&world, attempts).await;
    }
}

async fn fails_once_in(world: &World, attempts: usize) {
    let fixture = Fixture::new().await;
    let request = request("a", 1);

    let failed = run(&fixture.journal, world, &request).await;
    assert!(is_unavailable(&failed), "{failed:?}");
    assert_eq!(fixture.recorded().await, (0, 0), "nothing is written down before it is concluded");

    let reply = run(&fixture.journal, world, &request).await.expect("the second delivery");
    assert_eq!(run(&fixture.journal, world, &request).await, Ok(reply.clone()), "the third delivery");
    assert_done_once(&fixture, world, &request, &reply).await;

    let plans = world.plans();
    assert_eq!(plans.len(), attempts);
    assert!(plans.iter().all(|plan| *plan == plans[0]), "each attempt performs the same plan: {plans:?}");
    assert!(reply.as_json_text().contains(&plans[0].generated));
}

#[tokio::test]
async fn plan_fails() {
    fails_once(Place::Plan, Fault::Unavailable, 1).await;
}

#[tokio::test]
async fn the_connection_is_lost_while_planning() {
    fails_once(Place::Plan, Fault::ConnectionLost, 1).await;
}

#[tokio::test]
async fn the_intent_is_not_committed() {
    fails_once(Place::Plan, Fault::CommitFails, 1).await;
}

#[tokio::test]
async fn perform_fails_before_its_effect() {
    fails_once(Place::BeforeEffect, Fault::Unavailable, 2).await;
}

#[tokio::test]
async fn perform_fails_after_its_effect() {
    fails_once(Place::AfterEffect, Fault::Unavailable, 2).await;
}

#[tokio::test]
async fn conclude_fails() {
    fails_once(Place::Conclude, Fault::Unavailable, 2).await;
}

#[tokio::test]
async fn the_connection_is_lost_while_concluding() {
    fails_once(Place::Conclude, Fault::ConnectionLost, 2).await;
}

#[tokio::test]
async fn the_conclusion_is_not_committed() {
    fails_once(Place::Conclude, Fault::CommitFails, 2).await;
}

/// A refusal is the answer: saved, nothing written down, the slot free.
async fn refuses(place: Place, effects: &[&str]) {
    for world in World::both(&[(place, Fault::Refused)]) {
        refuses_in(&world, place, effects).await;
    }
}

async fn refuses_in(world: &World, place: Place, effects: &[&str]) {
    let fixture = Fixture::new().await;
    let request = request("a", 1);
    let refusal = Reply::refused("", &Refusal::new(format!("{place:?} refuses")));
    assert_eq!(run(&fixture.journal, world, &request).await, Ok(refusal.clone()));
    assert_eq!(run(&fixture.journal, world, &request).await, Ok(refusal), "the second delivery");
    assert_eq!(world.creations(), effects);
    assert_eq!(fixture.recorded().await, (0, 0));
    assert_eq!(fixture.number("SELECT count(*) FROM things").await, 0);
    assert_eq!(fixture.intents().await, 0);
}

#[tokio::test]
async fn plan_refuses() {
    refuses(Place::Plan, &[]).await;
}

#[tokio::test]
async fn perform_refuses() {
    refuses(Place::BeforeEffect, &[]).await;
}

#[tokio::test]
async fn conclude_refuses() {
    refuses(Place::Conclude, &["a"]).await;
}

#[tokio::test]
async fn failures_at_every_step_of_one_command_add_up_to_one_effect() {
    let fixture = Fixture::new().await;
    let faults = [
        (Place::Plan, Fault::Unavailable),
        (Place::Plan, Fault::CommitFails),
        (Place::BeforeEffect, Fault::Unavailable),
        (Place::AfterEffect, Fault::Unavailable),
        (Place::Conclude, Fault::ConnectionLost),
        (Place::Conclude, Fault::CommitFails),
    ];
    let world = World::new(&faults);
    let request = request("a", 1);
    for (place, fault) in faults {
        let failed = run(&fixture.journal, &world, &request).await;
        assert!(is_unavailable(&failed), "{place:?} {fault:?}: {failed:?}");
    }
    let attempt = fixture.number("SELECT attempt::bigint FROM intents").await;
    assert_eq!(attempt, 4, "one per time that it was performed");
    let reply = run(&fixture.journal, &world, &request).await.expect("no fault is left");
    assert_done_once(&fixture, &world, &request, &reply).await;
}

#[tokio::test]
async fn a_worker_with_one_connection_gets_through() {
    let fixture = Fixture::new().await;
    let journal = fixture.other_process(1);
    let refused = World::new(&[(Place::Plan, Fault::Refused)]);
    assert!(run(&journal, &refused, &request("a", 1)).await.expect("a reply").is_refusal());
    let world = World::new(&[(Place::Conclude, Fault::Refused), (Place::Conclude, Fault::CommitFails)]);
    assert!(run(&journal, &world, &request("b", 1)).await.expect("a reply").is_refusal());
    let third = request("c", 1);
    assert!(is_unavailable(&run(&journal, &world, &third).await));
    assert!(!run(&journal, &world, &third).await.expect("a reply").is_refusal());
}

#[tokio::test]
async fn a_second_command_of_the_subject_waits_its_turn_and_others_do_not() {
    for world in World::both(&[(Place::AfterEffect, Fault::Unavailable)]) {
        waits_its_turn(&world).await;
    }
}

async fn waits_its_turn(world: &World) {
    let fixture = Fixture::new().await;
    let (first, second, elsewhere) = (request("a", 1), request("b", 1), request("c", 2));
    assert!(is_unavailable(&run(&fixture.journal, world, &first).await));

    let busy = run(&fixture.journal, world, &second).await;
    assert!(is_busy(&busy), "{busy:?}");
    let seen = fixture.journal.seen(&key(&second), &fingerprint(&second)).await;
    assert_eq!(seen, Ok(Seen::New), "who was sent away leaves nothing behind");
    run(&fixture.journal, world, &elsewhere).await.expect("another subject");

    run(&fixture.journal, world, &first).await.expect("the first");
    run(&fixture.journal, world, &second).await.expect("then the second");
    assert_eq!(world.creations(), ["a", "c", "b"]);
    assert_eq!(fixture.intents().await, 0);
}

#[tokio::test]
async fn who_may_not_touch_a_subject_does_not_learn_that_it_is_worked_on() {
    for world in World::both(&[(Place::AfterEffect, Fault::Unavailable)]) {
        let fixture = Fixture::new().await;
        assert!(is_unavailable(&run(&fixture.journal, &world, &request("a", 1)).await));
        for stranger in World::both(&[(Place::Plan, Fault::Refused)]) {
            let reply = run(&fixture.journal, &stranger, &request("b", 1)).await.expect("a reply");
            assert!(reply.is_refusal(), "{reply:?}");
        }
    }
}
