//! Workers that die or stand still in the middle of a command, and those who take over.

use history::{Failure, Journal};
use messages::{Reply, Request};
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, LEASE, is_busy, request, until};
use crate::outside::{Fault, Place, World};

/// Runs until it stands still at its first fault.
async fn start(journal: &Journal, world: &World, request: &Request) -> JoinHandle<Result<Reply, Failure>> {
    let before = world.frozen();
    let (journal, task_world, request) = (journal.clone(), world.clone(), request.clone());
    let task = tokio::spawn(async move { journal.run_outside(&task_world, &request).await });
    until("the worker stands still", async || world.frozen() > before).await;
    task
}

/// The worker dies there; the redelivery finishes the same work once.
async fn dies(place: Place, attempts: usize) {
    for world in World::both(&[(place, Fault::Frozen)]) {
        dies_in(&world, place, attempts).await;
    }
}

async fn dies_in(world: &World, place: Place, attempts: usize) {
    let fixture = Fixture::new().await;
    let request = request("a", 1);
    let worker = start(&fixture.journal, world, &request).await;
    worker.abort();
    assert!(worker.await.expect_err("it was killed").is_cancelled());

    let next = fixture.other_process(2);
    if place != Place::Plan {
        let early = next.run_outside(world, &request).await;
        assert!(is_busy(&early), "the dead worker's lease still runs: {early:?}");
    }
    fixture.clock.advance(LEASE);
    let reply = next.run_outside(world, &request).await.expect("the redelivery");
    assert_eq!(next.run_outside(world, &request).await, Ok(reply));
    assert_eq!(world.creations(), ["a"]);
    assert_eq!(fixture.texts("SELECT name FROM things").await, ["a"]);
    assert_eq!((fixture.recorded().await, fixture.intents().await), ((1, 1), 0));
    let plans = world.plans();
    assert_eq!(plans.len(), attempts);
    assert!(plans.iter().all(|plan| *plan == plans[0]), "{plans:?}");
}

#[tokio::test]
async fn a_worker_dies_while_planning() {
    dies(Place::Plan, 1).await;
}

#[tokio::test]
async fn a_worker_dies_before_the_effect() {
    dies(Place::BeforeEffect, 2).await;
}

#[tokio::test]
async fn a_worker_dies_after_the_effect() {
    dies(Place::AfterEffect, 2).await;
}

#[tokio::test]
async fn a_worker_dies_while_concluding() {
    dies(Place::Conclude, 2).await;
}

#[tokio::test]
async fn an_overtaken_worker_changes_nothing_when_it_wakes() {
    let fixture = Fixture::new().await;
    let world = World::new(&[(Place::AfterEffect, Fault::Frozen)]);
    let request = request("a", 1);
    let frozen = start(&fixture.journal, &world, &request).await;

    fixture.clock.advance(LEASE);
    let reply = fixture.other_process(2).run_outside(&world, &request).await.expect("the one who takes over");
    world.wake();
    let late = frozen.await.expect("no panic");
    assert!(is_busy(&late), "{late:?}");
    assert_eq!((fixture.recorded().await, fixture.intents().await), ((1, 1), 0));
    assert_eq!(fixture.journal.run_outside(&world, &request).await, Ok(reply), "the answer stays");
}

#[tokio::test]
async fn a_worker_overtaken_while_the_other_performs_changes_nothing() {
    let fixture = Fixture::new().await;
    let world = World::new(&[(Place::AfterEffect, Fault::Frozen), (Place::AfterEffect, Fault::Frozen)]);
    let request = request("a", 1);
    let first = start(&fixture.journal, &world, &request).await;
    fixture.clock.advance(LEASE);
    let second = start(&fixture.other_process(2), &world, &request).await;

    // The two wake in the order in which they stopped.
    world.wake();
    let late = first.await.expect("no panic");
    assert!(is_busy(&late), "{late:?}");
    assert_eq!((fixture.recorded().await, fixture.intents().await), ((0, 0), 1));
    world.wake();
    second.await.expect("no panic").expect("the attempt that holds the slot");
    assert_eq!((fixture.recorded().await, fixture.intents().await), ((1, 1), 0));
}

/// Wakes when another command of the subject, in its own first attempt, holds the slot.
async fn wakes_in_anothers_slot(faults_of_the_first: &[(Place, Fault)]) {
    let fixture = Fixture::new().await;
    let first_world = World::new(faults_of_the_first);
    let (first, second) = (request("a", 1), request("b", 1));
    let frozen = start(&fixture.journal, &first_world, &first).await;
    fixture.clock.advance(LEASE);
    let other = fixture.other_process(4);
    let others_world = World::new(&[(Place::AfterEffect, Fault::Frozen)]);
    other.run_outside(&World::new(&[]), &first).await.expect("taken over");
    let holder = start(&other, &others_world, &second).await;

    first_world.wake();
    frozen.await.expect("no panic").expect_err("it was overtaken");
    assert_eq!(fixture.number("SELECT count(*) FROM history.entries WHERE description = 'a made'").await, 1);
    let held = format!("SELECT count(*) FROM intents WHERE lease_until = to_timestamp({})", held_until(&fixture));
    assert_eq!(fixture.number(&held).await, 1, "the second command's lease is untouched");
    others_world.wake();
    holder.await.expect("no panic").expect("the second command");
    assert_eq!((fixture.recorded().await, fixture.intents().await), ((2, 2), 0));
}

fn held_until(fixture: &Fixture) -> i64 {
    (crate::fixture::now(fixture) + LEASE).timestamp()
}

#[tokio::test]
async fn an_overtaken_worker_does_not_conclude_in_another_commands_slot() {
    wakes_in_anothers_slot(&[(Place::AfterEffect, Fault::Frozen)]).await;
}

#[tokio::test]
async fn an_overtaken_worker_does_not_release_another_commands_slot() {
    wakes_in_anothers_slot(&[(Place::BeforeEffect, Fault::Frozen), (Place::AfterEffect, Fault::Unavailable)]).await;
}

#[tokio::test]
async fn of_two_who_resume_at_once_one_works() {
    let fixture = Fixture::new().await;
    let world = World::new(&[(Place::BeforeEffect, Fault::Unavailable), (Place::BeforeEffect, Fault::Frozen)]);
    let request = request("a", 1);
    fixture.journal.run_outside(&world, &request).await.expect_err("the first attempt fails");

    let worker = start(&fixture.journal, &world, &request).await;
    let other = fixture.other_process(2).run_outside(&world, &request).await;
    assert!(is_busy(&other), "{other:?}");
    world.wake();
    worker.await.expect("no panic").expect("the one who was first");
    assert_eq!((world.plans().len(), fixture.recorded().await), (2, (1, 1)));
}

#[tokio::test]
async fn a_command_that_waited_for_the_slot_plans_with_what_the_other_did() {
    let fixture = Fixture::new().await;
    let (first_world, second_world) = (World::new(&[(Place::Conclude, Fault::Frozen)]), World::new(&[]));
    let first = start(&fixture.journal, &first_world, &request("a", 1)).await;
    let (journal, world) = (fixture.other_process(2), second_world.clone());
    let second = tokio::spawn(async move { journal.run_outside(&world, &request("b", 1)).await });
    // It has planned, and waits for the slot that the first is about to free.
    fixture.somebody_waits_for_a_lock().await;
    first_world.wake();
    first.await.expect("no panic").expect("the first");
    second.await.expect("no panic").expect("the second");
    assert_eq!(second_world.plans()[0].things, 1);
    assert_eq!((fixture.recorded().await, fixture.intents().await), ((2, 2), 0));
}
